"""Recorded runs: what was told comes back as it was, and is decided as it was."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from qos_controller.adapters.recording import (
    Recorded,
    Recorder,
    Recording,
    recorded,
    replayed,
    shortened,
)
from qos_controller.app.law import NodeLaw
from qos_controller.core.decision import Evict, SetQuota
from qos_controller.core.node import NodeDecision, begin_node, decide_node
from qos_controller.core.node_settings import NodeSettings
from qos_controller.core.sample import DiskSample, PodUse, Sample, ServiceSample
from qos_controller.core.signals import OfflineTask, Signals
from tests.qos_controller.test_node_transcripts import is_step, stages, word_of

LAW = NodeSettings()
MIB = 2.0**20
SCENARIOS = Path(__file__).parents[1] / "scenarios"
RECORDINGS = sorted(SCENARIOS.glob("recorded_*.jsonl"))
"""Real runs, made by `python -m bench.qos.recorded`; batch comes at STEP_S."""
STEP_S = 100.0


@dataclass(frozen=True)
class Fact:
    """What must hold for a recording, whatever else the law decides."""

    name: str
    resource: str
    met_within_s: float


FACTS = (
    Fact("equal_weight_alone", "cpu", met_within_s=0.35),
    Fact("disk_buffered", "disk", met_within_s=1.0),
    Fact("memory_growth", "memory", met_within_s=0.6),
    Fact("network_flood", "network", met_within_s=0.6),
)
PREVENTED = ("hogs",)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def decided(path: Path) -> Iterator[tuple[Recorded, NodeDecision]]:
    return replayed(recorded(lines_of(path)), LAW)


def transcript(path: Path) -> Iterator[str]:
    """One line for each tick that takes a step, in the words of the told stories."""
    before: tuple[int, ...] = (0, 0, 0, 0)
    for tick, decision in decided(path):
        now, words = stages(decision), list(map(word_of, decision.actions))
        if now != before or any(map(is_step, decision.actions)):
            yield f"{tick.now_s - STEP_S:+.3f} {now} {' '.join(words)}".rstrip()
        before = now


def no_fault(said: str) -> None:
    raise AssertionError(said)


def looks(count: int) -> list[Sample]:
    """A writer that hurts from the second second on; the disk is looked at each fourth tick."""
    told: list[Sample] = []
    for tick in range(1, count + 1):
        now_s = 0.025 * tick
        hurts = now_s > 1.0
        disk = DiskSample(read_latency_s=0.01 if hurts else 0.0003, dirty_bytes=64 * MIB * hurts)
        pod = PodUse(uid="hdd", cpu_cores=1.5 * hurts, dirty_bytes=64 * MIB * hurts)
        anew = tick % 4 == 1
        told.append(
            Sample(
                signals=Signals(
                    sampled_s=now_s,
                    covered_s=0.025,
                    capacity_cores=2.0,
                    online_used_cores=0.5,
                    offline_used_cores=1.5 * hurts,
                    offline_tasks=(OfflineTask(task="hdd", cpu_cores=1.0, started_s=0.0),),
                ),
                services=(ServiceSample(service="web", requests=8, slow_requests=2 * hurts),),
                disk=disk if anew else told[-1].disk,
                offline=(pod,) if anew else told[-1].offline,
            )
        )
    return told


def recording_of(samples: list[Sample]) -> bytes:
    file = io.BytesIO()
    recorder = Recorder(file)
    for sample in samples:
        recorder.tell(sample, sample.signals.sampled_s)
    return file.getvalue()


def test_a_recording_is_decided_as_the_run_was() -> None:
    samples = looks(120)
    memory = begin_node(capacity_cores=2.0, now_s=samples[0].signals.sampled_s, settings=LAW)
    live = []
    for sample in samples:
        decision = decide_node(sample, memory, sample.signals.sampled_s, LAW)
        memory = decision.memory
        live.append((decision.actions, decision.verdicts))
    again = replayed(recorded(io.BytesIO(recording_of(samples))), LAW)
    assert [(decision.actions, decision.verdicts) for _, decision in again] == live
    assert any(actions for actions, _ in live)


def test_what_was_not_looked_at_anew_is_not_written_again() -> None:
    ticks = list(recorded(io.BytesIO(recording_of(looks(8)))))
    assert [tick.sample.disk is not None for tick in ticks] == [True, False, False, False] * 2


def test_a_line_cut_by_a_crash_is_left_out() -> None:
    whole = recording_of(looks(3))
    assert len(list(recorded(io.BytesIO(whole[:-5])))) == 2


def test_other_settings_decide_otherwise() -> None:
    ticks = list(recorded(io.BytesIO(recording_of(looks(120)))))
    deaf = replace(LAW, disk=replace(LAW.disk, read_latency_s=1.0))
    stages = [max(d.verdicts.disk.stage for _, d in replayed(ticks, law)) for law in (LAW, deaf)]
    assert stages[0] > 0
    assert stages[0] >= stages[1]


def test_a_full_file_becomes_the_former_one_and_the_new_one_stands_for_itself(
    tmp_path: Path,
) -> None:
    samples = looks(120)
    path = tmp_path / "recording"
    recording = Recording(path, no_fault, limit_bytes=40_000)
    for sample in samples:
        recording.tell(sample, sample.signals.sampled_s)
    recording.close()
    files = [tmp_path / "recording.1", path]
    assert sum(file.stat().st_size for file in files) < 40_000 + 2_000
    first, second = (list(recorded(lines_of(file))) for file in files)
    assert second[-1].now_s == samples[-1].signals.sampled_s
    assert second[0].now_s - first[-1].now_s == pytest.approx(0.025)
    assert second[0].sample.disk is not None


def test_a_loop_that_starts_again_keeps_what_the_one_before_recorded(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    for samples in (looks(3), looks(5)):
        recording = Recording(path, no_fault)
        for sample in samples:
            recording.tell(sample, sample.signals.sampled_s)
        recording.close()
    assert [len(lines_of(file)) for file in (tmp_path / "recording.1", path)] == [3, 5]


def test_a_disk_that_refuses_ends_the_recording_with_one_sentence(tmp_path: Path) -> None:
    said: list[str] = []
    recording = Recording(tmp_path / "no/such/folder", said.append)
    for sample in looks(3):
        recording.tell(sample, sample.signals.sampled_s)
    assert said == [f"records nothing more in {tmp_path}/no/such/folder: No such file or directory"]


def test_the_law_records_what_it_decides_about(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    recording = Recording(path, no_fault)
    law = NodeLaw(recording=recording)
    samples = looks(60)
    live = [law.decide(sample, sample.signals.sampled_s).actions for sample in samples]
    recording.close()
    again = [decision.actions for _, decision in replayed(recorded(lines_of(path)), LAW)]
    assert again == live


def test_a_shortened_recording_starts_when_told_and_names_nobody() -> None:
    ticks = recorded(io.BytesIO(recording_of(looks(120))))
    lines = list(shortened(ticks, from_s=1.0, until_s=2.0, as_s=100.0))
    short = list(recorded(lines))
    assert short[0].now_s == pytest.approx(100.0)
    assert short[-1].now_s == pytest.approx(101.0)
    assert short[0].sample.signals.sampled_s == short[0].now_s
    assert short[0].sample.signals.offline_tasks[0].started_s == pytest.approx(99.0)
    assert not any(b"hdd" in line or b"web" in line for line in lines)
    assert max(d.verdicts.disk.stage for _, d in replayed(short, LAW)) > 0


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recorded_run_is_decided_as_its_transcript_says(path: Path) -> None:
    """`recorded_NAME.txt`: what was decided; with REWRITE=1 it is written anew."""
    told = path.with_suffix(".txt")
    actual = "\n".join(transcript(path)) + "\n"
    if os.environ.get("REWRITE"):
        told.write_text(actual)
    assert actual == told.read_text()


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_in_a_recorded_run_nobody_is_evicted_for_the_cpu(path: Path) -> None:
    for _, decision in decided(path):
        gone = [action for action in decision.actions if isinstance(action, Evict)]
        assert not [eviction for eviction in gone if eviction.cause in {"cpu", "latency"}]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_a_recorded_run_is_met_in_time(fact: Fact) -> None:
    stages = [
        (tick.now_s - STEP_S, getattr(decision.verdicts, fact.resource).stage)
        for tick, decision in decided(SCENARIOS / f"recorded_{fact.name}.jsonl")
    ]
    met_s = next(at_s for at_s, stage in stages if at_s > 0.0 and stage)
    assert met_s <= fact.met_within_s
    assert all(stage == 0 for at_s, stage in stages if at_s < 0.0)


def test_in_the_recorded_storm_the_writer_is_paced_and_the_cpu_left_to_it() -> None:
    quotas = []
    for _, decision in decided(SCENARIOS / "recorded_disk_buffered.jsonl"):
        assert decision.verdicts.cpu.stage == 0
        quotas += [action for action in decision.actions if isinstance(action, SetQuota)]
    paced = [quota for quota in quotas if quota.pod]
    assert len(paced) >= 2
    assert min(quota.cores for quota in paced) > 0.1


def test_who_took_the_recorded_memory_is_sent_away_before_it_runs_out() -> None:
    gone = [
        (tick, action)
        for tick, decision in decided(SCENARIOS / "recorded_memory_growth.jsonl")
        for action in decision.actions
        if isinstance(action, Evict)
    ]
    [(_, eviction)] = gone
    assert eviction.cause == "memory"
    looked = [tick.sample.memory for tick, _ in gone if tick.sample.memory is not None]
    assert all(room.available_bytes > 0.05 * room.capacity_bytes for room in looked)


@pytest.mark.parametrize("name", PREVENTED)
def test_where_the_standing_values_suffice_the_recorded_run_stays_calm(name: str) -> None:
    ticks = list(decided(SCENARIOS / f"recorded_{name}.jsonl"))
    assert not any(decision.verdicts.cpu.stage for _, decision in ticks)
    busy = [tick.sample.signals.offline_used_cores for tick, _ in ticks if tick.now_s > STEP_S]
    assert max(busy) > 0.25


def test_every_recording_has_its_facts() -> None:
    stated = {fact.name for fact in FACTS} | set(PREVENTED)
    assert {path.stem.removeprefix("recorded_") for path in RECORDINGS} == stated


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_is_small_and_names_no_machine(path: Path) -> None:
    content = path.read_bytes()
    assert len(content) <= 200_000
    words = set(re.findall(rb'"([^"]*)"', content))
    assert not [word for word in words if not re.fullmatch(rb"[a-z_]+|pod-\d+", word)]
