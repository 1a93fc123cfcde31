"""nginx's access log as a latency feed: what nginx itself measured, without touching the service.

    log_format slacktide 'slacktide shop/web-0 ${request_time}s';
    access_log syslog:server=unix:/run/slacktide/latency.sock,nohostname,tag=slacktide slacktide;

`server=NODE:9125` sends by UDP instead; with `slacktide - ${request_time}s` the pod is known by its
address. `$request_time` counts from the client's first byte to the last byte sent, so a slow client
makes it long. `$upstream_response_time` counts the service alone:

    log_format slacktide 'slacktide shop/web-0 upstream $upstream_response_time';

It may hold several times, one a server that was asked: `0.004, 0.010 : 0.002`. They are added up,
since the client waited for all of them. `-` stands for a request that went to none: no latency.
The syslog header before the word `slacktide` is skipped by telling.py.
Always holds: text that is none of these gives None. Cost: 0.5 us.
Source: nginx.org, ngx_http_log_module, ngx_http_upstream_module, "Logging to syslog" (RFC 3164).
"""

from __future__ import annotations

from typing import Final

_NONE: Final = b"-"


def upstream_seconds(text: bytes) -> float | None:
    """The sum of nginx's list of times; None where it holds no time or something else.

    Args:
        text: What stands in the log for `$upstream_response_time`, without a unit.
    """
    total_s, found = 0.0, False
    for part in text.replace(b":", b",").split(b","):
        word = part.strip()
        if word == _NONE:
            continue
        try:
            total_s += float(word)
        except ValueError:
            return None
        found = True
    return total_s if found else None
