"""Parts of the agent's Kubernetes half that need no API server."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_controller.adapters.book_file import write_book
from qos_controller.adapters.node_pods import NodePod
from qos_controller.adapters.ticks import Event, Tick, TickReader, TickWriter
from qos_controller.app.neighbour.following import Following
from qos_controller.app.neighbour.keeping import Keeping
from qos_controller.app.neighbour.metrics import Page
from qos_controller.app.neighbour.owners import other_owner
from qos_controller.app.neighbour.promises import Promises
from qos_controller.app.neighbour.wishing import Wishing, flat
from qos_controller.core.pods import Book, Feed, Slo
from slacktide.clock import SteadyClock, WallClock
from slacktide.contract import ANNOTATION_LATENCY_FROM, ANNOTATION_SLO


def tick(at_s: float, *, stage: int = 0, **more: float) -> Tick:
    rest = dict.fromkeys(Tick.__slots__[7:], 0.0) | more
    return Tick(
        monotonic_s=at_s,
        unix_s=1_000 + at_s,
        cpu_stage=stage,
        disk_stage=0,
        memory_stage=0,
        network_stage=0,
        level=0.0,
        **rest,
    )


def test_what_online_lost_is_summed_over_ticks(tmp_path: Path) -> None:
    diary, seen = TickWriter(tmp_path / "ticks", unix_s=1.0), Following(tmp_path / "ticks")
    diary.tick(tick(1.0))
    seen.look()
    diary.tick(tick(1.5, stage=2, online_full_share=0.5, requests_per_s=100, slow_share=0.1))
    diary.tick(tick(2.0, stage=2, online_full_share=math.nan, requests_per_s=100))
    diary.tick(tick(99.0, stage=2, requests_per_s=100))
    seen.look()
    assert (seen.stages.cpu, seen.since_s) == (2, 1_001.5)
    lost = seen.lost
    assert lost.watched_s == pytest.approx(0.5 + 0.5 + 1.0), "of a pause nothing is known"
    assert lost.stalled_s == pytest.approx(0.25)
    assert (lost.requests, lost.slow_requests) == pytest.approx((200, 5))
    seen.close()
    diary.close()


def test_a_tick_again_differs_in_its_times_and_its_cost_alone(tmp_path: Path) -> None:
    diary = TickWriter(tmp_path / "ticks", unix_s=1.0)
    diary.tick(tick(1.0, stage=3, latency_s=0.25, tick_cost_s=0.5))
    diary.again(1.025, 2_000.0, 0.125)
    reader = TickReader(tmp_path / "ticks")
    first, again = reader.ticks()
    assert again == replace(first, monotonic_s=1.025, unix_s=2_000.0, tick_cost_s=0.125)
    assert reader.heartbeat_s == 1.025
    reader.close()
    diary.close()


def test_the_book_of_another_is_read_again_only_where_it_is_another(tmp_path: Path) -> None:
    file = tmp_path / "pods.json"
    keeping = Keeping(node="n", file=file, promise=lambda *_: (None, None), clock=WallClock())
    keeping.begin()
    assert keeping.book is None
    for written_s in (1.0, 2.0):
        write_book(file, Book(node="n", written_s=written_s))
        keeping.begin()
        known = keeping.book
        assert known is not None
        assert known.written_s == written_s
        keeping.begin()
        assert keeping.book is known


def test_a_diary_that_was_begun_anew_is_followed(tmp_path: Path) -> None:
    seen = Following(tmp_path / "ticks")
    seen.look()
    assert (seen.tick, seen.alive) == (None, False)
    for begun in (1, 2):
        diary = TickWriter(tmp_path / "ticks", unix_s=begun)
        now = {"monotonic_s": time.monotonic(), "unix_s": 5.0}
        diary.event(Event(**now, kind="cpu", pod="", text=f"loop {begun}"))
        diary.event(Event(**now, kind="drift", pod="", text="no reason"))
        diary.tick(tick(time.monotonic()))
        seen.look()
        diary.close()
        assert (seen.starts, seen.reason, seen.ticks) == (begun, f"loop {begun}", begun)
        assert seen.alive
    seen.close()


def test_nonsense_in_the_diarys_place_is_no_diary(tmp_path: Path) -> None:
    (tmp_path / "ticks").write_bytes(b"nonsense" * 100)
    seen = Following(tmp_path / "ticks")
    seen.look()
    assert not seen.alive


@given(st.text(), st.floats())
def test_a_page_of_metrics_has_one_line_a_number(label: str, value: float) -> None:
    page = Page()
    page.family("x_total", "Told.", {label: value}, label="kind", kind="counter")
    lines = page.text().decode().split("\n")
    assert len(lines) == (1 if math.isnan(value) else 4)


def test_a_page_of_metrics_as_prometheus_reads_it() -> None:
    page = Page()
    page.gauge("quota_cores", "What batch may use.", math.inf)
    page.family("used_cores", "By whom.", {'a"\\\n': 0.5, "b": math.nan}, label="by", kind="gauge")
    assert page.text().decode().splitlines() == [
        "# HELP slacktide_agent_quota_cores What batch may use.",
        "# TYPE slacktide_agent_quota_cores gauge",
        "slacktide_agent_quota_cores +Inf",
        "# HELP slacktide_agent_used_cores By whom.",
        "# TYPE slacktide_agent_used_cores gauge",
        r'slacktide_agent_used_cores{by="a\"\\\n"} 0.5',
    ]


def heard(*datagrams: bytes) -> Wishing:
    async def listen() -> Wishing:
        wishing = Wishing(SteadyClock())
        for one in datagrams:
            wishing.datagram_received(one, None)
        return wishing

    return asyncio.run(listen())


@given(st.binary(max_size=200) | st.from_regex(rb'\{"wish": ?"(evict|open|counts)".{0,40}\}'))
def test_whatever_arrives_the_ear_stays_open(datagram: bytes) -> None:
    wishing = heard(datagram, b'{"wish": "evict", "pod": "u", "cause": "disk"}')
    wishes = [wishing.evictions.get_nowait()[1] for _ in range(wishing.evictions.qsize())]
    assert (wishes[-1].pod, wishes[-1].cause) == ("u", "disk")


def test_wishes_are_told_apart() -> None:
    wishing = heard(
        b'{"wish": "open", "open": false}',
        b'{"wish": "counts", "late_ticks": 3, "faults": {"sense: OSError 19": 2}, "x": "y"}',
        b'{"wish": "dance"}',
        b'{"wish": "evict"}',
        *[b'{"wish": "evict", "pod": "%d"}' % k for k in range(100)],
    )
    assert not wishing.open
    assert wishing.counts == {"late_ticks": 3.0, "faults/sense: OSError 19": 2.0}
    assert wishing.nonsense == 2
    assert wishing.evictions.qsize() == 16


def test_a_tree_of_counts_is_bounded() -> None:
    assert len(flat({str(k): k for k in range(10_000)})) <= 201


def test_another_host_than_its_own_is_never_asked() -> None:
    told: list[tuple[str, str]] = []
    promises = Promises(lambda uid, why: told.append((uid, why)))
    slo = {ANNOTATION_SLO: "p99<30ms"}
    own = ("10.1.2.3", "fd00::1")
    for where, asked in [
        ("http://:8080/x", True),
        ("http://10.1.2.3:8080/x", True),
        ("http://[fd00::1]:8080/x", True),
        ("http://169.254.169.254/", False),
        ("http://10.1.2.3@evil/", False),
        ("http://localhost:10250/", False),
    ]:
        for _ in range(2):
            _, feed = promises.of("u", slo | {ANNOTATION_LATENCY_FROM: where}, own)
            assert (feed is not None) is asked, where
    assert len(told) == len(set(told)), "each is told once"
    _, feed = promises.of("u", slo | {ANNOTATION_LATENCY_FROM: "http://:80/"}, ())
    assert feed is None, "without an address of its own there is nobody to ask"
    pushed = promises.of("u", slo | {ANNOTATION_LATENCY_FROM: "datagram"}, ())
    assert pushed == (Slo(bound_s=0.03), Feed(kind="datagram"))


@pytest.mark.parametrize(
    ("kind", "name", "image", "owns"),
    [
        ("DaemonSet", "koordlet", "", True),
        ("DaemonSet", "x", "koordinator-sh/koordlet:v1.6", True),
        ("DaemonSet", "x", "r:5000/katalyst-agent@sha256:00", True),
        ("DaemonSet", "koordlet-exporter", "exporter", False),
        ("Job", "koordlet", "koordlet", False),
    ],
)
def test_only_a_daemon_of_that_name_owns_a_node(
    kind: str, name: str, image: str, *, owns: bool
) -> None:
    owner = {"kind": kind, "name": "o", "uid": "1", "controller": True}
    pod = {
        "metadata": {"name": "p", "namespace": "n", "ownerReferences": [owner]},
        "spec": {"containers": [{"name": name, "image": image}]},
    }
    assert bool(other_owner([msgspec.convert(pod, NodePod)])) is owns
