"""Writes to the API server: bounded in rate, tried again where that is safe, fenced.

Always holds: a write is sent only while `may_write()`; it is tried again only after no answer or
one that asks for patience, and not sooner than asked. So an answer may tell of an earlier try: a
post that is "there already" (409) is for the caller to compare with what it wanted.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import httpx
import msgspec

from slacktide.clock import Clock
from slacktide.kube.lanes import Requests
from slacktide.kube.objects import Status

MOST_TRIES: Final = 5
FIRST_BACKOFF_S: Final = 0.2
LONGEST_WAIT_S: Final = 10.0
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})

MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
JSON: Final = "application/json-patch+json"
APPLY: Final = "application/apply-patch+yaml"

Body = Mapping[str, object] | Sequence[object] | None  # what JSON can say


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write."""

    status: int  # 0: never sent, or no answer
    said: str = ""

    @property
    def done(self) -> bool:
        """Whether it is so now."""
        return 200 <= self.status < 300


class Writer:
    """A client that writes, at most `per_s` a second after a first `burst`."""

    def __init__(
        self,
        client: Requests,
        *,
        clock: Clock,
        per_s: float = 200.0,
        burst: int = 400,
        may_write: Callable[[], bool] = lambda: True,
        again: frozenset[int] = _AGAIN,
    ) -> None:
        """`may_write` is asked before each try: an `Election`'s. `again`: answers to try after."""
        self._client, self._clock, self._may_write = client, clock, may_write
        self._again = again
        self._per_s, self._burst = per_s, burst
        self._free, self._counted_s = float(burst), clock.now_s()

    async def patch(self, path: str, body: Body, *, kind: str = MERGE) -> Written:
        """Changes an object; the same patch twice is the same object."""
        return await self._write("PATCH", path, body, {"Content-Type": kind})

    async def post(self, path: str, body: Body) -> Written:
        """Creates an object; one that exists is status 409, for the caller to judge."""
        return await self._write("POST", path, body, {})

    async def delete(self, path: str, body: Body = None) -> Written:
        """Removes an object; one that is gone is a success."""
        written = await self._write("DELETE", path, body, {})
        return Written(200, written.said) if written.status == httpx.codes.NOT_FOUND else written

    async def _write(
        self,
        method: str,
        path: str,
        body: Body,
        headers: Mapping[str, str],
    ) -> Written:
        content = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json", **headers}
        written = Written(0, "not sent: this process does not hold the lease")
        for turn in range(MOST_TRIES):
            await self._turn()
            if not self._may_write():
                return written
            wait_s = FIRST_BACKOFF_S * 2**turn * random.uniform(0.5, 1.5)  # noqa: S311  no secret
            try:
                answer = await self._client.request(method, path, content=content, headers=headers)
            except httpx.HTTPError as why:
                written = Written(0, f"{type(why).__name__} {why}")
            else:
                written = Written(answer.status_code, "" if answer.is_success else _said(answer))
                if answer.status_code not in self._again:
                    return written
                wait_s = max(wait_s, _asked_s(answer))
            await asyncio.sleep(min(wait_s, LONGEST_WAIT_S))
        return written

    async def _turn(self) -> None:
        """Waits for this write's turn (a token bucket)."""
        now_s = self._clock.now_s()
        self._free = min(self._burst, self._free + (now_s - self._counted_s) * self._per_s)
        self._counted_s = now_s
        self._free -= 1
        if self._free < 0:
            await asyncio.sleep(-self._free / self._per_s)


def _said(answer: httpx.Response) -> str:
    try:
        return msgspec.json.decode(answer.content, type=Status).message
    except (msgspec.DecodeError, UnicodeDecodeError):
        return answer.reason_phrase


def _asked_s(answer: httpx.Response) -> float:
    try:
        return float(answer.headers.get("Retry-After", 0))
    except ValueError:
        return 0.0
