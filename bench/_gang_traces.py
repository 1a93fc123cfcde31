"""Job traces on the nodes of another trace, as many of them as make a stated load.

Load is a rule, not a choice: nodes are drawn in an order of the seed, one after another, until what
the gangs ask for over the time they are submitted (the larger of its shares of cores and of memory)
is no more than the load. Gangs that would not fit those nodes empty are left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from bench._virtual_cluster import Setting
from slacktide.messages import BoolArray, FloatArray, IntArray
from slacktide.trace import Jobs, read_jobs

MOST_TASKS = 1000  # a gang is capped here


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a job trace, replayed with rounds some time apart."""

    jobs: Path
    hours: float
    spacing_s: int


def setting_of(
    window: Window, nodes: Path, *, load: float, seed: int, true_durations: bool = False
) -> tuple[Setting, int]:
    """The gangs of a window on the nodes of another trace, and how many were left out."""
    jobs = _in_window(read_jobs(window.jobs), round(window.hours * 3600), seed)
    cpu_cores, memory_bytes = _drawn(nodes, seed)
    many = _nodes_for(jobs, cpu_cores, memory_bytes, load)
    cpu_cores, memory_bytes = cpu_cores[:many], memory_bytes[:many]
    fits = _fits_empty(jobs, cpu_cores, memory_bytes)
    kept = _rows(jobs, np.flatnonzero(fits))
    names = tuple(sorted(set(kept.queue)))
    index = {name: queue for queue, name in enumerate(names)}
    return Setting(
        jobs=kept,
        queue=np.array([index[name] for name in kept.queue]),
        queues=names,
        cpu_cores=cpu_cores,
        memory_bytes=memory_bytes,
        spacing_s=window.spacing_s,
        true_durations=true_durations,
    ), int((~fits).sum())


def _in_window(jobs: Jobs, length_s: int, seed: int) -> Jobs:
    """The gangs submitted in so long a part of the trace, which the seed places."""
    first_s, last_s = int(jobs.submit_s[0]), int(jobs.submit_s[-1])
    room_s = max(last_s - first_s - length_s, 0)
    from_s = first_s + int(np.random.default_rng(seed).integers(0, room_s + 1))
    inside = (jobs.submit_s >= from_s) & (jobs.submit_s < from_s + length_s)
    found = _rows(jobs, np.flatnonzero(inside))
    tasks = np.minimum(found.tasks, MOST_TASKS)
    return replace(found, submit_s=found.submit_s - from_s, tasks=tasks, min_available=tasks)


def _rows(jobs: Jobs, rows: IntArray) -> Jobs:
    return Jobs(
        job=tuple([jobs.job[row] for row in rows.tolist()]),
        queue=tuple([jobs.queue[row] for row in rows.tolist()]),
        submit_s=jobs.submit_s[rows],
        tasks=jobs.tasks[rows],
        min_available=jobs.min_available[rows],
        duration_s=jobs.duration_s[rows],
        priority=jobs.priority[rows],
        cpu_cores=jobs.cpu_cores[rows],
        memory_bytes=jobs.memory_bytes[rows],
    )


def _drawn(folder: Path, seed: int) -> tuple[FloatArray, FloatArray]:
    table = pq.read_table(folder / "nodes.parquet", columns=["cpu_cores", "memory_bytes"])
    order = np.random.default_rng(seed).permutation(table.num_rows)
    cpu_cores, memory_bytes = (
        table[name].to_numpy().astype(np.float64) for name in table.schema.names
    )
    return cpu_cores[order], memory_bytes[order]


def _nodes_for(jobs: Jobs, cpu_cores: FloatArray, memory_bytes: FloatArray, load: float) -> int:
    """How many of the nodes drawn bring the load down to the one asked for."""
    length_s = float(jobs.submit_s[-1] - jobs.submit_s[0])
    busy = jobs.tasks * jobs.duration_s / length_s
    offered_cores = float((busy * jobs.cpu_cores).sum())
    offered_bytes = float((busy * jobs.memory_bytes).sum())
    loads = np.maximum(
        offered_cores / np.cumsum(cpu_cores), offered_bytes / np.cumsum(memory_bytes)
    )
    enough = np.flatnonzero(loads <= load)
    return int(enough[0]) + 1 if len(enough) else len(cpu_cores)


def _fits_empty(jobs: Jobs, cpu_cores: FloatArray, memory_bytes: FloatArray) -> BoolArray:
    """[G] which gangs fit the nodes when nothing runs."""
    shapes, of = np.unique(
        np.stack([jobs.cpu_cores, np.maximum(jobs.memory_bytes, 1.0)], axis=1),
        axis=0,
        return_inverse=True,
    )
    room = [
        np.minimum(cpu_cores // cores, memory_bytes // size).sum()
        for cores, size in shapes.tolist()
    ]
    fits: BoolArray = np.array(room)[of.ravel()] >= jobs.tasks
    return fits
