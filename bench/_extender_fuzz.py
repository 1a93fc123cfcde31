"""Calls as nobody should make them, answered by the extender itself, thousands a second.

Bodies are valid ones that were broken (bytes changed, cut, doubled, nested, retyped), or nothing of
the kind; heads lie about lengths or leave them out. An answer is judged by the protocol alone.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from scheduler.app.extender_server import Extender
from scheduler.core.extender import MOST_BYTES, Binding, Places

PATHS: Final = ("/filter", "/prioritize", "/preempt", "/bind", "/", "/filter/", "/healthz")
NAMES: Final = [f"node-{k}" for k in range(40)]
DEEP: Final = 50_000
ODD: Final[tuple[Any, ...]] = (
    None, True, -1, 0.1, 1e308, 2**63, 10**400, "", "\x00", "\ud800", "é" * 50, [], {}, [None],
    {"": None}, {"metadata": []}, [[]], "node-7", ["node-7"], {"uid": {}},
)  # fmt: skip


def valid(chance: random.Random) -> dict[str, Any]:
    """A call as kube-scheduler makes it, of any kind: its fields of all four at once."""
    uid = chance.choice(("planned", "far", "waits", "b1", "nobody"))
    meta = {"name": "p", "namespace": "shop", "uid": uid, "labels": {"a": "b"}}
    victims = {"Pods": [{"UID": "b1"}, {"UID": "b2"}], "NumPDBViolations": 0}
    return {
        "Pod": {"metadata": meta, "spec": {"containers": [{"name": "c", "env": []}]}},
        "Nodes": None,
        "NodeNames": chance.sample(NAMES, 10),
        "NodeNameToMetaVictims": {"n1": victims, "n2": {"Pods": None}},
        "PodName": "p",
        "PodNamespace": "shop",
        "PodUID": uid,
        "Node": "node-7",
    }


def retyped(chance: random.Random) -> bytes:
    """Some value replaced by one of another type."""
    whole = valid(chance)
    inside = chance.choice((whole, whole["Pod"], whole["Pod"]["metadata"]))
    inside[chance.choice(list(inside))] = chance.choice(ODD)
    return _json(whole)


def doubled(chance: random.Random) -> bytes:
    """A key that is there twice."""
    key = chance.choice(("Pod", "NodeNames", "PodUID", "Node", "NodeNameToMetaVictims"))
    more = _json(key) + b":" + _json(chance.choice(ODD))
    return _json(valid(chance))[:-1] + b"," + more + b"}"


def changed(chance: random.Random) -> bytes:
    """Some bytes changed, put in or left out."""
    body = bytearray(_json(valid(chance)))
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(len(body))
        body[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return bytes(body)


def cut(chance: random.Random) -> bytes:
    """The end missing, or more after it."""
    body = _json(valid(chance))
    return body[: chance.randrange(len(body))] if chance.random() < 0.7 else body + body


def nested(chance: random.Random) -> bytes:
    """A value inside itself, again and again, and rarely very deep."""
    depth = DEEP if chance.random() < 0.01 else chance.randrange(1, 2_000)
    opens, closes = chance.choice(((b"[", b"]"), (b'{"Pod":', b"}"), (b'{"a":[', b"]}")))
    inside = opens * depth + b"1" + (closes * depth if chance.random() < 0.5 else b"")
    key = chance.choice((b'"Pod"', b'"NodeNames"', b'"other"', b'"NodeNameToMetaVictims"'))
    return b'{"PodUID":"planned",' + key + b":" + inside + b"}"


def numbers(chance: random.Random) -> bytes:
    """Numbers that no type holds."""
    number = chance.choice(("9" * chance.randrange(1, 5_000), "1e999", "-0", "0x1", "NaN", "1."))
    victims = f'{{"n1":{{"Pods":[{{"UID":"b1"}}],"NumPDBViolations":{number}}}}}'
    return (
        f'{{"Pod":{{"metadata":{{"uid":"x","n":{number}}}}},"NodeNames":[{number}],'
        f'"NodeNameToMetaVictims":{victims},"PodUID":{number},"Node":"n"}}'
    ).encode()


def foreign(chance: random.Random) -> bytes:
    """No JSON of ours."""
    texts = (b"", b"null", b"{}", b"[]", b"\xef\xbb\xbf{}", b'{"Pod":null}', b"GET / HTTP/1.1\r\n")
    return (
        chance.randbytes(chance.randrange(300)) if chance.random() < 0.7 else chance.choice(texts)
    )


BODIES: Final[tuple[Callable[[random.Random], bytes], ...]] = (
    lambda chance: _json(valid(chance)),
    retyped,
    doubled,
    changed,
    cut,
    nested,
    numbers,
    foreign,
)


@dataclass(slots=True)
class Found:
    """What came of it."""

    statuses: Counter[int] = field(default_factory=Counter)
    read_oversize: int = 0
    wrong: list[str] = field(default_factory=list)  # answers of another shape, and crashes


def fuzzed(calls: int, *, seed: int) -> Found:
    """Makes that many calls, each of which is another."""
    chance, found = random.Random(seed), Found()  # noqa: S311  no secret
    places = Places(
        node_of={"planned": "node-7", "far": "node-9999"}, waiting={"waits"}, batch={"b1", "b2"}
    )
    app = Extender(places, _nobody)
    said = structlog.get_config()
    structlog.configure(processors=[_drop])
    for _ in range(calls):
        path, body = chance.choice(PATHS), chance.choice(BODIES)(chance)
        call = Call(path, body, list(_head(chance, body)), parts=chance.randrange(1, 4))
        try:
            call.make(app)
        except Exception as why:  # noqa: BLE001  any is a finding
            found.wrong.append(f"{path} {body[:200]!r}: {type(why).__name__} {why}")
            continue
        found.statuses[call.status] += 1
        found.read_oversize += call.status in (411, 413) and call.read > 0
        if wrong := call.wrong():
            found.wrong.append(f"{path} {body[:200]!r}: {wrong}")
    structlog.configure(**said)
    return found


@dataclass(slots=True)
class Call:
    """One call to the app, without a network and without a loop: nothing in it waits."""

    path: str
    body: bytes
    head: list[tuple[bytes, bytes]]
    parts: int = 1
    hangs_up: bool = False
    read: int = 0  # how often the app asked for some of the body
    status: int = 0
    said: bytes = b""

    def make(self, app: Extender) -> None:
        """Fills `status` and `said`."""
        scope = {"type": "http", "path": self.path, "headers": self.head, "method": "POST"}
        running = app(scope, self._receive, self._send)
        try:
            running.__await__().send(None)
        except StopIteration:
            return
        raise RuntimeError("it waits for something")

    def wrong(self) -> str:
        """Empty, or what the protocol does not know."""
        try:
            answer = json.loads(self.said)
        except ValueError:
            return f"no JSON: {self.said[:100]!r}"
        if self.status != 200:
            plain = isinstance(answer, dict) and list(answer) == ["Error"] and answer["Error"]
            return "" if plain and "\n" not in answer["Error"] else f"no reason: {answer}"
        return "" if SHAPES[self.path](answer) else f"another shape: {answer}"

    async def _receive(self) -> dict[str, Any]:
        size = -(-len(self.body) // self.parts)
        part = self.body[self.read * size : (self.read + 1) * size]
        self.read += 1
        more = self.read < self.parts
        return {"type": "http.request", "body": part, "more_body": more}

    async def _send(self, message: Any) -> None:  # noqa: ANN401  ASGI's
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.said = message["body"]


def _texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _is_filter(answer: Any) -> bool:  # noqa: ANN401  decoded JSON
    """k8s.io/kube-scheduler/extender/v1.ExtenderFilterResult."""
    names = answer.get("NodeNames")
    return (
        set(answer) <= {"NodeNames", "FailedNodes", "FailedAndUnresolvableNodes", "Error"}
        and isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and _texts(answer.get("FailedNodes", {}))
        and _texts(answer.get("FailedAndUnresolvableNodes", {}))
        and isinstance(answer["Error"], str)
    )


def _is_priorities(answer: Any) -> bool:  # noqa: ANN401  decoded JSON
    """HostPriorityList."""
    return isinstance(answer, list) and all(
        set(one) == {"Host", "Score"} and isinstance(one["Host"], str) and 0 <= one["Score"] <= 10
        for one in answer
    )


def _is_preemption(answer: Any) -> bool:  # noqa: ANN401  decoded JSON
    """ExtenderPreemptionResult."""
    victims = answer["NodeNameToMetaVictims"]
    return set(answer) == {"NodeNameToMetaVictims"} and all(
        one["Pods"]
        and all(isinstance(pod["UID"], str) for pod in one["Pods"])
        and -(2**63) <= one["NumPDBViolations"] < 2**63
        for one in victims.values()
    )


SHAPES: Final[dict[str, Callable[[Any], bool]]] = {
    "/filter": _is_filter,
    "/prioritize": _is_priorities,
    "/preempt": _is_preemption,
    "/bind": lambda answer: list(answer) == ["Error"] and isinstance(answer["Error"], str),
    "/healthz": lambda answer: answer == {"ok": True},
}


def _head(chance: random.Random, body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Mostly honest; else no length, none that is a number, or one that is too much."""
    yield b"host", b"extender"
    draw = chance.random()
    if draw < 0.85:
        yield b"content-length", str(len(body)).encode()
    elif draw < 0.9:
        yield b"transfer-encoding", b"chunked"
    else:
        wild = (b"", b"-1", b"1e3", "²".encode(), b"0x10", b"9" * 400, b"%d" % (MOST_BYTES + 1))
        yield b"content-length", chance.choice(wild)


async def _nobody(_binding: Binding) -> str:
    return ""


def _drop(*_: object) -> dict[str, Any]:
    raise structlog.DropEvent


def _json(value: object) -> bytes:
    """As JSON that may hold lone surrogates, as bytes that are no text then."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
