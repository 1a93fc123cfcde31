"""What is written in the status of Queue objects."""

from __future__ import annotations

import pytest

from scheduler.core.queue_objects import planted
from scheduler.core.queue_status import cores_text, statuses
from slacktide.kube.objects import Meta
from slacktide.kube.queues import Queue, QueueSpec

TREE = planted(
    [
        Queue(Meta(name="all")),
        Queue(Meta(name="web"), QueueSpec(parent="all")),
        Queue(Meta(name="ads"), QueueSpec(parent="all")),
        Queue(Meta(name="odd"), QueueSpec(parent="gone")),
    ]
)


def test_a_queue_counts_all_below_it() -> None:
    found = statuses(
        TREE,
        used={"web": [1_500, 7], "ads": [500, 0], "nobody": [9_000, 0]},
        waiting=["web", "web", "nobody"],
        running=["ads"],
    )
    shown = {name: (one.used_milli, one.waiting, one.running) for name, one in found.items()}
    assert shown == {
        "all": (2_000, 2, 1),
        "web": (1_500, 2, 0),
        "ads": (500, 0, 1),
        "odd": (0, 0, 0),
        "default": (0, 0, 0),
    }


def test_a_mended_queue_says_so_in_a_condition() -> None:
    found = statuses(TREE, used={}, waiting=[], running=[])
    odd, sound = found["odd"].body("t"), found["web"].body("t")
    said = "its parent gone is not there: it counts as one at the top"
    assert odd["message"] == said
    assert odd["conditions"] == [
        {
            "type": "Sound",
            "status": "False",
            "reason": "Mended",
            "message": said,
            "lastTransitionTime": "t",
        }
    ]
    assert sound["message"] == ""
    assert sound["used"] == {"cpu": "0"}


@pytest.mark.parametrize(("milli", "text"), [(0, "0"), (3_000, "3"), (2_500, "2500m")])
def test_cores_are_quantities(milli: int, text: str) -> None:
    assert cores_text(milli) == text
