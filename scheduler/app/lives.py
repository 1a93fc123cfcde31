"""The lives of all gangs: one step of `lifecycle` whenever a gang is looked at, and what follows.

A gang that backs off, is suspended or has ended is not ready, whoever asks for it; its age is its
life's. What pods cannot say is written on its eldest pod (`life_note`), so a scheduler that starts
goes on from there.

Always holds: a life follows from what is there now and from its note; a note is written only where
it differs from what stands there, at most `PER_S` a second and never before decisions are; lives of
gangs that have ended are kept within bounds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from scheduler.adapters.board import Board
from scheduler.adapters.release import annotated
from scheduler.core.life_note import is_worth_writing, life_of, life_text
from scheduler.core.lifecycle import (
    ENDED,
    LIVE,
    Life,
    LifecycleSettings,
    Phase,
    begun,
    retained,
    step,
)
from scheduler.core.member import Member, Stage
from scheduler.core.members import Gang, gang_of
from scheduler.core.ways_in.job import JOB, is_offline
from scheduler.core.ways_in.order import WAYS
from scheduler.core.ways_in.shape import Groups, Key
from slacktide.contract import ANNOTATION_LIFE
from slacktide.kube.objects import Pod
from slacktide.kube.writing import JSON, Writer

PER_S: Final = 10.0
PATIENT_S: Final = 5.0  # a note waits so long for decisions that are still to be written
TIDY_EVERY: Final = 1_000  # ended lives between two looks at which of them to keep

PodOf = Callable[[str], Pod | None]


@dataclass(slots=True)
class Lives:
    """By gang."""

    board: Board
    pod_of: PodOf
    groups: Groups = field(default_factory=Groups)
    settings: LifecycleSettings = field(default_factory=LifecycleSettings)
    lives: dict[Key, Life] = field(default_factory=dict)
    news: dict[Key, Life] = field(default_factory=dict)  # phases entered, not told yet
    overdue: dict[Key, str] = field(default_factory=dict)  # gangs to stop, and why
    _lost: dict[Key, str] = field(default_factory=dict)
    _unwritten: set[Key] = field(default_factory=set)
    _ended: int = 0

    def lost(self, gang: Key, why: str) -> None:
        """We took its place from it, as a whole."""
        self._lost[gang] = why
        self.board.touched.add(gang)

    def only_look(self) -> None:
        """Forgets what there is to tell and to write: for who does neither."""
        self.news.clear()
        self.overdue.clear()
        self._unwritten.clear()

    def group_changed(self, namespace: str, name: str) -> bool:
        """A group's object is another now. Returns whether a gang without pods is concerned."""
        if (namespace, name) in self.groups.jobs and is_offline(self.groups.jobs[namespace, name]):
            self.board.touched.add(Key(JOB.source, namespace, name))
            return True
        keys = [key for source in WAYS if (key := Key(source, namespace, name)) in self.lives]
        self.board.touched.update(keys)
        return bool(keys)

    def evicted(self, gangs: Iterable[Key], *, now_s: float) -> None:
        """We evicted some of their pods."""
        for gang in gangs:
            if gang in self.lives:
                self.lives[gang] = replace(self.lives[gang], evicted_s=now_s)
                self._unwritten.add(gang)

    def evicted_s(self, gang: Key) -> float | None:
        """When any of its pods was evicted by us last; None for never."""
        life = self.lives.get(gang)
        return None if life is None else life.evicted_s

    def looked(self, gang: Gang, *, now_s: float) -> Gang:
        """The gang as its life has it: with its age, and not ready while it may not be planned."""
        before = self.lives.get(gang.key) or self._remembered(gang)
        if before is None:
            before = begun(gang, now_s=now_s, ran_since_s=self._ran_since_s(gang.key))
        life, stop = step(
            before,
            gang,
            now_s=now_s,
            settings=self.settings,
            planned=self._has_a_place(gang.key),
            lost=self._lost.pop(gang.key, ""),
        )
        self._keep(gang.key, life, now_s=now_s)
        if stop:
            self.overdue[gang.key] = life.reason
        gang = replace(gang, submit_s=life.submit_s)
        if life.phase in ENDED:
            return replace(gang, ready=False, ready_at_s=None, reason=life.reason)
        if now_s < life.not_before_s:
            return replace(gang, ready=False, ready_at_s=life.not_before_s, reason=life.reason)
        return gang

    def without_pods(self, key: Key, *, now_s: float) -> None:
        """No pod of it is there; its object may be."""
        if WAYS[key.source].shape(key, (), self.groups).group is not None:
            self.looked(gang_of(key, (), self.groups, now_s=now_s), now_s=now_s)
        elif key in self.lives:
            life = step(self.lives[key], None, now_s=now_s, settings=self.settings).life
            self._keep(key, life, now_s=now_s)

    def again_s(self, key: Key, *, limit_s: float | None, now_s: float) -> float | None:
        """When to look at a gang again though nothing has happened; None for no such time."""
        life = self.lives.get(key)
        if life is None or life.phase in ENDED:
            return None
        times_s = [life.not_before_s]
        if life.gone_s is not None:
            times_s.append(life.gone_s + self.settings.gone_after_s)
        if life.phase in LIVE and limit_s is not None:
            times_s.append(life.since_s + limit_s)
        return min((at_s for at_s in times_s if at_s > now_s), default=None)

    async def run(self, writer: Writer) -> None:
        """Writes notes for ever."""
        while True:
            due, self._unwritten = self._unwritten, set()
            for key in due:
                await self._write(key, writer)
            await asyncio.sleep(1.0 / PER_S)

    def _keep(self, key: Key, life: Life, *, now_s: float) -> None:
        before = self.lives.get(key)
        if life is before:
            return
        self.lives[key] = life
        self._unwritten.add(key)
        if before is None or before.phase is life.phase:
            return
        self.news[key] = life
        if life.phase in ENDED:
            self._ended += 1
            if self._ended >= TIDY_EVERY:
                self._ended = 0
                self.lives = retained(self.lives, now_s=now_s, settings=self.settings)

    def _has_a_place(self, key: Key) -> bool:
        return any(one.placed or one.stage is Stage.RELEASED for one in self.board.members(key))

    def _remembered(self, gang: Gang) -> Life | None:
        """The latest note on its pods."""
        found = [
            life
            for one in self.board.members(gang.key)
            if (pod := self.pod_of(one.uid)) is not None
            and (life := life_of((pod.metadata.annotations or {}).get(ANNOTATION_LIFE)))
        ]
        latest = max(found, key=lambda life: life.since_s, default=None)
        if latest is None or (latest.phase is Phase.FAILED and gang.whole):
            return None  # its time was up, and nobody came to say so: it is seen again
        return latest

    def _ran_since_s(self, key: Key) -> float | None:
        decided = [one.decision.at_s for one in self.board.members(key) if one.decision is not None]
        return float(max(decided)) if decided else None

    async def _write(self, key: Key, writer: Writer) -> None:
        for _ in range(int(PATIENT_S * PER_S)):
            if not self.board.assumed:
                break
            await asyncio.sleep(1.0 / PER_S)
        members = [one for one in self.board.members(key) if one.stage is not Stage.LEAVING]
        eldest = min(members, key=lambda one: (one.created_s, one.name), default=None)
        pod = self.pod_of(eldest.uid) if eldest is not None else None
        life = self.lives.get(key)
        if eldest is None or pod is None or life is None:
            return
        there = (pod.metadata.annotations or {}).get(ANNOTATION_LIFE)
        text = life_text(life)
        if text != there and (there or is_worth_writing(life, tasks=len(members))):
            await writer.patch(_path(eldest), _patch(pod, text), kind=JSON)


def _path(one: Member) -> str:
    return f"/api/v1/namespaces/{one.namespace}/pods/{one.name}"


def _patch(pod: Pod, text: str) -> list[dict[str, object]]:
    same = {"op": "test", "path": "/metadata/uid", "value": pod.metadata.uid}
    return [same, *annotated(pod, ANNOTATION_LIFE, text)]
