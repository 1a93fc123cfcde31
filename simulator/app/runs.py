"""Replays of one scenario under several policies or settings at once, each in its own process."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from threading import Thread

from simulator.core.policies.catalogue import make
from simulator.core.replay import AS_SHIPPED, Choices, Replay, Scenario
from simulator.core.report import ReportRow

Heard = Callable[[str, float], None]  # (name of the run, share of the replay that is done)

TELL_EVERY = 200  # steps between two words of progress


@dataclass(frozen=True, slots=True)
class Risks:
    """What slacktide promises."""

    cpu: float = 0.01
    memory: float = 0.001


@dataclass(frozen=True, slots=True)
class Run:
    """One replay to be made; `name` is what its progress is told under."""

    name: str
    policy: str
    risks: Risks
    choices: Choices = AS_SHIPPED


def new_replay(
    scenario: Scenario, policy: str, risks: Risks, choices: Choices = AS_SHIPPED
) -> Replay:
    """A replay that has not begun."""
    asked = make(policy, scenario.history, cpu_risk=risks.cpu, memory_risk=risks.memory)
    return Replay(scenario, asked, choices)


@contextmanager
def in_background(
    scenario: Scenario, policies: tuple[str, ...], risks: Risks, *, workers: int, heard: Heard
) -> Iterator[Callable[[], list[ReportRow]]]:
    """Starts the policies' replays; see `runs_in_background`."""
    runs = tuple(Run(policy, policy, risks) for policy in policies)
    with runs_in_background(scenario, runs, workers=workers, heard=heard) as rows:
        yield rows


@contextmanager
def runs_in_background(
    scenario: Scenario, runs: tuple[Run, ...], *, workers: int, heard: Heard
) -> Iterator[Callable[[], list[ReportRow]]]:
    """Starts the replays; the value is a call that waits for their rows, in order.

    Leaving early (an error, Ctrl-C) ends the processes.
    """
    context = multiprocessing.get_context("spawn")
    said: SimpleQueue[tuple[str, float]] = context.SimpleQueue()
    listener = Thread(target=_listen, args=(said, heard), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(
        max_workers=max(1, min(workers, len(runs))),
        mp_context=context,
        initializer=_take,
        initargs=(scenario, said),
    )
    started: dict[Future[ReportRow], int] = {}
    try:
        with _deaf_to_ctrl_c():
            started = {pool.submit(_run, run): at for at, run in enumerate(runs)}

        def rows() -> list[ReportRow]:
            done = {started[run]: run.result() for run in as_completed(started)}
            return [done[at] for at in range(len(runs))]

        yield rows
    finally:
        if started and all(run.done() for run in started):
            pool.shutdown()
            said.put(("", math.nan))
            listener.join()
        else:  # one that is ended while it speaks leaves the line blocked: the listener stays
            _end(pool)


def _listen(said: SimpleQueue[tuple[str, float]], heard: Heard) -> None:
    while True:
        policy, share = said.get()
        if not policy:
            return
        heard(policy, share)


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """What is started meanwhile never hears Ctrl-C.

    A terminal sends it to every process; the one that leads ends the others, without complaint.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(pool: ProcessPoolExecutor) -> None:
    """No process outlives the command; one in the middle of a replay is not waited for."""
    workers = list((pool._processes or {}).values())  # noqa: SLF001  there is no public way
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        worker.terminate()
        worker.join()


_GIVEN: list[tuple[Scenario, SimpleQueue[tuple[str, float]]]] = []


def _take(scenario: Scenario, said: SimpleQueue[tuple[str, float]]) -> None:
    """What a worker process is given once, before its first replay."""
    Thread(target=_end_with_parent, daemon=True).start()
    _GIVEN[:] = [(scenario, said)]


def _end_with_parent() -> None:
    """A command that was killed ends nobody any more, so its processes watch it."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _run(run: Run) -> ReportRow:
    scenario, said = _GIVEN[0]
    replay = new_replay(scenario, run.policy, run.risks, run.choices)
    steps = (scenario.end_s - scenario.start_s) // scenario.history.interval_s
    for step, _frame in enumerate(replay.steps()):
        if step % TELL_EVERY == 0:
            said.put((run.name, step / steps))
    said.put((run.name, 1.0))
    return replay.report()
