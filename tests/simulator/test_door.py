"""Every gang of a replay goes through the real admission, and comes out as it went in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.core.policy import Policy
from admission.core.review import review
from simulator.core.door import admit, task_pod
from slacktide import contract
from slacktide.errors import BadInput
from slacktide.trace import Jobs


def jobs(
    *rows: tuple[float, int], names: tuple[str, ...] | None = None, queue: str = "lab/nlp"
) -> Jobs:
    """Rows of (cores, bytes) a task."""
    count = len(rows)
    ones = np.ones(count, np.int64)
    return Jobs(
        job=names or tuple(f"job-{row}" for row in range(count)),
        queue=(queue,) * count,
        submit_s=0 * ones,
        tasks=4 * ones,
        min_available=2 * ones,
        duration_s=600 * ones,
        priority=5_500 * ones,
        cpu_cores=np.array([cores for cores, _ in rows]),
        memory_bytes=np.array([float(size) for _, size in rows]),
    )


@given(
    st.lists(
        st.tuples(st.integers(1, 64_000).map(lambda milli: milli / 1000), st.integers(0, 2**42)),
        min_size=1,
        max_size=8,
    )
)
def test_what_admission_gives_is_what_was_asked(rows: list[tuple[float, int]]) -> None:
    asked = jobs(*rows)
    given_to = admit(asked)
    assert given_to.cpu_cores == pytest.approx(asked.cpu_cores, abs=1e-9)
    assert given_to.memory_bytes.tolist() == asked.memory_bytes.tolist()
    assert given_to.memory_bytes.dtype == np.float64


def test_nothing_but_the_requests_changes() -> None:
    asked = jobs((1.5, 2**30), (0.25, 0))
    given_to = admit(asked)
    assert given_to.job == asked.job
    assert given_to.queue == asked.queue
    for column in ("submit_s", "tasks", "min_available", "duration_s", "priority"):
        assert getattr(given_to, column) is getattr(asked, column)


def test_less_than_a_milli_core_is_rounded_up_and_never_to_nothing() -> None:
    given_to = admit(jobs((0.0101, 0), (0.0001, 0)))
    assert given_to.cpu_cores.tolist() == [0.011, 0.001]


def test_what_was_asked_is_left_as_it_was() -> None:
    asked = jobs((0.0101, 0))
    admit(asked)
    assert asked.cpu_cores.tolist() == [0.0101]


@pytest.mark.parametrize(("name", "queue"), [("job-0", "lab/nlp"), ("train#2", "q"), ("ä b", "")])
def test_a_task_is_let_in_as_offline_work_of_its_gang(name: str, queue: str) -> None:
    pod = task_pod(name, queue=queue, min_available=2, tasks=4, cpu_cores=1.0, memory_bytes=2**20)
    verdict = review(pod, policy=Policy(), namespace_labels={})
    assert verdict.allowed
    assert verdict.pod_class == contract.QOS_BE


def test_a_task_that_is_not_let_in_is_refused_with_its_row() -> None:
    asked = jobs((1.0, 0), (-1.0, 0), names=("sound", "broken"))
    with pytest.raises(BadInput, match=r"^jobs\.parquet, row 1: broken is not let in: .+"):
        admit(asked)
