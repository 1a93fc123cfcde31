"""What gangs lack is told once, and only when it stayed so."""

from __future__ import annotations

from scheduler.core.settling import Settling
from scheduler.core.ways_in.shape import Key

A, B = Key("slacktide", "team", "a"), Key("slacktide", "team", "b")


def test_what_stays_is_told_once() -> None:
    lacks: Settling[str] = Settling(stays_s=2.0)
    lacks.put(A, "3 of 4", now_s=10.0)
    assert lacks.settled(now_s=11.9) == ()
    assert lacks.settled(now_s=12.0) == ("3 of 4",)
    assert lacks.settled(now_s=20.0) == ()


def test_what_changes_begins_anew_and_what_does_not_goes_on() -> None:
    lacks: Settling[str] = Settling(stays_s=2.0)
    lacks.put(A, "2 of 4", now_s=10.0)
    lacks.put(B, "1 of 2", now_s=10.5)
    lacks.put(A, "3 of 4", now_s=11.0)
    lacks.put(B, "1 of 2", now_s=11.5)
    assert lacks.settled(now_s=12.5) == ("1 of 2",)
    assert lacks.settled(now_s=13.0) == ("3 of 4",)


def test_who_lacks_nothing_any_more_is_not_told_of() -> None:
    lacks: Settling[str] = Settling(stays_s=2.0)
    lacks.put(A, "3 of 4", now_s=10.0)
    lacks.drop(A)
    lacks.put(B, "1 of 2", now_s=10.0)
    lacks.clear()
    assert lacks.settled(now_s=99.0) == ()
