"""One tick after the other with parts that fail, lie or are gone; the real ones: test_loop_real."""

from __future__ import annotations

import json
import math
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from qos_controller.adapters.book_file import write_book
from qos_controller.adapters.cgroups.pods_in_tree import PodGroup
from qos_controller.adapters.ticks import Event, Tick, TickReader, TickWriter
from qos_controller.app.book_watch import BookWatch
from qos_controller.app.faults import Faults
from qos_controller.app.law import NodeLaw
from qos_controller.app.loop import WHOLE_S, Judgement, Loop, Parts
from qos_controller.app.wishes import MEMORY_ANSWER_S, Wishes
from qos_controller.core.decision import Action, Evict, Reason, SetOpen, SetQuota, Verdict
from qos_controller.core.node import NodeDecision, Verdicts, begin_node
from qos_controller.core.node_settings import NodeSettings
from qos_controller.core.pods import Book, Pod
from qos_controller.core.sample import Sample
from qos_controller.core.signals import Signals

PERIOD_S = 0.025


def fail() -> None:
    raise OSError(19, "No such device")


@dataclass
class Eyes:
    """Sees an idle node, or fails as it is told."""

    before: Callable[[], None] = lambda: None
    waits_share: float | None = None
    batch_cores: float = 0.25
    known: tuple[Pod, ...] = ()
    groups: dict[str, str] = field(default_factory=dict)
    stirred: bool = True
    glance: Callable[[], None] = lambda: None
    looks: list[float] = field(default_factory=list)

    def know(self, pods: Sequence[Pod], groups: Mapping[str, str]) -> None:
        self.known, self.groups = tuple(pods), dict(groups)

    def stirs(self, now_s: float) -> bool:
        del now_s
        self.glance()
        return self.stirred

    def read(self, now_s: float, *, pressed: bool) -> Sample:
        del pressed
        self.looks.append(now_s)
        self.before()
        signals = Signals(
            sampled_s=now_s,
            covered_s=PERIOD_S,
            capacity_cores=2.0,
            online_used_cores=0.5,
            offline_used_cores=self.batch_cores,
            online_some_share=self.waits_share,
            requests=40,
            slow_requests=2,
        )
        return Sample(signals=signals)

    def counts(self) -> dict[str, float]:
        return {"packets": 3}

    def close(self) -> None:
        return


@dataclass
class Hands:
    """Writes down what it was told to do."""

    before: Callable[[], None] = lambda: None
    did: list[object] = field(default_factory=list)
    frozen: float = 0.5

    def know(self, book: Book, tree: Mapping[str, PodGroup], now_s: float) -> None:
        del tree, now_s
        self.did.append(("know", tuple(pod.uid for pod in book.pods)))

    def tend(self, now_s: float) -> None:
        del now_s
        self.did.append("tend")

    def apply(self, action: Action, now_s: float) -> None:
        del now_s
        self.before()
        self.did.append(action)

    def kill(self, pod: str) -> None:
        self.did.append(("kill", pod))

    def restore(self) -> None:
        self.did.append("restore")

    def frozen_share(self, now_s: float) -> float:
        del now_s
        return self.frozen

    def counts(self) -> dict[str, float]:
        return {"writes": 1}


@dataclass
class Tree:
    """The groups that are there; changed when told."""

    pods: dict[str, PodGroup] = field(default_factory=dict)
    moved: bool = False

    def look(self, now_s: float) -> bool:
        del now_s
        moved, self.moved = self.moved, False
        return moved


@dataclass
class Judge:
    """Says what it was told to say, once each."""

    says: list[tuple[Action, ...]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    forgot: int = 0
    pressed: bool = False
    at_ease: bool = True
    wake_s: float = -math.inf

    def decide(self, sample: Sample, now_s: float) -> NodeDecision:
        self.before()
        verdict = Verdict(0, 0.25, Reason("as told"))
        capacity = sample.signals.capacity_cores
        memory = begin_node(capacity_cores=capacity, now_s=now_s, settings=NodeSettings())
        actions = self.says.pop(0) if self.says else ()
        verdicts = Verdicts(verdict, verdict, verdict, verdict)
        return NodeDecision(actions, memory, Reason("as told"), verdicts)

    def forget(self) -> None:
        self.forgot += 1

    def told(self, decision: NodeDecision, now_s: float) -> Sequence[Event]:
        del decision, now_s
        return ()

    def describe(self, tick: Tick, decision: NodeDecision) -> None:
        tick.level = decision.verdicts.cpu.level


@dataclass
class Agent:
    """A loop on parts of one's own, and the neighbour's end of the wishes."""

    run_dir: Path
    eyes: Eyes
    hands: Hands
    tree: Tree
    judge: Judge
    said: list[str]
    parts: Parts
    loop: Loop
    neighbour: socket.socket
    now_s: float = 100.0

    def ticks(self, count: int = 1) -> None:
        for _ in range(count):
            self.now_s += PERIOD_S
            self.loop.tick(self.now_s)

    def wishes(self) -> list[dict[str, object]]:
        heard = []
        while True:
            try:
                heard.append(json.loads(self.neighbour.recv(65_536)))
            except BlockingIOError:
                return [wish for wish in heard if wish["wish"] != "counts"]

    def diary(self) -> TickReader:
        return TickReader(self.run_dir / "ticks")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Agent]]:
    agents: list[Agent] = []

    def made(
        *,
        observe: bool = False,
        law: Judgement | None = None,
        says: Sequence[tuple[Action, ...]] = (),
    ) -> Agent:
        said: list[str] = []
        faults = Faults(said.append)
        eyes, hands, tree = Eyes(), Hands(), Tree()
        judge = Judge(says=list(says))
        parts = Parts(
            book=BookWatch(tmp_path / "pods.json", faults),
            tree=tree,
            sensing=eyes,
            acting=hands,
            law=law or judge,
            diary=TickWriter(tmp_path / "ticks", unix_s=time.time()),
            wishes=Wishes(tmp_path),
            faults=faults,
        )
        neighbour = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        neighbour.bind(str(tmp_path / "wishes.sock"))
        loop = Loop(parts, observe=observe)
        agents.append(Agent(tmp_path, eyes, hands, tree, judge, said, parts, loop, neighbour))
        return agents[-1]

    yield made
    for agent in agents:
        agent.neighbour.close()
        agent.parts.wishes.close()
        agent.parts.diary.close()


def evict(cause: str = "memory") -> Evict:
    return Evict("pod-1", cause, 1.0, 2.0**30, 12.5, breaks_gang=False)


def book(*, off: bool = False, uid: str = "pod-1") -> Book:
    pod = Pod(uid=uid, namespace="default", name="one", batch=True)
    return Book(node="n", written_s=1.0, pods=(pod,), off=off)


def test_a_tick_senses_decides_acts_and_writes_its_diary(make: Callable[..., Agent]) -> None:
    agent = make(says=[(SetQuota(1.5),)])
    agent.ticks()
    assert agent.hands.did == ["tend", SetQuota(1.5)]
    diary = agent.diary()
    assert diary.heartbeat_s == agent.now_s
    tick = diary.ticks()[-1]
    assert (tick.online_used_cores, tick.offline_used_cores) == (0.5, 0.25)
    assert tick.requests_per_s == pytest.approx(1600)
    assert tick.slow_share == pytest.approx(0.05)
    assert (tick.frozen, tick.level) == (0.5, 0.25)
    assert math.isnan(tick.io_full_share)
    assert 0 < tick.tick_cost_s < 1
    diary.close()


def test_observing_decides_and_writes_the_diary_and_nothing_to_the_node(
    make: Callable[..., Agent],
) -> None:
    agent = make(observe=True, says=[(SetQuota(1.5), evict(), SetOpen(open=False))])
    write_book(agent.run_dir / "pods.json", book())
    agent.ticks(3)
    assert agent.hands.did == []
    assert agent.wishes() == []
    assert agent.eyes.known == book().pods
    assert agent.diary().counts[0] == 3


def test_a_sense_that_fails_is_told_once_and_the_last_look_serves(
    make: Callable[..., Agent],
) -> None:
    agent = make()
    agent.ticks(2)
    agent.eyes.before = fail
    agent.ticks(100)
    assert len(agent.said) == 1
    assert "No such device" in agent.said[0]
    assert agent.parts.faults.counts == {"sense: OSError 19": 100}
    assert agent.diary().heartbeat_s == agent.now_s


def test_no_quota_grows_while_nothing_can_be_seen(make: Callable[..., Agent]) -> None:
    agent = make(law=NodeLaw())
    agent.ticks(40)
    agent.eyes.before = fail
    agent.ticks(40 * 40)
    quotas = [action.cores for action in agent.hands.did if isinstance(action, SetQuota)]
    assert quotas == sorted(quotas, reverse=True)
    assert agent.wishes() in ([], [{"wish": "open", "open": False}])
    assert not any(isinstance(action, Evict) for action in agent.hands.did)


def test_where_online_waits_for_itself_batch_pauses_and_goes_on_between_two_ticks(
    make: Callable[..., Agent],
) -> None:
    agent = make(law=NodeLaw())
    agent.eyes.waits_share, agent.eyes.batch_cores = 0.9, 1.0
    agent.ticks()
    (pause,) = [action for action in agent.hands.did if isinstance(action, SetQuota)]
    assert pause.cores < 0.1
    assert agent.now_s < agent.loop.wake_s < agent.now_s + PERIOD_S
    agent.loop.tick(agent.loop.wake_s)
    assert agent.hands.did[-1] == SetQuota(2.0)


def test_a_law_that_fails_gives_no_heartbeat_so_the_watchdog_acts(
    make: Callable[..., Agent],
) -> None:
    agent = make()
    agent.ticks()
    last_s = agent.now_s
    agent.judge.before = fail
    agent.ticks(10)
    assert agent.diary().heartbeat_s == last_s
    agent.judge.before = lambda: None
    agent.ticks()
    assert agent.diary().heartbeat_s == agent.now_s


def test_one_action_that_fails_does_not_keep_the_others_from_being_done(
    make: Callable[..., Agent],
) -> None:
    agent = make(says=[(SetQuota(1.0), SetQuota(2.0), SetOpen(open=False))])
    agent.hands.before = fail
    agent.ticks()
    assert agent.parts.faults.counts == {"act: OSError 19": 2}
    assert agent.wishes() == [{"wish": "open", "open": False}]


def test_an_eviction_is_a_wish_with_its_price_and_reason(make: Callable[..., Agent]) -> None:
    agent = make(says=[(evict("cpu"),)])
    agent.ticks(60)
    (wish,) = agent.wishes()
    assert wish["wish"] == "evict"
    assert (wish["pod"], wish["cause"], wish["work_lost_core_s"]) == ("pod-1", "cpu", 12.5)
    assert wish["reason"] == "as told"
    assert [event.kind for event in agent.diary().events()] == ["eviction"]
    assert ("kill", "pod-1") not in agent.hands.did


def test_memory_without_an_answer_is_killed_after_a_second_and_once(
    make: Callable[..., Agent],
) -> None:
    agent = make(says=[(evict(),)])
    agent.tree.pods = {"pod-1": PodGroup("pod-1", "besteffort", "kubepods/besteffort/podpod-1")}
    agent.ticks(int(MEMORY_ANSWER_S / PERIOD_S) - 1)
    assert ("kill", "pod-1") not in agent.hands.did
    agent.ticks(40)
    assert agent.hands.did.count(("kill", "pod-1")) == 1
    assert "killed by the agent" in agent.diary().events()[-1].text


def test_a_pod_that_left_in_time_is_not_killed(make: Callable[..., Agent]) -> None:
    agent = make(says=[(evict(),)])
    agent.tree.pods = {"pod-1": PodGroup("pod-1", "besteffort", "kubepods/besteffort/podpod-1")}
    agent.ticks(10)
    agent.tree.pods, agent.tree.moved = {}, True
    agent.ticks(80)
    assert ("kill", "pod-1") not in agent.hands.did


def test_a_wish_that_nobody_hears_is_counted_and_costs_nothing_else(
    make: Callable[..., Agent],
) -> None:
    agent = make(says=[(evict("cpu"),)])
    (agent.run_dir / "wishes.sock").unlink()
    agent.ticks(2)
    assert agent.parts.wishes.unheard >= 1
    assert agent.said == []


def test_the_newest_whole_book_is_in_force_and_nonsense_changes_nothing(
    make: Callable[..., Agent],
) -> None:
    agent = make()
    path = agent.run_dir / "pods.json"
    write_book(path, book(uid="first"))
    agent.ticks(5)
    for nonsense in (b"", b"{", b"[1]", b"\xff" * 99, b'{"node": 1}', b"9" * (9 << 20)):
        path.write_bytes(nonsense)
        agent.ticks(2)
    assert [pod.uid for pod in agent.eyes.known] == ["first"]
    assert len(agent.said) == 1
    path.unlink()
    agent.ticks(2)
    write_book(path, book(uid="second"))
    agent.ticks(2)
    assert [pod.uid for pod in agent.eyes.known] == ["second"]
    assert [did for did in agent.hands.did if did != "tend"] == [
        ("know", ("first",)),
        ("know", ("second",)),
    ]


def test_switched_off_everything_is_put_back_and_then_nothing_written_until_it_is_on_again(
    make: Callable[..., Agent],
) -> None:
    agent = make(says=[(), (), (SetQuota(1.0),), (), (SetQuota(2.0),)])
    path = agent.run_dir / "pods.json"
    write_book(path, book())
    agent.ticks(2)
    write_book(path, book(off=True))
    agent.ticks(2)
    off = [did for did in agent.hands.did if did != "tend"]
    assert off == [("know", ("pod-1",)), "restore"]
    assert agent.diary().counts[0] == 4
    write_book(path, book())
    agent.ticks(1)
    assert agent.judge.forgot == 1
    assert [did for did in agent.hands.did if did != "tend"][2:] == [
        ("know", ("pod-1",)),
        SetQuota(2.0),
    ]


def test_a_pod_that_appears_in_the_tree_is_known_in_the_same_tick(
    make: Callable[..., Agent],
) -> None:
    agent = make()
    agent.ticks()
    agent.tree.pods = {"new": PodGroup("new", "besteffort", "kubepods/besteffort/podnew")}
    agent.tree.moved = True
    agent.ticks()
    assert agent.eyes.groups == {"new": "kubepods/besteffort/podnew"}
    assert agent.hands.did[-2:] == [("know", ()), "tend"]


@pytest.fixture
def still(make: Callable[..., Agent]) -> Agent:
    """Nothing has stirred for a while, and the last tick was a glance."""
    agent = make()
    agent.eyes.stirred, agent.hands.frozen = False, 0.0
    agent.ticks(3)
    assert len(agent.eyes.looks) == 1
    return agent


def test_while_nothing_stirs_one_tick_in_eight_is_a_whole_look(still: Agent) -> None:
    still.ticks(80)
    gaps_s = [after - before for before, after in pairwise(still.eyes.looks)]
    assert gaps_s == pytest.approx([WHOLE_S] * 10)
    diary = still.diary()
    assert diary.heartbeat_s == still.now_s
    ticks = diary.ticks()
    assert len(ticks) == 83
    assert all(tick.online_used_cores == 0.5 for tick in ticks)
    # 40 requests came in each whole look.
    assert sum(tick.requests_per_s for tick in ticks[-8:]) * PERIOD_S == pytest.approx(40)
    diary.close()


def test_what_stirs_is_looked_at_in_the_same_tick_and_for_a_while(still: Agent) -> None:
    still.eyes.stirred = True
    still.ticks()
    assert still.eyes.looks[-1] == still.now_s
    still.eyes.stirred = False
    still.ticks(7)
    assert len(still.eyes.looks) == 1 + 8


def test_a_pod_that_comes_is_known_at_once_and_watched_until_it_is_whole(still: Agent) -> None:
    still.tree.pods = {"new": PodGroup("new", "besteffort", "kubepods/besteffort/podnew")}
    still.tree.moved = True
    still.ticks()
    assert still.eyes.groups == {"new": "kubepods/besteffort/podnew"}
    write_book(still.run_dir / "pods.json", book(uid="new"))
    still.ticks()
    assert [pod.uid for pod in still.eyes.known] == ["new"]


def never_at_ease(agent: Agent) -> None:
    agent.judge.at_ease = False


def always_acting(agent: Agent) -> None:
    agent.judge.says = [(SetQuota(1.0),)] * 99


def always_frozen(agent: Agent) -> None:
    agent.hands.frozen = 0.5


def blind_at_a_glance(agent: Agent) -> None:
    agent.eyes.glance = fail


@pytest.mark.parametrize(
    "kept_awake", [never_at_ease, always_acting, always_frozen, blind_at_a_glance]
)
def test_a_glance_is_not_enough_where(
    make: Callable[..., Agent], kept_awake: Callable[[Agent], None]
) -> None:
    agent = make()
    agent.eyes.stirred, agent.hands.frozen = False, 0.0
    kept_awake(agent)
    agent.ticks(20)
    assert len(agent.eyes.looks) == 20


def test_an_eviction_for_memory_is_waited_for_awake(make: Callable[..., Agent]) -> None:
    agent = make(says=[(evict(),)])
    agent.eyes.stirred, agent.hands.frozen = False, 0.0
    agent.ticks(20)
    assert len(agent.eyes.looks) == 20


def test_the_counts_are_told_every_few_seconds(make: Callable[..., Agent]) -> None:
    agent = make()
    agent.ticks(int(12 / PERIOD_S))
    heard = []
    while True:
        try:
            heard.append(json.loads(agent.neighbour.recv(65_536)))
        except BlockingIOError:
            break
    assert [wish["wish"] for wish in heard] == ["counts"] * 3
    assert heard[-1]["sensing"] == {"packets": 3}
    assert heard[-1]["acting"] == {"writes": 1}


def test_a_thousand_kinds_of_faults_are_kept_in_a_bounded_memory() -> None:
    said: list[str] = []
    faults = Faults(said.append)
    for number in range(1000):
        faults.count(f"place {number}", ValueError("x"))
    assert len(said) <= 260
    assert sum(faults.counts.values()) == 1000
