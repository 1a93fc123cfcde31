"""What kube-scheduler asks, and what it hears: planned pods pass, all else waits or passes by."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.app.extender_server import Extender
from scheduler.core.extender import ELSEWHERE, MOST_BYTES, WAITS, Binding, Places, filtered

NAMES = [f"node-{index}" for index in range(500)]


def question(uid: str, names: list[str] | None = None) -> bytes:
    pod = {"metadata": {"name": "p", "namespace": "shop", "uid": uid}, "spec": {"containers": []}}
    return json.dumps({"Pod": pod, "Nodes": None, "NodeNames": names or NAMES}).encode()


def places() -> Places:
    return Places(
        node_of={"planned": "node-7", "far": "node-9999"}, waiting={"waits"}, batch={"b1", "b2"}
    )


class Call:
    """One HTTP call to the app, without a network."""

    def __init__(self, *, bind_says: str = "") -> None:
        self.bound: list[Binding] = []
        self._says = bind_says
        self.app = Extender(places(), self._bind)

    async def _bind(self, binding: Binding) -> str:
        self.bound.append(binding)
        return self._says

    def __call__(self, path: str, body: bytes, *, length: str | None = None) -> tuple[int, Any]:
        sent: list[dict[str, Any]] = []
        headers = [(b"content-length", (length or str(len(body))).encode())]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "path": path, "headers": headers, "method": "POST"}
        asyncio.run(self.app(scope, receive, send))  # type: ignore[arg-type]  # plain dicts
        assert int(dict(sent[0]["headers"])[b"content-length"]) == len(sent[1]["body"])
        return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_planned_pod_is_offered_its_node_alone() -> None:
    status, said = Call()("/filter", question("planned"))
    assert (status, said["NodeNames"], said["Error"]) == (200, ["node-7"], "")


def test_a_planned_node_that_is_not_offered_is_not_answered_with_another() -> None:
    _, said = Call()("/filter", question("far"))
    assert said["NodeNames"] == []
    assert said["FailedAndUnresolvableNodes"] == {"node-9999": ELSEWHERE}


def test_a_name_that_begins_like_another_is_not_taken_for_it() -> None:
    _, said = Call()("/filter", question("planned", ["node-70", "node-71", "my-node-7"]))
    assert said["NodeNames"] == []


def test_an_unplanned_batch_pod_waits_with_a_message_that_never_changes() -> None:
    first, second = (Call()("/filter", question("waits"))[1] for _ in range(2))
    assert first == second
    assert list(first["FailedAndUnresolvableNodes"].values()) == [WAITS]


def test_a_pod_that_is_none_of_ours_passes_with_all_names_as_they_came() -> None:
    _, said = Call()("/filter", question("online"))
    assert said["NodeNames"] == NAMES


def test_whole_node_objects_are_refused_with_what_to_set() -> None:
    body = json.dumps({"Pod": {"metadata": {"uid": "planned"}}, "Nodes": {"items": []}}).encode()
    _, said = Call()("/filter", body)
    assert "nodeCacheCapable: true" in said["Error"]


def test_the_planned_node_scores_above_all() -> None:
    assert Call()("/prioritize", question("planned")) == (200, [{"Host": "node-7", "Score": 10}])
    assert Call()("/prioritize", question("online")) == (200, [])


def test_only_nodes_whose_victims_are_all_batch_are_left_to_preempt() -> None:
    victims = {
        "n1": {"Pods": [{"UID": "b1"}], "NumPDBViolations": 0},
        "n2": {"Pods": [{"UID": "b2"}, {"UID": "online"}], "NumPDBViolations": 1},
        "n3": {"Pods": None},
    }
    body = {"Pod": {"metadata": {"uid": "x"}}, "NodeNameToMetaVictims": victims}
    _, said = Call()("/preempt", json.dumps(body).encode())
    assert said == {
        "NodeNameToMetaVictims": {"n1": {"Pods": [{"UID": "b1"}], "NumPDBViolations": 0}}
    }


@pytest.mark.parametrize(
    ("uid", "node", "said", "asked"),
    [
        ("planned", "node-7", "", 1),
        ("planned", "node-8", ELSEWHERE, 0),
        ("waits", "node-7", WAITS, 0),
    ],
)
def test_only_what_was_planned_there_is_bound_there(
    uid: str, node: str, said: str, asked: int
) -> None:
    call = Call()
    body = {"PodName": "p", "PodNamespace": "shop", "PodUID": uid, "Node": node}
    assert call("/bind", json.dumps(body).encode()) == (200, {"Error": said})
    assert len(call.bound) == asked


@pytest.mark.parametrize(
    ("length", "status"),
    [("", 411), ("many", 411), ("-1", 411), (str(MOST_BYTES + 1), 413), ("9" * 400, 413)],
)
def test_a_body_without_a_fair_length_is_refused_unread(length: str, status: int) -> None:
    call = Call()
    unread = b"{" if length == "" else b""
    got, said = call("/filter", unread, length=length or "none")
    assert got == status
    assert "bytes" in said["Error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"Pod":7}',
        b'{"Pod":{"metadata":{"uid":["x"]}},"NodeNames":[]}',
        b'{"Pod":{"metadata":{"uid":"x"}},"NodeNames":[',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"Pod":{"metadata":{"uid":"\\ud800"}},"NodeNames":[]}',
    ],
)
@pytest.mark.parametrize("path", ["/filter", "/prioritize", "/preempt", "/bind"])
def test_a_malformed_call_is_told_so(path: str, body: bytes) -> None:
    status, said = Call()(path, body)
    assert status == 400
    assert said["Error"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "Pod": st.fixed_dictionaries({"metadata": st.fixed_dictionaries({"uid": st.text() | JSON})})
        | JSON,
        "NodeNames": st.lists(st.text(max_size=8), max_size=5) | JSON,
        "NodeNameToMetaVictims": JSON,
        "PodUID": JSON,
        "Node": JSON,
    },
)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(["/filter", "/prioritize", "/preempt", "/bind", "/other"]),
    (SHAPED | JSON).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200),
)
def test_whatever_comes_the_answer_has_the_protocols_shape(path: str, body: bytes) -> None:
    status, said = Call()(path, body)
    if status != 200:
        assert list(said) == ["Error"]
        assert said["Error"]
    elif path == "/filter":
        assert set(said) <= {"NodeNames", "FailedNodes", "FailedAndUnresolvableNodes", "Error"}
    elif path == "/prioritize":
        assert isinstance(said, list)
    else:
        assert set(said) <= {"NodeNameToMetaVictims", "Error"}


def test_the_answer_to_a_filter_is_the_same_however_often_it_is_asked() -> None:
    held = places()
    once = filtered(question("planned"), held)
    assert all(filtered(question("planned"), held) == once for _ in range(3))
