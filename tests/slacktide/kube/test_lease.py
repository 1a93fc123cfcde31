"""Two processes never believe at one time that they may write."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from slacktide.kube.lease import DURATION_S, MARGIN, Held, Step, Watcher


def test_the_first_creates_the_second_waits_and_takes_over_after_silence() -> None:
    first = Watcher("a").saw(None, 0.0)
    assert first.step(0.0) is Step.CREATE
    held = Held("a", "1", 0)
    assert first.won(held, sent_s=0.0, now_s=0.1).may_write(1.0)
    second = Watcher("b").saw(held, 0.5)
    assert second.step(0.5 + DURATION_S) is Step.WAIT
    assert second.step(0.6 + DURATION_S) is Step.TAKE


def test_a_renewed_lease_is_waited_for_anew() -> None:
    second = Watcher("b").saw(Held("a", "1", 0), 0.0).saw(Held("a", "2", 0), 14.0)
    assert second.step(16.0) is Step.WAIT


def test_a_lease_that_was_given_up_is_taken_at_once() -> None:
    assert Watcher("b").saw(Held("", "7", 0), 3.0).step(3.0) is Step.TAKE


def test_the_holder_stops_writing_before_others_may_begin() -> None:
    holder = Watcher("a").won(Held("a", "1", 0), sent_s=0.0, now_s=2.0)
    assert holder.may_write(DURATION_S * (1 - MARGIN) - 0.1)
    assert not holder.may_write(DURATION_S * (1 - MARGIN))


def test_a_holder_that_reads_anothers_name_stops_at_once() -> None:
    holder = Watcher("a").won(Held("a", "1", 0), sent_s=0.0, now_s=0.0)
    assert not holder.saw(Held("b", "2", 1), 1.0).may_write(1.0)


class Server:
    """A lease with optimistic locking, as the API server keeps it."""

    def __init__(self) -> None:
        self.held: Held | None = None
        self.version = 0

    def write(self, me: str, seen: Held | None) -> Held | None:
        if (seen and seen.version) != (self.held and self.held.version):
            return None
        self.version += 1
        self.held = Held(me, str(self.version), 0)
        return self.held


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1, 2]), st.floats(0.0, 9.0), st.floats(0.0, 4.0)),
        min_size=1,
        max_size=80,
    ),
    st.tuples(st.floats(-100, 100), st.floats(-100, 100), st.floats(-100, 100)),
)
def test_never_two_writers_at_any_pace_and_with_any_clocks(
    turns: list[tuple[int, float, float]], skews: tuple[float, float, float]
) -> None:
    server, now_s = Server(), 0.0
    watchers = [Watcher(f"p{index}") for index in range(3)]
    for who, pause_s, delay_s in turns:
        now_s += pause_s
        watcher = watchers[who].saw(server.held, now_s + skews[who])
        sent_s = now_s + skews[who]
        if watcher.step(sent_s) is not Step.WAIT:
            held = server.write(watcher.me, watcher.seen)
            now_s += delay_s  # the answer takes its time
            if held is not None:
                watcher = watcher.won(held, sent_s=sent_s, now_s=now_s + skews[who])
        watchers[who] = watcher
        writers = [
            w.me for w, skew in zip(watchers, skews, strict=True) if w.may_write(now_s + skew)
        ]
        assert len(writers) <= 1


@given(st.floats(0.0, 100.0), st.floats(0.0, 30.0))
def test_who_waits_for_what_is_left_waits_just_long_enough(seen_s: float, later_s: float) -> None:
    second = Watcher("b").saw(Held("a", "1", 0), seen_s)
    due_s = seen_s + later_s + second.left_s(seen_s + later_s)
    assert second.step(due_s + 0.01) is Step.TAKE
    assert later_s > DURATION_S or second.step(due_s - 0.01) is Step.WAIT


def test_nothing_is_left_of_a_lease_that_nobody_holds() -> None:
    assert Watcher("b").left_s(3.0) == 0.0
    assert Watcher("b").saw(Held("", "7", 0), 3.0).left_s(3.0) == 0.0
