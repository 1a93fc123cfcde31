from __future__ import annotations

import json
import os
import signal
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.qos.episode import Record
from bench.qos.groups import PREFIX, ROOT, Group, hierarchies, left_behind
from bench.qos.plots import draw
from bench.qos.report import say_figures, table
from bench.qos.results import Results, reactions


def record(arm: str, *, harmed_until_s: float, stage_at_s: float | None = None) -> Record:
    """Three seconds of 200 requests/s after the step, batch taking one core of two."""
    made = Record(
        scene="equal_weight",
        arm=arm,
        load=60,
        repeat=0,
        seed=1,
        rate_per_s=200.0,
        bound_s=0.04,
        pre_s=0.5,
        loaded_s=3.0,
        began_s=0.0,
    )
    times = [-0.5 + 0.005 * n for n in range(700)]
    made.requests = [[at, 90.0 if 0 <= at < harmed_until_s else 10.0, 0.1] for at in times]
    made.usage = [
        [t / 20, t / 20, t / 20, 0.0, t / 2000, t / 10, t / 10, 0.0, 0.0] for t in range(-10, 61)
    ]
    if stage_at_s is not None:
        made.ticks = [
            [t / 40, int(t / 40 >= stage_at_s), 0, 0, 0, 1, 0, -1, 0.1] for t in range(120)
        ]
    return made


@pytest.fixture
def results(tmp_path: Path) -> Results:
    records = [
        *[record("solo", harmed_until_s=0.0)] * 4,
        *[record("nothing", harmed_until_s=9.0)] * 4,
        *[record("ours", harmed_until_s=0.2, stage_at_s=0.05)] * 4,
    ]
    file = tmp_path / "equal_weight.jsonl"
    file.write_text("".join(one.line() + "\n" for one in records))
    return Results.read([file])


def test_reactions_and_recoveries_are_read_from_the_records(results: Results) -> None:
    found = reactions(results, "equal_weight", "ours")
    assert found.detected == pytest.approx([0.05] * 4)
    assert found.recovered == pytest.approx([0.2] * 4, abs=0.03)
    assert (found.harmed, found.unseen, found.early) == (4, 0, 0)


def test_every_figure_is_one_line_of_json_with_what_others_read(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    say_figures(results, seed=1)
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    figures = {one["figure"]: one["value"] for one in said}
    assert figures["p99_over_solo_60"] == 9.0  # 0.2 s of 3 s is more than one in a hundred
    assert figures["detect_p50_ms"] == 50.0
    assert figures["batch_share_of_free"] == pytest.approx(1.0)
    assert figures["agent_cpu_share"] == pytest.approx(0.01)
    assert figures["void_seconds_steal"] == 0


def test_the_table_has_a_row_for_each_scene_and_load(results: Results) -> None:
    rows = table(results).splitlines()
    assert len(rows) == 3
    assert rows[2].startswith("| equal_weight | 60 % | 10.0 ms | 9.00 x")


def test_a_picture_is_the_same_bytes_for_the_same_results(results: Results, tmp_path: Path) -> None:
    first = draw(results, "equal_weight", tmp_path / "a").read_bytes()
    assert draw(results, "equal_weight", tmp_path / "b").read_bytes() == first
    assert len(ET.fromstring(first).findall("{http://www.w3.org/2000/svg}path")) > 8  # noqa: S314


@pytest.mark.skipif(
    os.geteuid() != 0 or not (ROOT / "unified").exists() or "CI" in os.environ,
    reason="makes control groups: root on a hybrid tree",
)
def test_a_tree_is_in_every_hierarchy_and_goes_with_frozen_processes_in_it() -> None:
    group = Group(f"{PREFIX}{os.getpid()}-test") / "pod"
    try:
        group.make()
        sleeper = group.start(["sleep", "60"])
        while not group.pids():
            assert sleeper.poll() is None
        assert all((one / group.path).is_dir() for one in hierarchies())
        group.write("freezer.state", "FROZEN")
    finally:
        Group(f"{PREFIX}{os.getpid()}-test").remove()
    assert sleeper.wait(5) == -signal.SIGKILL
    assert not [one for one in hierarchies() if (one / group.path).exists()]


@pytest.mark.skipif(os.geteuid() != 0 or not ROOT.exists(), reason="looks at control groups")
def test_a_living_benchs_tree_is_not_left_behind() -> None:
    assert f"{PREFIX}{os.getpid()}" not in {group.path for group in left_behind()}
