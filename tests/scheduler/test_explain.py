"""One blocking constraint a gang, named, with the numbers behind it."""

from __future__ import annotations

import pytest

from scheduler.core.explain import Blocked, duration_text
from tests.scheduler.clusters import HOUR_S, Bundle, Gang, Node, Queue, World

BUSY = Bundle(Gang("r", cores=6), 0, 1, HOUR_S)


@pytest.mark.parametrize(
    ("why", "nodes", "queue", "gang", "blocked", "sentence"),
    [
        (
            "more than all nodes hold",
            [Node("n", (8,))],
            Queue("q"),
            Gang("g", tasks=2, cores=60),
            Blocked.LARGER_THAN_CLUSTER,
            (
                "waits, number 1 of 1 in its queue, it is larger than the nodes hold even with "
                "nothing else on them: it needs 2 tasks of 60 cores and 1 GiB for 1 h (judged at "
                "the 2 h horizon); there is room for 0 now; queue q uses 6 cores (guaranteed 0)"
            ),
        ),
        (
            "the queue's maximum",
            [Node("n", (12,))],
            Queue("q", guaranteed=2, maximum=8),
            Gang("g", tasks=3, cores=1),
            Blocked.QUEUE_AT_MAX,
            (
                "waits, number 1 of 1 in its queue, queue q would exceed its maximum: it needs 3 "
                "tasks of 1 core and 1 GiB for 1 h (judged at the 2 h horizon); there is room for "
                "6 now; queue q uses 6 cores (guaranteed 2, at most 8)"
            ),
        ),
        (
            "other batch tasks",
            [Node("n", (8,))],
            Queue("q"),
            Gang("g", tasks=5, least=3, cores=1),
            Blocked.NO_ROOM_NOW,
            (
                "waits, number 1 of 1 in its queue, other batch tasks hold the room (8 would fit "
                "without them): it needs 3 to 5 tasks of 1 core and 1 GiB for 1 h (judged at the "
                "2 h horizon); there is room for 2 now; queue q uses 6 cores (guaranteed 0)"
            ),
        ),
        (
            "online",
            [Node("n", (8,))],
            Queue("q"),
            Gang("g", tasks=9, cores=1, for_s=9 * HOUR_S),
            Blocked.ONLINE_NEEDS_THE_ROOM,
            (
                "waits, number 1 of 1 in its queue, online needs the room (only 8 would fit if no "
                "batch task ran): it needs 9 tasks of 1 core and 1 GiB for 9 h (judged at the 2 h "
                "horizon, the longest there is); there is room for 2 now; queue q uses 6 cores "
                "(guaranteed 0)"
            ),
        ),
        (
            "a node that is closed and has room",
            [Node("n", (8,)), Node("m", (8,), is_open=False)],
            Queue("q"),
            Gang("g", tasks=4, cores=1),
            Blocked.NODES_CLOSED,
            "there would be room on nodes that are closed: it needs 4 tasks",
        ),
        (
            "a node that is closed and will have room",
            [Node("n", (8,), is_open=False)],
            Queue("q"),
            Gang("g", tasks=4, cores=1),
            Blocked.NODES_CLOSED,
            "there would be room on nodes that are closed: it needs 4 tasks",
        ),
    ],
)
def test_the_blocking_constraint_is_named(
    *, why: str, nodes: list[Node], queue: Queue, gang: Gang, blocked: Blocked, sentence: str
) -> None:
    horizons_s = (HOUR_S // 2, 2 * HOUR_S)
    world = World(nodes, [queue], horizons_s, pending=[gang], running=[BUSY])
    outcome = world.dry_run()
    assert outcome.pending.tolist() == [0], why
    assert outcome.blocked(0) is blocked
    assert sentence in outcome.reason(0)


def test_the_queue_above_is_named_where_it_is_the_full_one() -> None:
    queues = [Queue("top", maximum=7), Queue("q", parent="top"), Queue("b", parent="top")]
    world = World([Node("n", (12,))], queues, pending=[Gang("g", "b", cores=2)], running=[BUSY])
    reason = world.dry_run().reason(0)
    assert "queue top would exceed its maximum" in reason
    assert "queue top uses 6 cores (guaranteed 0, at most 7)" in reason


def test_a_pending_gang_is_told_its_place_in_its_queue() -> None:
    pending = [Gang(f"g{g}", cores=9, submit_s=g) for g in (3, 1, 2)]
    world = World([Node("n", (8,))], [Queue("q"), Queue("b")], pending=pending)
    world.pending.append(Gang("other", "b", cores=9))
    outcome = world.dry_run()
    assert [f"number {place} of 3" in outcome.reason(g) for g, place in enumerate((3, 1, 2))] == [
        True
    ] * 3
    assert "number 1 of 1" in outcome.reason(3)


def test_a_placed_gang_tells_where_and_against_what() -> None:
    world = World(
        [Node(f"n{n}", (2,)) for n in range(5)],
        [Queue("q", maximum=40)],
        pending=[Gang("g", tasks=20, least=8, cores=1)],
    )
    assert world.dry_run().reason(0) == (
        "placed 10 of 20 tasks on n0, n1, n2 and 2 more: it needs 8 to 20 tasks of 1 core and "
        "1 GiB for 1 h (judged at the 1 h horizon); there was room for 10; queue q uses 0 cores "
        "(guaranteed 0, at most 40) before"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (90, "90 s"),
        (60, "1 min"),
        (300, "5 min"),
        (3600, "1 h"),
        (5400, "90 min"),
        (9000, "2.5 h"),
        (86400, "1 d"),
        (7 * 86400, "7 d"),
    ],
)
def test_durations_read_as_people_say_them(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text
