"""What the senses make of text: the kernel's, and that of whoever wants to break them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_controller.adapters.latency.nginx import upstream_seconds
from qos_controller.adapters.latency.slo import parse_feed, parse_slo
from qos_controller.adapters.latency.telling import LONGEST_S, parse_packet, seconds
from qos_controller.adapters.sense.bpf import Histogram, histograms_of
from qos_controller.adapters.sense.group_io import sum_after
from qos_controller.adapters.sense.growth import Growth
from qos_controller.adapters.sense.numbers import number_of_line, only_number
from qos_controller.adapters.sense.rotation import Rotation
from qos_controller.adapters.sense.subtrees import whole_subtrees
from qos_controller.adapters.sense.traffic import counter_of, sent_bytes
from qos_controller.core.pods import Feed, Slo


@pytest.mark.parametrize(
    ("text", "slo"),
    [
        ("p99<30ms", Slo(bound_s=0.03)),
        ("p95 < 200ms", Slo(bound_s=0.2, quantile=0.95)),
        (" p99.9<1s ", Slo(bound_s=1.0, quantile=0.999)),
        ("p50<=900us", Slo(bound_s=0.0009, quantile=0.5)),
    ],
)
def test_a_promise_is_read_as_a_person_reads_it(text: str, slo: Slo) -> None:
    read = parse_slo(text)
    assert isinstance(read, Slo)
    assert read.bound_s == pytest.approx(slo.bound_s)
    assert read.quantile == pytest.approx(slo.quantile)


@pytest.mark.parametrize(
    "text",
    ["", "fast", "p99<30", "p100<1s", "p10<1s", "p99<0ms", "p99<2000s", "p99>30ms", "p99<-3ms"],
)
def test_a_nonsense_promise_is_one_sentence_that_shows_how(text: str) -> None:
    sentence = parse_slo(text)
    assert isinstance(sentence, str)
    assert ascii(text) in sentence
    assert "p99<30ms" in sentence or "at most 60s" in sentence


@given(st.text(max_size=400))
def test_no_annotation_breaks_the_parsers_or_the_log(text: str) -> None:
    for answer in (parse_slo(text), parse_feed(text), parse_feed("http://" + text)):
        if isinstance(answer, Slo):
            assert 0.0 < answer.bound_s <= 60.0
        elif isinstance(answer, Feed):
            assert answer.where.isprintable()
        else:
            assert "\n" not in answer
            assert len(answer) < 900


@pytest.mark.parametrize(
    ("text", "feed"),
    [
        ("datagram", Feed(kind="datagram")),
        ("nginx", Feed(kind="nginx")),
        ("http://:8080/healthz", Feed(kind="http", where="http://:8080/healthz")),
        ("prometheus://:9/m#a:b", Feed(kind="prometheus", where="http://:9/m#a:b")),
        (
            'prometheus://10.0.0.1:9/m#x{path="/buy"}',
            Feed(kind="prometheus", where='http://10.0.0.1:9/m#x{path="/buy"}'),
        ),
    ],
)
def test_each_feed_has_one_way_to_write_it(text: str, feed: Feed) -> None:
    assert parse_feed(text) == feed


@pytest.mark.parametrize(
    "text",
    ["", "udp", "http://me:secret@x/", "http://x:99999/", "prometheus://x:1/m", "http://a b/"],
)
def test_a_feed_that_cannot_be_is_one_sentence(text: str) -> None:
    sentence = parse_feed(text)
    assert isinstance(sentence, str)
    assert sentence.startswith("latency-from ")


@pytest.mark.parametrize(
    ("packet", "who", "latencies_s"),
    [
        (b"slacktide shop/web-0 12.5", "shop/web-0", [0.0125]),
        (b"slacktide u-1 1,2 , 3ms,0.004s,900us\n", "u-1", [0.001, 0.002, 0.003, 0.004, 0.0009]),
        (b"<190>Nov 22 22:10:32 slacktide: slacktide shop/web-0 0.005s", "shop/web-0", [0.005]),
        (b"<190>Nov 22 22:10:32 slacktide: slacktide - upstream 0.004, 0.01 : -", "-", [0.014]),
        (b"slacktide u upstream -", "u", []),
    ],
)
def test_a_datagram_says_whose_requests_took_how_long(
    packet: bytes, who: str, latencies_s: list[float]
) -> None:
    (telling,) = parse_packet(packet)
    assert telling.who == who
    assert telling.latencies_s == pytest.approx(latencies_s)
    assert telling.nonsense == 0


def test_counts_come_from_those_who_know_the_bound() -> None:
    (telling,) = parse_packet(b"slacktide u 3/200")
    assert (telling.slow, telling.requests, telling.latencies_s) == (3, 200, [])


@pytest.mark.parametrize(
    "packet",
    [
        b"hello",
        b"slacktide",
        b"slacktide u",
        b"slacktide u 5/3",
        b"slacktide u -1/3",
        b"\xff\xfe x",
    ],
)
def test_a_packet_that_says_nothing_is_counted_as_nonsense(packet: bytes) -> None:
    assert [(t.nonsense, t.latencies_s, t.requests) for t in parse_packet(packet)] == [(1, [], 0)]


@pytest.mark.parametrize("value", [b"nan", b"-1", b"inf", b"1e999", b"", b"fast", b"4000s"])
def test_no_lie_becomes_a_latency(value: bytes) -> None:
    assert seconds(value) is None


def test_a_packet_with_too_many_values_is_looked_at_in_part() -> None:
    (telling,) = parse_packet(b"slacktide u " + b",".join([b"1"] * 300), most=128)
    assert (len(telling.latencies_s), telling.skipped) == (128, 172)


@given(st.binary(max_size=600) | st.binary(max_size=300).map(lambda it: b"slacktide u " + it))
def test_whatever_a_packet_holds_only_possible_latencies_come_out(packet: bytes) -> None:
    for telling in parse_packet(packet):
        assert all(0.0 <= latency_s <= LONGEST_S for latency_s in telling.latencies_s)
        assert 0 <= telling.slow <= telling.requests
    time_s = upstream_seconds(packet)
    assert time_s is None or isinstance(time_s, float)


@given(st.binary(max_size=300), st.sampled_from([b"usage_usec", b"full", b""]))
def test_no_content_of_a_file_raises(text: bytes, key: bytes) -> None:
    for number in (
        only_number(text),
        number_of_line(text, key),
        sum_after(text, b" Read "),
        sent_bytes(text),
        counter_of(text, b"Tcp:", b"RetransSegs"),
    ):
        assert number is None or number >= 0
    assert histograms_of(text) == {}


def test_quantiles_of_a_kernel_histogram_are_the_upper_ends_of_its_buckets() -> None:
    buckets = '[{"min": 1, "max": 1, "count": 60}, {"min": 2, "max": 3, "count": 40}]'
    line = f'{{"type": "hist", "data": {{"@files": {buckets}, "@ready": []}}}}'.encode()
    assert histograms_of(line) == {"files": Histogram(count=100, p50_s=2e-6, p99_s=4e-6)}
    assert histograms_of(b'{"type": "attached_probes", "data": {"probes": 7}}') == {}
    assert histograms_of(b'{"type": "hist", "data": {"@a": [{"min": 1}]}}') == {}


def test_a_line_is_found_by_its_whole_first_word() -> None:
    text = b"inactive_file 1\ntotal_inactive_file 2\nfile 3\n"
    assert [number_of_line(text, key) for key in (b"inactive_file", b"file", b"fil")] == [
        1,
        3,
        None,
    ]


@pytest.mark.parametrize(
    ("readings", "rate"),
    [
        ([(0.0, 10.0)], None),
        ([(0.0, 10.0), (2.0, 30.0)], 10.0),
        ([(0.0, 10.0), (2.0, 4.0)], None),
        ([(0.0, 10.0), (1.0, None), (2.0, 30.0)], None),
        ([(0.0, 10.0), (1.0, 20.0), (1.0, 99.0)], 10.0),
    ],
)
def test_growth_is_a_mean_between_two_good_readings(
    readings: list[tuple[float, float | None]], rate: float | None
) -> None:
    growth = Growth()
    for now_s, value in readings:
        growth.see(value, now_s)
    assert growth.rate == rate


def test_what_grew_after_a_still_time_is_not_spread_over_it() -> None:
    growth = Growth()
    growth.see(0.0, 0.0)
    assert growth.see(5.0, 100.0, still_s=99.0) == 5.0


@given(
    count=st.integers(1, 60),
    at_once=st.integers(1, 8),
    ticks=st.lists(st.floats(0.001, 0.2), min_size=1, max_size=80),
)
def test_a_rotation_is_bounded_and_fair(count: int, at_once: int, ticks: list[float]) -> None:
    rotation = Rotation(range(count), period_s=1.0, at_once=at_once)
    now_s, times = 0.0, [0] * count
    for tick_s in ticks:
        now_s += tick_s
        due = rotation.due(now_s)
        assert len(due) <= at_once
        for member in due:
            times[member] += 1
    assert max(times) - min(times) <= 1
    assert sum(times) <= 1 + math.ceil(count * now_s)


def test_everybody_comes_up_once_a_period() -> None:
    rotation = Rotation(range(35), period_s=1.0)
    seen = [member for tick in range(41) for member in rotation.due(tick * 0.025)]
    assert set(seen) == set(range(35))
    assert len(seen) in {35, 36}


BURSTABLE, BEST = "kubepods/burstable", "kubepods/besteffort"


@pytest.mark.parametrize(
    ("online", "batch", "read_for_online", "read_for_batch"),
    [
        ([f"{BURSTABLE}/a"], [f"{BEST}/x"], [BURSTABLE], [BEST]),
        ([f"{BURSTABLE}/a"], [], ["kubepods"], []),
        ([], [f"{BEST}/x"], [], ["kubepods"]),
        (
            [f"{BURSTABLE}/a", "kubepods/g"],
            [f"{BURSTABLE}/x", f"{BEST}/y"],
            [f"{BURSTABLE}/a", "kubepods/g"],
            [BEST, f"{BURSTABLE}/x"],
        ),
    ],
)
def test_a_parent_is_read_for_its_pods_unless_it_is_mixed(
    online: list[str], batch: list[str], read_for_online: list[str], read_for_batch: list[str]
) -> None:
    assert list(whole_subtrees("kubepods", online, batch)) == read_for_online
    assert list(whole_subtrees("kubepods", batch, online)) == read_for_batch


_GROUPS = st.lists(
    st.sampled_from(["kubepods", BURSTABLE, BEST]).flatmap(
        lambda parent: st.sampled_from("abcdef").map(lambda pod: f"{parent}/{pod}")
    ),
    unique=True,
)


@given(_GROUPS, st.data())
def test_every_pod_lies_below_exactly_one_group_and_no_other_pod_does(
    groups: list[str], data: st.DataObject
) -> None:
    batch = data.draw(st.sets(st.sampled_from(groups))) if groups else set()
    online = set(groups) - batch
    chosen = whole_subtrees("kubepods", online, batch)
    for path in online:
        assert sum(path == group or path.startswith(group + "/") for group in chosen) == 1
    for path in batch:
        assert not any(path == group or path.startswith(group + "/") for group in chosen)
