"""How long gangs are taken to run where nobody says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.run_times import DEFAULT_S, ENOUGH, MOST_QUEUES, REMEMBERED, RunTimes
from tests.scheduler.boards import NOW_S, Planner, batch_pod, forecast, selling_node


def taught(*run_s: float, queue: str = "q") -> RunTimes:
    found = RunTimes()
    for each in run_s:
        found.learn(queue, each)
    return found


def test_too_few_finished_gangs_say_nothing() -> None:
    found = taught(*[60.0] * (ENOUGH - 1))
    assert found.predicted_s("q") is None
    assert "19 gangs of its queue have finished, 20 would tell" in found.reason("q")


def test_nine_in_ten_of_its_queue_ran_no_longer() -> None:
    found = taught(*range(1, 101))
    assert found.predicted_s("q") == 90
    assert found.reason("q") == "90% of 100 finished gangs of its queue ran 90 s at most"
    assert found.predicted_s("other") is None


def test_what_finished_long_ago_is_forgotten() -> None:
    assert taught(*[9_000.0] * REMEMBERED, *[60.0] * REMEMBERED).predicted_s("q") == 60


def test_the_queue_that_finished_nothing_for_longest_is_forgotten() -> None:
    found = taught(*[60.0] * ENOUGH, queue="first")
    for k in range(MOST_QUEUES):
        found.learn(f"q{k}", 1.0)
    assert found.predicted_s("first") is None


@given(st.lists(st.floats(0, 1e6), min_size=ENOUGH, max_size=60))
def test_a_prediction_is_one_of_what_was_seen_rounded_up(run_s: list[float]) -> None:
    found = taught(*run_s).predicted_s("q")
    assert found is not None
    assert sum(each <= found for each in run_s) >= 0.9 * len(run_s)
    assert any(0 <= found - max(each, 1) < 1 for each in run_s)


def finish(planner: Planner, name: str, *, after_s: float) -> None:
    """A gang of one is planned, runs, and is done after so long."""
    planner.sees(batch_pod(name))
    planner.decided_once()
    one = planner.board.member(f"uid-{name}")
    assert one is not None
    for phase, seconds in (("Running", 0.0), ("Succeeded", after_s)):
        planner.sees(batch_pod(name, decision=one.decision, node=one.node, phase=phase))
        planner.rounds.look(now_s=NOW_S + seconds)
    planner.gone(planner.pods[f"uid-{name}"])
    planner.rounds.look(now_s=NOW_S + after_s)


def test_the_process_learns_from_gangs_it_saw_run_and_finish() -> None:
    planner = Planner([selling_node("n0")], [])
    for k in range(ENOUGH):
        finish(planner, f"p{k}", after_s=100 + k)
    planner.board.forecasts.take("n0", forecast("n0", 4, 0.0, 0.0))
    planner.sees(batch_pod("next"))
    assert planner.decided_once()[0] == {"next": "n0"}
    placed = planner.board.member("uid-next")
    assert placed is not None
    assert placed.decision is not None
    assert placed.decision.for_s == 117
    assert placed.end_s == NOW_S + 117


def test_what_had_finished_before_this_process_looked_teaches_nothing() -> None:
    done = [batch_pod(f"p{k}", node="n0", phase="Succeeded") for k in range(ENOUGH)]
    planner = Planner([selling_node("n0")], done)
    planner.rounds.look(now_s=NOW_S)
    assert planner.rounds.durations.run_times.predicted_s("default") is None


def test_without_forecasts_or_finished_gangs_an_hour_stands_for_nobody_knows() -> None:
    planner = Planner([selling_node("n0")], [batch_pod("p")])
    planner.decided_once()
    placed = planner.board.member("uid-p")
    assert placed is not None
    assert placed.end_s == NOW_S + DEFAULT_S
