"""Collecting from a server that fails in every known way: asked again, for less, and told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from predictor.adapters.collected import Collected
from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.prometheus import PrometheusClient, Server
from predictor.app.asking import Asking
from predictor.app.collect import Wanted, clusters_and_hours, collect
from predictor.app.reading import Hour
from predictor.core.collect_settings import CollectSettings
from slacktide.errors import BadInput
from slacktide.testing.prometheus import Asked, FakePrometheus, Reply, matrix
from tests.predictor.fake_fleet import (
    HOUR_S,
    NOW_S,
    FakeFleet,
    Fault,
    longer_than,
    once,
    times,
)

CPU = "rate("
SETTINGS = CollectSettings(settle_s=0)
LAST_HOUR_S = NOW_S - HOUR_S


class Story:
    """A fleet, a folder, and how often and how long it was waited."""

    def __init__(self, root: Path, settings: CollectSettings = SETTINGS) -> None:
        self.root, self.settings = root, settings
        self.fleet = FakeFleet()
        self.waited_s: list[float] = []
        self.asked: list[Asked] = []
        self.most_at_once = 0

    def run(self, hours: int = 1, fault: Fault | None = None, *only: str) -> list[Hour]:
        if fault is not None:
            self.fleet.fault = fault
        wanted = Wanted(self.root, hours * HOUR_S, namespaces=frozenset(only))
        with (
            FakePrometheus(self.fleet) as server,
            PrometheusClient(Server(server.url), self.settings) as client,
        ):
            self.asked = server.asked
            asking = Asking(client, self.settings, self.waited_s.append)
            done = list(collect(asking, wanted, clusters_and_hours(asking, wanted)))
            self.most_at_once = server.most_at_once
        return done

    def stored(self) -> pa.Table:
        return ParquetStore(self.root).read("default", from_s=0, to_s=2 * NOW_S)

    def missing(self) -> dict[tuple[int, str], str]:
        return Collected(self.root, "default", interval_s=300).missing()


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "history")


@pytest.fixture
def sound(tmp_path: Path) -> pa.Table:
    """What a healthy server's last hour gives."""
    healthy = Story(tmp_path / "healthy")
    healthy.run()
    return healthy.stored()


def test_an_hour_is_stored_with_its_owners(story: Story) -> None:
    (hour,) = story.run()
    assert {(piece.namespace, piece.samples) for piece in hour.pieces} == {
        ("shop", 36),
        ("other", 12),
    }
    assert (hour.dropped, hour.repeated, hour.unowned) == (0, 0, 0)
    stored = story.stored()
    assert set(stored["pod"].to_pylist()) == {
        *("shop/web-a", "shop/web-b", "shop/cron-7", "other/web-a")
    }
    stamps = np.unique(np.asarray(stored["ts_s"]))
    assert (stamps == np.arange(LAST_HOUR_S, NOW_S, 300)).all()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, b"oops"),
        Reply(429, b"slow down"),
        Reply(503, b"timed out"),
        Reply(504, b"gateway"),
        Reply(422, b"too many samples"),
        Reply(413, b"large"),
        Reply(200, b'{"status":"success","data":{"resultType":"matrix","result":[{"me'),
        Reply(200, b"<html>a login page</html>"),
        Reply(200, b'{"status":"success"', promised_bytes=500),
        Reply(
            200, b'{"status":"success","isPartial":true,"data":{"resultType":"matrix","result":[]}}'
        ),
        Reply(200, b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}'),
        Reply(200, b"[" * 100_000),
    ],
    ids=lambda reply: f"{reply.status} {reply.body[:20].decode()}",
)
@pytest.mark.parametrize("where", ["count by", CPU, "kube_pod_owner"])
def test_one_failure_of_any_kind_loses_and_doubles_nothing(
    story: Story, sound: pa.Table, reply: Reply, where: str
) -> None:
    (hour,) = story.run(1, once(reply, where=where))
    assert [piece.missing for piece in hour.pieces] == ["", ""]
    assert story.stored().equals(sound)


@pytest.mark.parametrize("points", [5, 25])
@pytest.mark.parametrize("status", [422, 503])
def test_what_is_too_much_is_halved_until_it_fits(
    tmp_path: Path, sound: pa.Table, points: int, status: int
) -> None:
    story = Story(tmp_path / "small", CollectSettings(settle_s=0, most_tries=8))
    story.run(1, longer_than(points, Reply(status), where=CPU))
    assert story.stored().equals(sound)
    assert bool(story.waited_s) == (status == 503), "a server that suffers is left to rest"


def test_after_time_the_names_are_halved(story: Story, sound: pa.Table) -> None:
    def too_many_pods(asked: Asked) -> Reply | None:
        text = asked.params.get("query", "")
        return Reply(422) if CPU in text and "shop" in text and "pod=~" not in text else None

    story.run(1, too_many_pods)
    assert story.stored().equals(sound)


def test_an_answer_above_the_limit_is_not_kept_and_halved(tmp_path: Path, sound: pa.Table) -> None:
    story = Story(tmp_path / "narrow", CollectSettings(settle_s=0, most_bytes=900))
    story.run()
    assert story.stored().equals(sound)
    spans = {(asked.params.get("start"), asked.params.get("end")) for asked in story.asked}
    assert len(spans) > 3, "the hour came in parts"


def test_a_piece_that_never_comes_is_told_and_tried_again(story: Story, sound: pa.Table) -> None:
    def never(asked: Asked) -> Reply | None:
        return Reply(500, b"disk") if "shop" in asked.params.get("query", "") else None

    (hour,) = story.run(1, never)
    lost = {piece.namespace: piece.missing for piece in hour.pieces}
    assert lost["other"] == ""
    assert "status 500 disk" in lost["shop"]
    assert list(story.missing()) == [(LAST_HOUR_S, "shop")]
    assert max(story.waited_s) <= SETTINGS.longest_backoff_s
    assert len(story.waited_s) % (SETTINGS.most_tries - 1) == 0

    (hour,) = story.run(1, lambda _: None)
    assert [piece.namespace for piece in hour.pieces] == ["shop"], "the other is not read again"
    assert story.missing() == {}
    assert story.stored().equals(sound)


def test_halving_ends_at_the_budget(tmp_path: Path) -> None:
    story = Story(tmp_path, CollectSettings(settle_s=0, most_requests=9))
    story.run(1, lambda asked: Reply(422) if CPU in asked.params.get("query", "") else None)
    asked = [asked for asked in story.asked if CPU in asked.params.get("query", "")]
    assert 9 < len(asked) < 100, "without it, some 7,000: each letter of each minute"
    assert len(story.stored()) == 0
    assert {name for _, name in story.missing()} == {"shop", "other"}


def test_a_server_that_goes_away_ends_the_run_and_the_next_goes_on(story: Story) -> None:
    asked_before = []

    def dies(asked: Asked) -> Reply | None:
        asked_before.append(asked)
        return Reply(502) if len(asked_before) > 4 else None

    done = story.run(3, dies)
    assert [hour.gone for hour in done] == [True]
    assert len(story.stored()) == 0
    done = story.run(3, lambda _: None)
    assert [hour.skipped for hour in done] == [False] * 3
    assert len(story.stored()) == 3 * 48


def test_an_hour_that_the_server_cannot_read_costs_no_other(story: Story) -> None:
    first_s = LAST_HOUR_S - 2 * HOUR_S

    def torn_block(asked: Asked) -> Reply | None:
        last_s = int(asked.params.get("end", asked.params.get("time", 0)))
        return Reply(500, b"block") if last_s >= first_s + HOUR_S else None

    done = story.run(3, lambda asked: torn_block(asked) if CPU in str(asked) else None)
    assert [hour.hour_s for hour in done] == [first_s, first_s + HOUR_S, LAST_HOUR_S]
    assert len(story.stored()) == 48
    assert {hour_s for hour_s, _ in story.missing()} == {first_s + HOUR_S, LAST_HOUR_S}
    done = story.run(3, lambda _: None)
    assert [hour.skipped for hour in done] == [True, False, False]
    assert len(story.stored()) == 3 * 48


def test_hours_whose_namespaces_cannot_be_had_are_tried_one_by_one(story: Story) -> None:
    def first_hour_alone(asked: Asked) -> Reply | None:
        late = int(asked.params.get("end", 0)) >= LAST_HOUR_S
        return Reply(500) if late and "count by" in asked.params.get("query", "") else None

    done = story.run(3, first_hour_alone)
    assert [[piece.namespace for piece in hour.pieces] for hour in done] == [
        ["other", "shop"],
        ["other", "shop"],
        ["*"],
    ]
    assert len(story.stored()) == 2 * 48


def test_a_question_that_is_always_too_much_does_not_end_the_run(story: Story) -> None:
    story.fleet.metrics += ("kube_pod_info",)
    done = story.run(2, lambda asked: Reply(422) if "kube_pod_info{" in str(asked) else None)
    assert [(hour.gone, hour.pieces[0].namespace) for hour in done] == [(False, "*")] * 2
    assert len(story.stored()) == 0, "without owners no hour is done"


def test_nothing_is_read_twice_or_stored_twice(story: Story) -> None:
    story.run(4)
    stored = story.stored()
    assert all(hour.skipped for hour in story.run(4))
    assert len(story.asked) == 1, "the time alone"
    assert story.stored().equals(stored)


def test_a_torn_day_is_collected_again_once_it_is_deleted(story: Story, sound: pa.Table) -> None:
    story.run()
    for file in story.root.glob("cluster=*/day=*/shard=*/*.parquet"):
        file.unlink()
    assert len(story.stored()) == 0
    story.run()
    assert story.stored().equals(sound)


def test_a_torn_account_is_set_aside_and_said(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    story.run()
    file = story.root / "cluster=default" / "collected.json"
    file.write_text(file.read_text()[:-20])
    story.run()
    assert "collected.json is torn: set aside" in capsys.readouterr().err
    assert file.with_name("collected.json.torn").is_file()
    assert len(story.stored()) == 48


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-0.1", "1e300"])
def test_what_is_no_number_of_cores_is_no_sample(story: Story, value: str) -> None:
    story.fleet.value = value
    (hour,) = story.run()
    assert hour.dropped == (5 + 1) * 48
    assert len(story.stored()) == 0


def test_repeated_series_are_told_and_the_larger_kept(story: Story) -> None:
    labels = {"namespace": "other", "pod": "web-a", "container": "app"}

    def twice(asked: Asked) -> Reply | None:
        at = int(asked.params.get("start", 0))
        both = matrix((labels, [(at, "0.5")]), (labels, [(at, "0.75")]))
        return both if CPU in asked.params.get("query", "") else None

    (hour,) = story.run(1, twice, "other")
    assert hour.repeated == 1
    assert story.stored()["cpu_cores"].to_pylist()[0] == 0.75


def test_a_clock_that_jumped_forward_marks_no_empty_hour(story: Story) -> None:
    story.fleet.namespaces = {}
    (hour,) = story.run()
    assert (hour.pieces, hour.skipped) == ((), False)
    story.fleet.namespaces = {"shop": ("web-a",)}
    (hour,) = story.run()
    assert [piece.samples for piece in hour.pieces] == [12]


def test_an_hour_that_is_not_over_is_left_for_later(story: Story) -> None:
    story.fleet.now_s = NOW_S - 1
    assert [hour.hour_s for hour in story.run(2)] == [
        LAST_HOUR_S - 2 * HOUR_S,
        LAST_HOUR_S - HOUR_S,
    ]


def test_chosen_namespaces_do_not_pass_for_the_whole_hour(story: Story, sound: pa.Table) -> None:
    story.run(1, None, "other")
    assert len(story.stored()) == 12
    assert story.run(1, None, "other")[0].skipped
    story.run()
    assert story.stored().equals(sound)


def test_never_more_than_four_are_in_flight(story: Story) -> None:
    story.fleet.namespaces = {f"n{number}": ("web-a",) for number in range(30)}
    story.settings = CollectSettings(settle_s=0, most_cells=60)
    story.run()
    assert 1 <= story.most_at_once <= 4
    assert len(story.asked) == 1 + 1 + 1 + 1 + 30 * 2, "time, names, metrics, owners, two measures"


def test_small_namespaces_are_asked_for_together_and_for_many_hours(story: Story) -> None:
    story.fleet.namespaces = {f"n{number}": ("web-a",) for number in range(30)}
    done = story.run(12)
    assert sum(piece.samples for hour in done for piece in hour.pieces) == 12 * 30 * 12
    assert len(story.asked) < 12


def test_an_index_that_knows_no_metric_costs_facts_and_no_samples(
    story: Story, sound: pa.Table
) -> None:
    story.fleet.metrics = ()
    (hour,) = story.run()
    assert hour.unowned == 4
    assert story.stored().equals(sound)


def test_a_metric_that_is_not_there_is_not_asked_for(story: Story) -> None:
    story.run()
    assert not any("cfs" in asked.params.get("query", "") for asked in story.asked)
    assert story.stored()["cpu_throttled_share"].null_count == 48
    assert story.stored()["oom_kills"].null_count == 48
    other = Story(story.root.parent / "more")
    other.fleet.metrics += ("container_cpu_cfs_periods_total", "container_oom_events_total")
    other.fleet.metrics += ("container_cpu_cfs_throttled_periods_total",)
    other.run()
    assert other.stored()["cpu_throttled_share"].to_pylist() == [0.5] * 48
    assert other.stored()["oom_kills"].null_count == 0


def test_a_server_that_is_down_is_one_clear_line(story: Story) -> None:
    with pytest.raises(BadInput, match="nothing collected: the answer did not arrive whole"):
        story.run(1, times(99, Reply(500)))
    assert len(story.waited_s) == SETTINGS.most_tries - 1


def test_another_interval_is_not_mixed_in(story: Story) -> None:
    story.run()
    other = Story(story.root, CollectSettings(settle_s=0, interval_s=900, burst_s=120))
    with pytest.raises(BadInput, match="holds samples every 300 s, not 900"):
        other.run()
