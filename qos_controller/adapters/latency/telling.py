"""What one datagram says: whose latency, and how long requests took.

    slacktide <pod> <value>[,<value>...]     each value one request: 12.5 or 12.5ms, 0.0125s, 900us
    slacktide <pod> <slow>/<requests>        counts, from somebody who knows the bound himself
    slacktide <pod> upstream <times>         nginx's $upstream_response_time, one request

`<pod>` is its UID, namespace/name, or `-`: the pod that the packet's address belongs to. Anything
before the word (a syslog header) and after a line's end is left out; a packet may hold many lines.
Always holds: whatever the bytes, the answer is a `Telling` with finite values >= 0 and a count of
what was nonsense; at most `most` values are looked at. Cost: 1.5 us a line, 0.3 us a further value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from qos_controller.adapters.latency.nginx import upstream_seconds

WORD: Final = b"slacktide "
_UPSTREAM: Final = b"upstream "
LONGEST_S: Final = 3_600.0
"""A request that took longer than an hour is a lie or a mistake."""
MOST_REQUESTS: Final = 10_000_000
_UNITS_S: Final = ((b"us", 1e-6), (b"ms", 1e-3), (b"s", 1.0))


@dataclass(slots=True)
class Telling:
    """One line."""

    who: str
    latencies_s: list[float] = field(default_factory=list)
    requests: int = 0
    """Counted by the sender, beside the latencies."""
    slow: int = 0
    nonsense: int = 0
    """Values that no request can have: NaN, negative, endless, unreadable."""
    skipped: int = 0
    """Values not looked at because there were too many."""


def parse_packet(packet: bytes, most: int = 128) -> list[Telling]:
    """Its lines; a line that is none at all comes as a `Telling` of nobody with one nonsense."""
    if b"\n" not in packet:
        return [_parse_line(packet, most)]
    return [_parse_line(line, most) for line in packet.splitlines()[:most] if line.strip()]


def _parse_line(line: bytes, most: int) -> Telling:
    at = line.find(WORD)
    words = [] if at < 0 else line[at + len(WORD) :].split(None, 1)
    if len(words) < 2 or not words[0].isascii() or len(words[0]) > 320:
        return Telling("", nonsense=1)
    telling = Telling(words[0].decode())
    slow, slash, requests = words[1].strip().partition(b"/")
    if slow.startswith(_UPSTREAM):
        _take_upstream(telling, slow[len(_UPSTREAM) :])
    elif slash:
        _take_counts(telling, slow, requests)
    else:
        _take_values(telling, words[1], most)
    return telling


def _take_counts(telling: Telling, slow: bytes, requests: bytes) -> None:
    slow, requests = slow.strip(), requests.strip()
    if not (slow.isdigit() and requests.isdigit() and len(slow) < 9 and len(requests) < 9):
        telling.nonsense = 1
        return
    telling.slow, telling.requests = int(slow), int(requests)
    if telling.slow > telling.requests or telling.requests > MOST_REQUESTS:
        telling.slow = telling.requests = 0
        telling.nonsense = 1


def _take_upstream(telling: Telling, text: bytes) -> None:
    latency_s = upstream_seconds(text)
    if latency_s is not None and 0.0 <= latency_s <= LONGEST_S:
        telling.latencies_s.append(latency_s)
    elif text.strip() != b"-":
        telling.nonsense = 1


def _take_values(telling: Telling, text: bytes, most: int) -> None:
    values = text.split(b",", most)
    if len(values) > most:
        telling.skipped = 1 + values.pop().count(b",")
    for value in values:
        latency_s = seconds(value)
        if latency_s is None:
            telling.nonsense += 1
        else:
            telling.latencies_s.append(latency_s)


def seconds(value: bytes) -> float | None:
    """One value with its unit, milliseconds without; None where it is none."""
    value, scale = value.strip(), 1e-3
    for unit, unit_s in _UNITS_S:
        if value.endswith(unit):
            value, scale = value[: -len(unit)], unit_s
            break
    try:
        latency_s = float(value) * scale
    except ValueError:
        return None
    # NaN is not >= 0 either.
    return latency_s if 0.0 <= latency_s <= LONGEST_S else None
