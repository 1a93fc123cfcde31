"""Replays in processes of their own: the same rows, in order, and no process left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.process import BaseProcess
from threading import Event

import pytest

from simulator.app.runs import Risks, in_background, new_replay
from simulator.core.replay import Scenario
from simulator.core.report import ReportRow
from slacktide.errors import BadInput
from tests.simulator.tiny import scenario

WAIT_S = 60.0
RISKS = Risks()


@pytest.fixture(scope="module")
def staged() -> Scenario:
    return scenario(1, 2)


class Heard:
    """What was said of progress, and when the first word came."""

    def __init__(self) -> None:
        self.words: list[tuple[str, float]] = []
        self.begun = Event()

    def __call__(self, policy: str, share: float) -> None:
        self.words.append((policy, share))
        self.begun.set()


def here(staged: Scenario, policy: str) -> ReportRow:
    replay = new_replay(staged, policy, RISKS)
    for _ in replay.steps():
        pass
    return replay.report()


@pytest.mark.slow
def test_rows_come_in_the_order_asked_and_equal_those_of_this_process(staged: Scenario) -> None:
    policies = ("oracle", "requests-only", "borg-default")
    heard = Heard()
    with in_background(staged, policies, RISKS, workers=2, heard=heard) as rows:
        found = rows()
    assert [row.policy for row in found] == list(policies)
    # A NaN equals no other, so rows are held against each other as they are written.
    assert [repr(row) for row in found] == [repr(here(staged, policy)) for policy in policies]
    for policy in policies:
        shares = [share for name, share in heard.words if name == policy]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0, 1)
    assert multiprocessing.active_children() == []


def test_a_ctrl_c_that_reaches_a_process_does_not_disturb_it(staged: Scenario) -> None:
    """A terminal sends it to all of them; only the one that leads may act on it."""
    heard = Heard()
    with in_background(staged, ("requests-only",), RISKS, workers=1, heard=heard) as rows:
        for worker in multiprocessing.active_children():
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGINT)  # while it still begins
        assert heard.begun.wait(WAIT_S)
        for worker in multiprocessing.active_children():
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGINT)  # in the middle of its replay
        (row,) = rows()
    assert row.policy == "requests-only"


class TheUserLeaves(Exception):  # noqa: N818  it is no error
    """What a Ctrl-C does to the command, without one to the test run."""


@pytest.mark.parametrize("begun", [True, False])
def test_leaving_early_ends_the_processes_whether_they_have_begun_or_not(
    staged: Scenario, begun: bool
) -> None:
    heard = Heard()
    workers: list[BaseProcess] = []

    def leave() -> None:
        with in_background(staged, ("oracle", "oracle"), RISKS, workers=1, heard=heard):
            assert not begun or heard.begun.wait(WAIT_S)
            workers.extend(multiprocessing.active_children())
            raise TheUserLeaves

    with pytest.raises(TheUserLeaves):
        leave()
    assert workers
    assert not any(worker.is_alive() for worker in workers)


def test_a_policy_that_fails_there_is_told_here(staged: Scenario) -> None:
    with (
        pytest.raises(BadInput, match="nobody"),
        in_background(staged, ("nobody",), RISKS, workers=1, heard=Heard()) as rows,
    ):
        rows()
    assert multiprocessing.active_children() == []


def test_without_policies_there_are_no_rows_and_no_processes(staged: Scenario) -> None:
    with in_background(staged, (), RISKS, workers=2, heard=Heard()) as rows:
        assert multiprocessing.active_children() == []
        assert rows() == []
