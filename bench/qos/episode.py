"""One episode: online alone for a moment, then the step, then what became of it.

Always holds: times in a record are seconds from the step; a record has all that its figures need,
so figures and plots are made anew from the results alone.
"""

from __future__ import annotations

import array
import json
import math
import os
import subprocess
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.qos.arms import Arm, Ours
from bench.qos.rig import Rig
from bench.qos.usage import Watch

LEAD_S = 0.35
"""The client needs as long to start."""


@dataclass(slots=True, kw_only=True)
class Record:
    """What one episode came to; one line of the results."""

    scene: str
    arm: str
    load: int
    repeat: int
    seed: int
    rate_per_s: float
    bound_s: float
    pre_s: float
    loaded_s: float
    began_s: float
    """Unix time of the step."""
    requests: list[list[float | None]] = field(default_factory=list)
    """[meant, latency in ms (None: never answered), ms sent late] of each."""
    usage: list[list[float]] = field(default_factory=list)
    """Rows of `usage.FIELDS`."""
    ticks: list[list[float]] = field(default_factory=list)
    """[t, cpu stage, disk, memory, network, quota cores, frozen share, write limit, cost ms]."""
    events: list[list[Any]] = field(default_factory=list)
    """[t, kind, text]."""
    evictions: list[float] = field(default_factory=list)
    online_killed: bool = False
    back_s: float | None = None
    """agent_dies: when the loop ticked again."""

    def line(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), allow_nan=False)


def play(rig: Rig, arm: Arm, *, load: int, rate_per_s: float, repeat: int, seed: int) -> Record:
    """Plays one episode and tells all of it."""
    scene = rig.scene
    arm.rest()
    gate = _prepare(rig, arm)
    rig.evictions.clear()
    begin_s = time.monotonic() + LEAD_S
    step_s = begin_s + scene.pre_s
    end_s = step_s + scene.loaded_s
    before_per_s = rate_per_s / 2 if scene.step == "online_doubles" else rate_per_s
    answers = rig.folder / "answers"
    answers.unlink(missing_ok=True)
    phases = [(begin_s, step_s, before_per_s), (step_s, end_s, rate_per_s)]
    client = rig.start_client(phases, seed, answers)
    watch = Watch(rig)
    gate = _step(rig, arm, gate, step_s)
    time.sleep(max(end_s - time.monotonic(), 0))
    watch.close()
    ticks, events = arm.diary()
    killed = not rig.online_alive()
    rig.end_batch()
    if gate is not None:
        gate.wait()
    if client.wait():
        said = (rig.folder / "client.log").read_text(errors="replace")
        raise ChildProcessError(f"the client ended with {client.returncode}: {said}")
    record = Record(
        scene=scene.name,
        arm=arm.name,
        load=load,
        repeat=repeat,
        seed=seed,
        rate_per_s=rate_per_s,
        bound_s=scene.bound_s,
        pre_s=scene.pre_s,
        loaded_s=scene.loaded_s,
        began_s=time.time() - time.monotonic() + step_s,
        online_killed=killed,
        evictions=[round(at_s - step_s, 4) for at_s in rig.evictions],
    )
    record.requests = _requests(answers.read_bytes(), step_s) if answers.exists() else []
    record.usage = [
        [round(row[0] - step_s, 4), *(round(value, 4) for value in row[1:])] for row in watch.rows
    ]
    record.ticks = [
        [
            round(tick.monotonic_s - step_s, 4),
            *(tick.cpu_stage, tick.disk_stage, tick.memory_stage, tick.network_stage),
            _finite(tick.quota_cores),
            _finite(tick.frozen),
            _finite(tick.disk_write_limit_bytes_per_s),
            round(_finite(tick.tick_cost_s) * 1e3, 3),
        ]
        for tick in ticks
        if tick.monotonic_s >= begin_s
    ]
    record.events = [
        [round(event.monotonic_s - step_s, 4), event.kind, event.text]
        for event in events
        if event.monotonic_s >= begin_s
    ]
    if scene.step == "agent_dies":
        record.back_s = next((row[0] for row in record.ticks if row[0] > 0), None)
    return record


def _prepare(rig: Rig, arm: Arm) -> subprocess.Popen[bytes] | None:
    """The batch pod as it is before the step: not there, waiting, or running."""
    if not arm.with_batch:
        return None
    rig.expect_batch()
    if rig.scene.appears:
        return None
    rig.make_batch()
    arm.made_batch()
    gate = rig.start_batch(wait=True)
    if rig.scene.step != "batch_on":
        _open(gate)
        time.sleep(1.0)
    return gate


def _step(
    rig: Rig, arm: Arm, gate: subprocess.Popen[bytes] | None, step_s: float
) -> subprocess.Popen[bytes] | None:
    time.sleep(max(step_s - time.monotonic(), 0))
    if rig.scene.step == "agent_dies" and isinstance(arm, Ours):
        arm.kill_loop()
    if not arm.with_batch or rig.scene.step != "batch_on":
        return gate
    if gate is None:
        rig.make_batch()
        arm.made_batch()
        gate = rig.start_batch(wait=False)
    else:
        _open(gate)
    return gate


def _open(gate: subprocess.Popen[bytes]) -> None:
    assert gate.stdin is not None  # noqa: S101 -- started with a gate
    os.write(gate.stdin.fileno(), b"\n")
    gate.stdin.close()


def _requests(told: bytes, step_s: float) -> list[list[float | None]]:
    flat = array.array("d", told)
    rows: list[list[float | None]] = []
    for meant_s, sent_s, answered_s in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
        latency_ms = None if math.isnan(answered_s) else round((answered_s - meant_s) * 1e3, 3)
        late_ms = None if math.isnan(sent_s) else round((sent_s - meant_s) * 1e3, 3)
        rows.append([round(meant_s - step_s, 5), latency_ms, late_ms])
    return rows


def _finite(value: float) -> float:
    return round(value, 4) if math.isfinite(value) else -1.0
