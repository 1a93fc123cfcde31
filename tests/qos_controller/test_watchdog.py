"""The watchdog as a real process, over a ledger on disk; on real groups: test_loop_real."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qos_controller.adapters import ticks
from qos_controller.adapters.cgroups.owned import Ledger, Owned
from qos_controller.app import watchdog

FROZEN, QUOTA, SHARES = "cgroup.freeze", "cpu.cfs_quota_us", "cpu.shares"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A run directory beside a group that an agent had frozen, limited and made light."""
    group = tmp_path / "group"
    group.mkdir()
    (tmp_path / "run").mkdir()
    for name, held in ((FROZEN, "1"), (QUOTA, "4000"), (SHARES, "2")):
        (group / name).write_text(held)
    ledger = Ledger(str(tmp_path / "run"))
    ledger.own(
        [
            Owned(str(group / SHARES), "weight", ["1024"]),
            Owned(str(group / QUOTA), "quota", ["-1"], safe="20000"),
            Owned(str(group / FROZEN), "freeze", ["0"], safe="0"),
            Owned(str(tmp_path / "gone" / FROZEN), "freeze", ["0"], safe="0"),
        ]
    )
    return tmp_path


@contextmanager
def watching(run_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (run_dir / "watchdog.err").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", watchdog.__file__, str(run_dir)],
            start_new_session=True,
            stderr=said,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def living_loop(run_dir: Path) -> Iterator[ticks.TickWriter]:
    """A loop as the watchdog sees one: its lock and its diary."""
    fd = os.open(run_dir / "loop.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    diary = ticks.TickWriter(run_dir / "ticks", unix_s=time.time())
    try:
        yield diary
    finally:
        diary.close()
        os.close(fd)


def until(holds: Callable[[], bool], within_s: float = 5.0) -> float:
    began_s = time.monotonic()
    while not holds():
        assert time.monotonic() - began_s < within_s, "it did not come to pass"
        time.sleep(0.005)
    return time.monotonic() - began_s


def held(node: Path) -> tuple[str, ...]:
    return tuple((node / "group" / name).read_text()[:6] for name in (FROZEN, QUOTA, SHARES))


SAFE = ("0", "20000", "2")


def test_a_dead_loop_is_noticed_at_once_and_everything_that_has_a_safe_value_gets_it(
    node: Path,
) -> None:
    with watching(node / "run"):
        took_s = until(lambda: held(node) == SAFE)
    assert took_s < 1.5
    report = json.loads((node / "run" / "watchdog.json").read_text())
    assert report["why"] == "the loop has ended"
    assert (report["thawed"], report["limited"]) == (1, 1)
    assert report["failed"] == []


def test_a_loop_that_stands_still_is_made_safe_within_three_seconds_and_not_at_once(
    node: Path,
) -> None:
    with living_loop(node / "run") as diary, watching(node / "run"):
        began_s = time.monotonic()
        diary.beat(began_s)
        until(lambda: held(node) == SAFE)
        took_s = time.monotonic() - began_s
    assert watchdog.STALE_S <= took_s <= 3.0


def test_a_living_loop_is_left_alone(node: Path) -> None:
    with living_loop(node / "run") as diary, watching(node / "run"):
        until_s = time.monotonic() + 3.6
        while time.monotonic() < until_s:
            diary.beat(time.monotonic())
            time.sleep(0.025)
        assert held(node) == ("1", "4000", "2")
        assert not (node / "run" / "watchdog.json").exists()


def test_a_loop_may_die_twice_and_is_made_safe_twice(node: Path) -> None:
    with watching(node / "run"):
        until(lambda: held(node) == SAFE)
        with living_loop(node / "run") as diary:
            (node / "group" / FROZEN).write_text("1")
            until_s = time.monotonic() + 0.6
            while time.monotonic() < until_s:
                diary.beat(time.monotonic())
                time.sleep(0.025)
            assert (node / "group" / FROZEN).read_text() == "1"
        assert until(lambda: (node / "group" / FROZEN).read_text() == "0") < 1.0


@pytest.mark.parametrize("ledger", [b"", b"{", b"[]", b'{"files": [{"path": 3}]}', b"\xff\xfe"])
def test_a_ledger_that_is_none_is_said_and_survived(node: Path, ledger: bytes) -> None:
    (node / "run" / "owned.json").write_bytes(ledger)
    with watching(node / "run") as process:
        until((node / "run" / "watchdog.json").exists)
        assert process.poll() is None
    assert "owned.json" in json.loads((node / "run" / "watchdog.json").read_text())["failed"][0]


def test_the_newest_watchdog_takes_the_place_of_an_older_one(node: Path) -> None:
    with living_loop(node / "run") as diary, watching(node / "run") as first:
        diary.beat(time.monotonic())
        until((node / "run" / "watchdog.lock").exists)
        until(lambda: (node / "run" / "watchdog.lock").read_text() == str(first.pid))
        with watching(node / "run") as second:
            assert first.wait(timeout=5) == -signal.SIGTERM
            until(lambda: (node / "run" / "watchdog.lock").read_text() == str(second.pid))


def test_it_stays_below_ten_megabytes_and_uses_almost_no_time(node: Path) -> None:
    with watching(node / "run") as process:
        until(lambda: held(node) == SAFE)
        before = _cpu_s(process.pid)
        time.sleep(2.0)  # two seconds of its life are what is measured
        used_s = _cpu_s(process.pid) - before
        status = Path(f"/proc/{process.pid}/status").read_text()
    rss_kb = int(status.split("VmRSS:")[1].split()[0])
    assert rss_kb <= 10 * 1024
    assert used_s <= 0.02


def test_what_was_is_put_back_by_its_own_hand_in_the_end(node: Path) -> None:
    assert watchdog.restore(str(node / "run")) == []
    # Control files take a write whole; on disk the rest of a longer one stays.
    assert (node / "group" / SHARES).read_text() == "1024"
    assert not (node / "run" / "owned.json").exists()


def test_it_knows_the_diarys_head_though_it_cannot_import_it(tmp_path: Path) -> None:
    diary = ticks.TickWriter(tmp_path / "ticks", unix_s=1.0)
    diary.beat(1e12)
    assert watchdog.MAGIC == ticks.MAGIC
    assert watchdog.Diary(str(tmp_path / "ticks")).beat_s(5.0) == 1e12
    diary.close()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
