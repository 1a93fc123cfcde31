"""What a pod's annotations say: its promise, and where its latency is seen.

    slacktide.io/slo:          p99<30ms       p95 < 200ms      p99.9<1s
    slacktide.io/latency-from: datagram       nginx            http://:8080/healthz
                               prometheus://:9090/metrics#http_request_duration_seconds

Always holds: nonsense gives a sentence that says what to write instead, and no SLO; never an
exception. Parsed when the book is written, never in a tick; 3 us each.
"""

from __future__ import annotations

import re
from typing import Final, Literal
from urllib.parse import urlsplit

from qos_controller.core.pods import Feed, Slo

LONGEST_S: Final = 60.0
"""A bound beyond a minute is no latency that a node could keep or break."""
_SLO: Final = re.compile(
    r"\s*p(\d{1,2}(?:\.\d{1,4})?)\s*(?:<=?)\s*(\d{1,9}(?:\.\d{1,6})?)\s*(us|ms|s)\s*", re.ASCII
)
_UNITS_S: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,199}(\{[^{}\n]{0,500}\})?", re.ASCII)
_QUOTED: Final = 60


def parse_slo(text: str) -> Slo | str:
    """The promise, or a sentence that says what is wrong with it."""
    match = _SLO.fullmatch(text[:200])
    if match is None:
        return f"slo {_quote(text)} is not understood; write it like p99<30ms"
    quantile, bound_s = float(match[1]) / 100, float(match[2]) * _UNITS_S[match[3]]
    if not 0.5 <= quantile < 1.0:
        return f"slo {_quote(text)}: the quantile must be from p50 to below p100, like p99<30ms"
    if not 0.0 < bound_s <= LONGEST_S:
        return f"slo {_quote(text)}: the bound must be above 0 and at most {LONGEST_S:g}s"
    return Slo(bound_s=bound_s, quantile=quantile)


def parse_feed(text: str) -> Feed | str:
    """Where latency comes from, or a sentence that says what is wrong."""
    word = text.strip()
    if word == "datagram":
        return Feed(kind="datagram")
    if word == "nginx":
        return Feed(kind="nginx")
    if word.startswith("http://"):
        return _with_url(word, word, "http")
    if word.startswith("prometheus://"):
        url, _, metric = word.removeprefix("prometheus://").partition("#")
        if not _METRIC.fullmatch(metric):
            return (
                f"latency-from {_quote(text)} names no histogram; write it like "
                "prometheus://:9090/metrics#http_request_duration_seconds"
            )
        return _with_url(text, f"http://{url}#{metric}", "prometheus")
    return (
        f"latency-from {_quote(text)} is not understood; write datagram, nginx, "
        "http://:8080/healthz or prometheus://:9090/metrics#histogram"
    )


def _with_url(text: str, url: str, kind: Literal["http", "prometheus"]) -> Feed | str:
    """The host may be left out: then it is the pod's own address."""
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        return f"latency-from {_quote(text)} has no valid host and port"
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.username is not None or not 0 < port < 65536 or not plain:
        return f"latency-from {_quote(text)} has no valid host and port"
    if len(url) > 2000:
        return f"latency-from {_quote(text)} is longer than 2000 characters"
    return Feed(kind=kind, where=url)


def _quote(text: str) -> str:
    """So that a hostile annotation cannot fill the log or break its line."""
    return ascii(text if len(text) <= _QUOTED else text[:_QUOTED] + "...")
