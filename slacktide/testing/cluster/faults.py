"""A planner that is killed at random moments while gangs bind, and what the auditor saw of it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from functools import partial

from slacktide.testing.cluster.auditor import Auditor, Seen
from slacktide.testing.cluster.batch_pods import gang
from slacktide.testing.cluster.control_plane import ControlPlane
from slacktide.testing.cluster.fake_nodes import add
from slacktide.testing.cluster.supervised import Supervised


@dataclass(frozen=True, slots=True)
class Survived:
    """After all kills."""

    kills: int
    in_the_middle: int  # kills while a gang had some of its tasks bound or let go
    longest_partly_s: float
    recovery_s: tuple[float, ...]  # from each kill until all gangs were whole


def survive_kills(
    plane: ControlPlane,
    auditor: Auditor,
    planner: Supervised,
    *,
    kills: int,
    seed: int,
    gangs: int = 1,
    size: int = 40,
) -> Survived:
    """Submits gangs and kills the planner while they bind, again and again, until all are whole.

    Raises:
        AssertionError: when a gang does not become whole.
    """
    chance, middle, recovery_s = random.Random(seed), 0, []  # noqa: S311  no secret
    for turn in range(kills):
        names = [f"kill-{turn}-{k}" for k in range(gangs)]
        add(plane, auditor.path, [pod for name in names for pod in gang(name, size)])
        wanted = chance.randrange(1, gangs * size)  # let go when the axe falls
        auditor.wait(partial(_let_go, names=names, wanted=wanted), "some are let go")
        planner.kill()
        killed_s = time.monotonic()
        middle += any(0 < _moved(auditor.gangs, [name]) < size for name in names)
        auditor.wait_whole(*names)
        recovery_s.append(time.monotonic() - killed_s)
        remove(plane, auditor, names)
    return Survived(kills, middle, auditor.longest_partly_s(), tuple(recovery_s))


def remove(plane: ControlPlane, auditor: Auditor, names: list[str]) -> None:
    """Deletes these gangs' pods, and returns when they are gone."""
    with plane.client() as client:
        for name in names:
            asked = {"labelSelector": f"gang={name}", "gracePeriodSeconds": "0"}
            client.delete(auditor.path, params=asked).raise_for_status()
    auditor.wait(lambda seen: not any(seen[name].there for name in names), "they are gone")


def _let_go(seen: dict[str, Seen], *, names: list[str], wanted: int) -> bool:
    return _moved(seen, names) >= wanted


def _moved(seen: dict[str, Seen], names: list[str]) -> int:
    """How many tasks of these gangs were let go or bound."""
    return sum(len(seen[name].released) for name in names if name in seen)
