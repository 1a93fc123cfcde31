"""The virtual cluster and the optimum that placement is measured by are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from bench._gang_policies import Easy, Fifo, Planner, Skip, snapshot_of
from bench._round_optimum import Question, gaps
from bench._virtual_cluster import Policy, Replay, Setting, State
from slacktide.trace import Jobs

GIB = 2.0**30
Row = tuple[int, int, float, int]  # submit_s, tasks, cores, duration_s


def setting(rows: list[Row], nodes: list[float]) -> Setting:
    submit_s, tasks, cores, duration_s = (np.array(column) for column in zip(*rows, strict=True))
    return Setting(
        jobs=Jobs(
            job=tuple(f"j{row}" for row in range(len(rows))),
            queue=("q",) * len(rows),
            submit_s=submit_s,
            tasks=tasks,
            min_available=tasks,
            duration_s=duration_s,
            priority=np.zeros(len(rows), np.int64),
            cpu_cores=cores.astype(float),
            memory_bytes=cores * GIB,
        ),
        queue=np.zeros(len(rows), np.int64),
        queues=("q",),
        cpu_cores=np.array(nodes),
        memory_bytes=np.array(nodes) * 4 * GIB,
        spacing_s=1,
        true_durations=True,
    )


def waits(policy: Policy, rows: list[Row], nodes: list[float]) -> list[float]:
    waited: list[float] = Replay(setting(rows, nodes), policy).run().waits_s().tolist()
    return waited


# the first holds half of the cluster, the second wants all of it, the others fit beside the first
QUEUE = [(0, 2, 1.0, 100), (0, 4, 1.0, 10), (0, 1, 1.0, 50), (0, 1, 1.0, 500)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Fifo, [0, 100, 110, 110]),  # nobody overtakes
        (Skip, [0, 500, 0, 0]),  # whoever fits starts, and the second waits for the last of them
        (Easy, [0, 100, 0, 110]),  # only who is gone before the second is due
    ],
)
def test_each_peer_waits_as_its_rule_says(policy: type[Policy], expected: list[float]) -> None:
    assert waits(policy(), QUEUE, [2.0, 2.0]) == expected


def random_rows(seed: int) -> list[Row]:
    random = np.random.default_rng(seed)
    submit_s = np.sort(random.integers(0, 200, 60))
    return [
        (
            int(submit),
            int(random.integers(1, 5)),
            float(random.integers(1, 5)),
            int(random.integers(1, 60)),
        )
        for submit in submit_s
    ]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("policy", [Fifo, Skip, Easy, Planner])
def test_every_gang_starts_once_whole_and_on_room_that_is_there(
    policy: type[Policy], seed: int
) -> None:
    """The replay itself refuses a start in part, a second one, and a node that holds too much."""
    replay = Replay(setting(random_rows(seed), [4.0, 8.0, 8.0]), policy()).run()
    assert (replay.waits_s() >= 0).all()
    assert 0 < replay.utilisation() <= 1
    np.testing.assert_allclose(replay.state.free_cpu_cores, [4, 8, 8])


def test_a_replay_refuses_a_policy_that_oversells() -> None:
    class Greedy:
        def round(self, state: State) -> list[tuple[int, np.ndarray, np.ndarray]]:
            jobs = state.setting.jobs
            return [(g, np.array([0]), jobs.tasks[[g]]) for g in state.waiting.tolist()]

    with pytest.raises(AssertionError, match="more was started on a node than fits it"):
        Replay(setting(QUEUE, [2.0, 2.0]), Greedy()).run()


def test_the_optimum_in_turn_lets_nobody_overtake_who_could_start() -> None:
    state = State.of(setting([(0, 1, 1.0, 9), (1, 2, 2.0, 9), (2, 1, 4.0, 9)], [2.0, 3.0]))
    state.waiting = np.arange(3)
    question = Question(snapshot_of(state))
    assert question.in_turn() == [0, 1]  # one core beside two of the two-core tasks
    assert question.most_cores() == pytest.approx(5)


def test_the_best_set_of_gangs_is_at_least_the_best_in_turn() -> None:
    state = State.of(setting([(0, 1, 2.0, 9), (1, 1, 3.0, 9)], [3.0]))
    state.waiting = np.arange(2)
    question = Question(snapshot_of(state))
    assert question.in_turn() == [0]
    assert question.most_cores() == pytest.approx(3)


@pytest.mark.parametrize("seed", range(3))
def test_on_small_clusters_a_plan_is_close_to_the_best_in_turn(seed: int) -> None:
    state = State.of(setting(random_rows(seed), [16.0, 24.0, 32.0]))
    state.waiting = np.arange(60)
    found = gaps(snapshot_of(state), now_s=200, bound=True)
    assert found.in_turn <= 0.02
    assert found.any is not None
    assert found.any >= -1e-9
