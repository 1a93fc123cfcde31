"""A history that is collected for one answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from predictor.adapters.parquet_store import ParquetStore
from predictor.adapters.prometheus import Server
from predictor.app.collect_first import history_of
from slacktide.errors import BadInput
from slacktide.testing.prometheus import FakePrometheus, Reply
from tests.predictor.fake_fleet import HOUR_S, FakeFleet, Fault, no_fault
from tests.simulator.commanding import slacktide

SOON_S = 3 * HOUR_S  # the fleet is young: two of its hours are over and settled


def stored(folder: Path) -> int:
    return len(ParquetStore(folder).read("default", from_s=0, to_s=SOON_S))


def broken_shop(asked: object) -> Reply | None:
    return Reply(422) if "shop" in str(asked) else None


@pytest.mark.parametrize(
    ("fault", "samples", "said"), [(no_fault, 2 * 48, ""), (broken_shop, 2 * 12, "missing: ")]
)
def test_a_servers_history_lasts_as_long_as_the_answer(
    fault: Fault, samples: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet = FakeFleet(fault, now_s=SOON_S)
    with FakePrometheus(fleet) as fake, history_of(Server(fake.url), None) as folder:
        assert folder is not None
        assert stored(folder) == samples
    assert not folder.exists()
    assert said in capsys.readouterr().err


def test_a_kept_history_is_brought_up_to_date_and_stays(tmp_path: Path) -> None:
    with FakePrometheus(FakeFleet(now_s=SOON_S)) as fake:
        for _ in range(2):
            with history_of(Server(fake.url), tmp_path / "kept") as folder:
                assert folder == tmp_path / "kept"
    assert stored(tmp_path / "kept") > 0
    assert len([asked for asked in fake.asked if "time()" in str(asked)]) == 2
    with history_of(None, folder) as same:
        assert same == folder


def test_a_server_that_refuses_is_one_clear_line() -> None:
    with (
        FakePrometheus(lambda _: Reply(401, b"who are you")) as fake,
        pytest.raises(BadInput, match="refuses"),
        history_of(Server(fake.url), None),
    ):
        pytest.fail("nothing is there to be read")


def test_recommend_reads_a_server_as_it_reads_what_was_collected(tmp_path: Path) -> None:
    fleet = FakeFleet(now_s=SOON_S)
    with FakePrometheus(fleet) as fake:
        at_once = slacktide("recommend", "--prometheus", fake.url, "-o", "json")
        kept = tmp_path / "kept"
        first = slacktide("recommend", "--prometheus", fake.url, "--history", kept, "-o", "json")
    later = slacktide("recommend", "--history", kept, "-o", "json")
    assert at_once.code == 0, at_once.err
    assert at_once.out == first.out == later.out


def test_a_trace_and_a_server_are_two_sources(tmp_path: Path) -> None:
    with FakePrometheus(FakeFleet(now_s=SOON_S)) as fake:
        both = slacktide("recommend", "--prometheus", fake.url, "--trace", tmp_path)
    assert "give one of" in both.refusal()
