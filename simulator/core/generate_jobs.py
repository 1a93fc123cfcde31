"""Makes the batch side of a generated fleet: gangs with a queue, a size, a length and a floor.

Gangs are drawn until together they ask for a share of all the nodes' core-seconds in a stretch of
time, so a replay has as much to place as it can sell.
"""

from __future__ import annotations

import numpy as np

from simulator.core.generate_shape import JobShape
from slacktide.messages import FloatArray, IntArray
from slacktide.trace import Jobs

HOUR_S = 3_600
DAY_S = 86_400


def generate_jobs(
    shape: JobShape, *, seed: int, node_cores: float, from_s: int, until_s: int
) -> Jobs:
    """Gangs submitted between two times for a fleet of `node_cores` cores in all."""
    generator = np.random.default_rng(seed)
    wanted = shape.offered_share_of_nodes * node_cores * (until_s - from_s)
    draws: list[tuple[FloatArray, ...]] = []
    asked = 0.0
    while asked < wanted:
        draws.append(_draw(shape, generator, 500))
        tasks, cores, _, duration = draws[-1]
        asked += float((tasks * cores * duration).sum())
    tasks, cores, size, duration = (np.concatenate(column) for column in zip(*draws, strict=True))
    enough = int(np.searchsorted(np.cumsum(tasks * cores * duration), wanted)) + 1
    return _jobs(
        shape,
        generator,
        submit_s=_submissions(shape, generator, enough, from_s=from_s, until_s=until_s),
        tasks=tasks[:enough].astype(np.int64),
        duration_s=duration[:enough].astype(np.int64),
        cpu_cores=cores[:enough],
        memory_bytes=size[:enough],
    )


def _draw(shape: JobShape, generator: np.random.Generator, count: int) -> tuple[FloatArray, ...]:
    """Tasks, cores and bytes of a task, and whole seconds, of `count` gangs."""
    tasks = np.rint(shape.tasks.draw(generator, count))
    cores = shape.task_cores.draw(generator, count)
    cores = np.where(tasks * cores > shape.most_cores, np.minimum(cores, 1.0), cores)
    size = np.rint(shape.memory_bytes_per_core.draw(generator, count) * cores / 2**20) * 2**20
    longest = shape.most_core_s / (tasks * cores)
    duration = np.rint(np.minimum(shape.duration_s.draw(generator, count), longest))
    return tasks, cores, size, duration


def _submissions(
    shape: JobShape, generator: np.random.Generator, count: int, *, from_s: int, until_s: int
) -> IntArray:
    """[count] times ascending: bursts at random moments, more of them in busy hours."""
    hours = np.arange(from_s // HOUR_S, -(-until_s // HOUR_S))
    weight = np.array(shape.hour_weight)[hours % 24]
    bursts = max(1, round(count / shape.burst_jobs))
    hour = generator.choice(hours, bursts, p=weight / weight.sum())
    at_s = np.clip(hour * HOUR_S + generator.integers(0, HOUR_S, bursts), from_s, until_s - 1)
    of = generator.integers(0, bursts, count)
    return np.sort(at_s[of])


def _jobs(
    shape: JobShape,
    generator: np.random.Generator,
    *,
    submit_s: IntArray,
    tasks: IntArray,
    duration_s: IntArray,
    cpu_cores: FloatArray,
    memory_bytes: FloatArray,
) -> Jobs:
    """Puts names, queues, priorities and floors to the gangs."""
    count = len(tasks)
    weight = np.array(shape.queue_weight)
    queue = generator.choice(len(weight), count, p=weight / weight.sum())
    share = generator.uniform(*shape.elastic_least_share, count)
    least = np.maximum(1, np.floor(tasks * share)).astype(np.int64)
    elastic = generator.random(count) < shape.elastic_share
    team = [name.rpartition("/")[2] for name in shape.queues]
    return Jobs(
        job=tuple(f"{team[q]}-{row:05d}" for row, q in enumerate(queue)),
        queue=tuple(shape.queues[q] for q in queue),
        submit_s=submit_s,
        tasks=tasks,
        min_available=np.where(elastic, least, tasks),
        duration_s=duration_s,
        priority=np.array(shape.queue_priority)[queue],
        cpu_cores=cpu_cores,
        memory_bytes=memory_bytes,
    )
