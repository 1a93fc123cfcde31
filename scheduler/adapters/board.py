"""The planner's memory: nodes, tasks and gangs as events tell them, and what was decided since.

A decision is assumed from the moment it is made: its tasks hold their room, and the extender lets
them through, before the API server knows. What the API server says replaces what is assumed.

Always holds: a task is counted once, under its UID, at one node at most; what is held of a node is
what its tasks hold; `Places` says the same as the tasks; an event costs what it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import structlog

from scheduler.adapters.node_columns import KeptNodes
from scheduler.adapters.node_forecasts import KeptForecasts
from scheduler.adapters.pods import is_batch, member_of
from scheduler.adapters.task_columns import KeptTasks
from scheduler.core.extender import Places
from scheduler.core.kinds import Constraints
from scheduler.core.member import Decision, Member, Stage
from scheduler.core.snapshot import NodeColumns, RunningColumns
from scheduler.core.supply_age import aged
from scheduler.core.ways_in.order import WAYS
from scheduler.core.ways_in.shape import Key
from slacktide.errors import BadInput
from slacktide.kube.cache import Change
from slacktide.kube.objects import Node, Pod

log = structlog.get_logger()


class Board:
    """What one planner knows. One loop reads and writes it."""

    def __init__(self) -> None:
        self.nodes = KeptNodes()
        self.forecasts = KeptForecasts()
        self.tasks = KeptTasks()
        self.used: dict[str, list[int]] = {}  # queue -> milli-cores, bytes of what is placed
        self.places = Places(unknown_waits=True)
        self.assumed: dict[str, Decision] = {}  # decided by us, not read back yet
        self.minding: set[str] = set()  # UIDs with a place that mind who else is there
        self.released: set[str] = set()  # UIDs that have a place and are not bound
        self.touched: set[Key] = set()  # gangs to look at again
        self._void: dict[str, str] = {}  # UID -> the plan that stands on its pod and holds no more
        self._successors: dict[str, Key] = {}  # UID of a withdrawn pod -> its copy's gang
        self._members: dict[str, Member] = {}  # by UID
        self._gangs: dict[Key, dict[str, Member]] = {}

    def pods_changed(self, changes: Sequence[Change[Pod]]) -> bool:
        """Takes what a reflector delivers. Returns whether any gang is concerned."""
        before = len(self.touched)
        for change in changes:
            if change.after is not None:
                self._pod(change.after)
            elif change.before is not None:
                self._set(change.before.metadata.uid, None)
                self.assumed.pop(change.before.metadata.uid, None)
        return len(self.touched) > before

    def nodes_changed(self, changes: Sequence[Change[Node]]) -> bool:
        """Takes what a reflector delivers. Returns whether anything may fit better or worse."""
        concerned = False
        for change in changes:
            if change.after is not None:
                concerned |= self.nodes.put(change.after)
            elif change.before is not None:
                self.nodes.remove(change.before)
                concerned = True
        return concerned

    def node_columns(
        self,
        constraints: Constraints | None,
        *,
        now_s: float,
    ) -> NodeColumns:
        """The nodes as they sell now: by their forecasts where there are any."""
        nodes = self.nodes.columns(constraints)
        supply = self.forecasts.supply(nodes, self.nodes.table(), now_s=now_s)
        return nodes if supply is None else aged(nodes, supply, self.tasks.columns(), now_s=now_s)

    def member(self, uid: str) -> Member | None:
        """One task, as assumed."""
        return self._members.get(uid)

    def running(self) -> RunningColumns:
        """The tasks that hold room, as they are now."""
        return self.tasks.columns(self.nodes.gpus.holds(self.tasks.row_of))

    def members(self, gang: Key) -> Iterable[Member]:
        """Of a gang."""
        return self._gangs.get(gang, {}).values()

    def placed(self) -> Iterator[Member]:
        """Every task that holds room."""
        return (one for one in self._members.values() if one.holds)

    def counts(self, one: Member) -> bool:
        """Whether a task is one; a copy is none while what it replaces is there."""
        return one.replaces not in self._members

    def gangs(self) -> Iterator[Key]:
        """All of them."""
        return iter(self._gangs)

    def __len__(self) -> int:
        """How many tasks there are."""
        return len(self._members)

    def assume(self, uid: str, decision: Decision) -> None:
        """A task goes to a node from now on, whoever knows it yet."""
        one = self._members[uid]
        self.assumed[uid] = decision
        self._set(uid, _assumed(one, decision))

    def requeue(self, uid: str, queue: str) -> None:
        """A task waits in another queue than its pod says: its gang's object has the word."""
        one = self._members[uid]
        touched = one.gang in self.touched
        self._set(uid, replace(one, queue=queue))
        if not touched:
            self.touched.discard(one.gang)

    def group_changed(self, namespace: str, name: str) -> bool:
        """A group's object is another now. Returns whether it has any pod."""
        keys = [key for source in WAYS if (key := Key(source, namespace, name)) in self._gangs]
        self.touched.update(keys)
        return bool(keys)

    def drop(self, uid: str) -> None:
        """What was assumed of a task will not come true."""
        one = self._members.get(uid)
        if self.assumed.pop(uid, None) is not None and one is not None:
            self.retract(uid)

    def retract(self, uid: str) -> None:
        """A task that was let go and not bound takes another place: it is not pinned."""
        one = self._members.get(uid)
        if one is not None and one.stage is Stage.RELEASED:
            self._set(uid, _waiting(one))

    def unplace(self, uid: str) -> None:
        """What stands on a pod that is not pinned holds no more: it is to be planned anew."""
        one = self._members.get(uid)
        if one is not None and one.decision is not None:
            self._void[uid] = one.decision.plan
            self.assumed.pop(uid, None)
            self.retract(uid)

    def _pod(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        if not is_batch(pod):
            return
        try:
            one = member_of(pod)
        except (BadInput, ValueError) as why:
            log.warning(
                "pod left alone", pod=f"{pod.metadata.namespace}/{pod.metadata.name}", why=str(why)
            )
            self._set(uid, None)
            return
        stands = one.decision.plan if one.decision is not None else ""
        if one.stage is Stage.RELEASED and stands == self._void.get(uid):
            one = _waiting(one)
        decision = self.assumed.get(uid)
        if decision is not None:
            if _not_yet(one, decision):
                one = _assumed(one, decision)
            else:
                del self.assumed[uid]
        self._set(uid, one)

    def _set(self, uid: str, one: Member | None) -> None:
        before = self._members.get(uid)
        if before is not None:
            self._out(before)
        elif one is not None:
            self.nodes.gpus.met(one)
        if one is not None:
            self._in(one)
            return
        self._void.pop(uid, None)
        if uid in self._successors:
            self.touched.add(self._successors.pop(uid))

    def _out(self, one: Member) -> None:
        if one.holds:
            self._hold(one, -1)
        del self._members[one.uid]
        gang = self._gangs[one.gang]
        del gang[one.uid]
        if not gang:
            del self._gangs[one.gang]
        self.touched.add(one.gang)
        self.released.discard(one.uid)
        self.minding.discard(one.uid)
        self.places.node_of.pop(one.uid, None)
        self.places.waiting.discard(one.uid)
        self.places.batch.discard(one.uid)

    def _in(self, one: Member) -> None:
        if one.holds:
            self._hold(one, 1)
        self._members[one.uid] = one
        self._gangs.setdefault(one.gang, {})[one.uid] = one
        self.touched.add(one.gang)
        if one.minds and one.holds:
            self.minding.add(one.uid)
        if one.replaces:
            self._successors[one.replaces] = one.gang
        if one.stage is Stage.RELEASED:
            self.released.add(one.uid)
        if one.stage in (Stage.RELEASED, Stage.BOUND):
            self.places.node_of[one.uid] = one.node
        elif one.stage in (Stage.WAITING, Stage.GATED):
            self.places.waiting.add(one.uid)
        if one.stage is Stage.BOUND:
            self.places.batch.add(one.uid)

    def _hold(self, one: Member, sign: int) -> None:
        """A task takes its room, or gives it back (-1)."""
        amounts = (sign * one.cpu_milli, sign * one.memory_bytes)
        used = self.used.setdefault(one.queue, [0, 0])
        used[0] += amounts[0]
        used[1] += amounts[1]
        row = self.nodes.hold(one.node, cpu_milli=amounts[0], memory_bytes=amounts[1])
        self.nodes.gpus.hold(one, takes=sign > 0)
        if sign > 0:
            self.tasks.put(one, row)
        else:
            self.tasks.remove(one.uid)
            self.nodes.tidy(one.node)


def _not_yet(one: Member, decision: Decision) -> bool:
    """Whether what the API server says is older than what was decided."""
    if one.stage is Stage.WAITING:
        return True
    elder = one.decision is not None and one.decision.plan != decision.plan
    return one.stage is Stage.RELEASED and elder


def _waiting(one: Member) -> Member:
    return replace(one, stage=Stage.WAITING, node="", decision=None)


def _assumed(one: Member, decision: Decision) -> Member:
    return replace(one, stage=Stage.RELEASED, node=decision.node, decision=decision)
