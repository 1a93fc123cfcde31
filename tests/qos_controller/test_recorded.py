"""Recorded runs: what was told comes back as it was, and is decided as it was."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from qos_controller.adapters.recording import Recorder, recorded, replayed
from qos_controller.core.decision import Evict
from qos_controller.core.node import begin_node, decide_node
from qos_controller.core.node_settings import NodeSettings
from qos_controller.core.sample import DiskSample, PodUse, Sample, ServiceSample
from qos_controller.core.signals import OfflineTask, Signals

LAW = NodeSettings()
MIB = 2.0**20
RECORDINGS = sorted((Path(__file__).parents[1] / "scenarios").glob("recorded_*.jsonl"))


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


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_in_a_recorded_run_nobody_is_evicted_for_the_cpu(path: Path) -> None:
    """Real runs, kept as `tests/scenarios/recorded_NAME.jsonl`."""
    with path.open("rb") as file:
        for _, decision in replayed(recorded(file), LAW):
            gone = [action for action in decision.actions if isinstance(action, Evict)]
            assert not [eviction for eviction in gone if eviction.cause in {"cpu", "latency"}]
