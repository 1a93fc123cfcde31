"""`top` in words: what it counts, and that the screen has it all."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace

import pytest
from rich.console import Console

from scheduler.adapters.scheduler_page import Counters, counted, counters
from scheduler.app.scheduler_metrics import SchedulerMetrics
from scheduler.app.top_command import Rates, screen
from scheduler.core.picture import Picture, PlannerFact
from tests.scheduler.boards import selling_node
from tests.scheduler.seen import NOW_S, gang, running, view_of


def picture() -> Picture:
    nodes = [selling_node("full", milli=4_000), selling_node("shut", unschedulable=True)]
    pods = [*running("runs", 4, "full"), *gang("waits", 3)]
    return view_of(nodes, pods).picture(now_s=NOW_S)


def shown(what: Picture, rates: Rates, namespace: str = "") -> str:
    screened = io.StringIO()
    Console(file=screened, width=200).print(screen(what, rates, namespace, with_nodes=True))
    return screened.getvalue()


def test_the_screen_has_cores_queues_gangs_and_nodes() -> None:
    said = shown(picture(), Rates())
    assert "2 nodes (1 closed) sell 8 cores and 0 GiB: 4 used, 0 free" in said
    assert "gangs: 1 run (4 tasks), 1 wait (3 tasks); no planner has been seen" in said
    assert "NODES_CLOSED" in said
    assert "Nodes: the fullest 2 of 2" in said
    assert "closed" in said


def test_only_the_gangs_of_the_namespace_are_listed() -> None:
    assert "Nobody waits." in shown(picture(), Rates(), namespace="other")
    assert "Waiting: 1" in shown(picture(), Rates(), namespace="team")


@pytest.mark.parametrize(
    ("alive", "said"),
    [(True, "planner p-1, heard of 3 s ago"), (False, "NO PLANNER AT WORK, the last was p-1")],
)
def test_whether_a_planner_is_at_work_is_said(*, alive: bool, said: str) -> None:
    planner = PlannerFact(holder="p-1", heard_s=3.0, alive=alive)
    assert said in shown(replace(picture(), planner=planner), Rates())


def test_rates_are_what_happened_between_two_looks() -> None:
    rates = Rates()
    rates.saw({"a", "b"}, Counters(rounds=10, round_s=0.5, written=100), at_s=5.0)
    assert (rates.binds_per_s, rates.rounds_per_s, rates.round_ms) == (None, None, 50.0)
    rates.saw({"b", "c", "d"}, Counters(rounds=30, round_s=0.6, written=140), at_s=7.0)
    assert (rates.binds_per_s, rates.rounds_per_s, rates.writes_per_s) == (1.0, 10.0, 20.0)
    assert rates.round_ms == 20.0
    assert "1 binds/s; 10 rounds/s, 20 writes/s; 20 ms a round" in shown(picture(), rates)


def test_a_planner_that_began_anew_has_no_rates_yet() -> None:
    rates = Rates()
    rates.saw(set(), Counters(rounds=10, round_s=0.5, written=100), at_s=5.0)
    rates.saw(set(), Counters(rounds=1, round_s=0.1, written=3), at_s=6.0)
    assert (rates.rounds_per_s, rates.writes_per_s) == (None, None)
    rates.saw(set(), None, at_s=7.0)
    assert (rates.rounds_per_s, rates.round_ms, rates.binds_per_s) == (None, None, 0.0)


def test_the_counters_are_read_from_the_page_that_a_planner_writes() -> None:
    metrics = SchedulerMetrics()
    written = {"patch": 3, "bind": 4}
    for took_s in (0.25, 0.75):
        metrics.round(
            asked=1,
            placed=1,
            tasks=1,
            assumed=0,
            withdrawn=0,
            evicted=0,
            written=written,
            took_s=took_s,
        )
    assert counted(metrics.page().decode()) == Counters(rounds=2, round_s=1.0, written=7)


@pytest.mark.parametrize("page", ["", "up 1\n", "# HELP x y\n"])
def test_another_page_has_no_counters(page: str) -> None:
    assert counted(page) is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/metrics", "nonsense", "http://["])
def test_where_nobody_answers_there_are_none(url: str) -> None:
    assert asyncio.run(counters(url)) is None
