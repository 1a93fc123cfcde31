"""The doors of the scheduler's process: who may ask what, and when."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from scheduler.app.extender_server import Extender
from scheduler.app.front import Front
from scheduler.core.extender import Binding, Places


async def nobody(_binding: Binding) -> str:
    return "not asked to"


def answered(path: str, *, ready: bool, alone: bool) -> tuple[int, str]:
    front = Front(Extender(Places(), nobody), lambda: b"numbers", lambda: ready)
    door = front.health_alone() if alone else front

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=door)
        async with httpx.AsyncClient(transport=transport, base_url="http://planner") as client:
            return await client.post(path, content=b'{"Pod":{},"NodeNames":["a"]}')

    answer = asyncio.run(ask())
    return answer.status_code, answer.text


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize(
    ("path", "unready", "ready"),
    [("/metrics", 200, 200), ("/healthz", 200, 200), ("/readyz", 503, 200)],
)
def test_health_is_told_on_both_doors(path: str, unready: int, ready: int, *, alone: bool) -> None:
    assert answered(path, ready=False, alone=alone)[0] == unready
    assert answered(path, ready=True, alone=alone)[0] == ready


@pytest.mark.parametrize("path", ["/filter", "/prioritize", "/preempt", "/bind", "/none"])
def test_the_extender_answers_on_its_own_door_and_only_when_ready(path: str) -> None:
    assert answered(path, ready=False, alone=False)[0] == 503
    assert answered(path, ready=True, alone=True) == (404, '{"Error":"no such call"}')


def test_a_call_gets_the_extenders_answer() -> None:
    status, said = answered("/filter", ready=True, alone=False)
    assert status == 200
    assert '"NodeNames":["a"]' in said
