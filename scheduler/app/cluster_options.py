"""The options of all commands that look at a cluster, and how such a command ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from scheduler.app.view import View
from scheduler.app.viewing import viewing
from slacktide.errors import BadInput
from slacktide.kube.connection import connection
from slacktide.telemetry import quietly

F = TypeVar("F", bound=Callable[..., Any])

SOONEST_S: Final = 1.0  # between two looks
LATEST_S: Final = 10.0  # ages grow while nothing happens


def of_cluster(command: F) -> F:
    """Adds --kubeconfig, --context and -n."""
    for option in reversed(
        (
            click.option(
                "--kubeconfig",
                type=click.Path(path_type=Path, dir_okay=False),
                help="The cluster; else as kubectl finds it.",
            ),
            click.option("--context", help="Of the kubeconfig; else its current one."),
            click.option("-n", "--namespace", default="", help="Only of this namespace."),
        )
    ):
        command = option(command)
    return command


def watch_option(command: F) -> F:
    """Adds --watch."""
    return click.option(
        "-w", "--watch", is_flag=True, help="Show it again whenever it changes, until Ctrl-C."
    )(command)


def looking(
    kubeconfig: Path | None,
    context: str | None,
    namespace: str,
    look: Callable[[View], Coroutine[Any, Any, None]],
) -> None:
    """Runs `look` over a view of the cluster; Ctrl-C ends it without a traceback.

    Raises:
        BadInput: when the cluster cannot be looked at.
    """

    async def run() -> None:
        async with viewing(connection(kubeconfig, context), namespace=namespace) as view:
            await look(view)

    with contextlib.suppress(KeyboardInterrupt), quietly():
        asyncio.run(run())


async def changes(view: View, *, soonest_s: float = SOONEST_S) -> AsyncIterator[None]:
    """Yields now, and again after each change and now and then, for ever."""
    while True:
        view.changed.clear()
        yield
        await asyncio.sleep(soonest_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LATEST_S - soonest_s):
                await view.changed.wait()
        await view.look_for_planner()


def say_unseen(unseen: tuple[str, ...]) -> None:
    """What could not be read, on stderr, so that no number is taken for the whole."""
    for sentence in unseen:
        click.echo(f"not seen: {sentence}", err=True)


def no_such(kind: str, name: str, known: Sequence[str], lists: str, *, where: str = "") -> BadInput:
    """The error for a name that nothing has.

    `lists` is the command that shows those there are; `where` is the name with its place.
    """
    near = get_close_matches(name, known, n=1)
    meant = f"; did you mean {near[0]}?" if near else ";"
    return BadInput(f"no {kind} {where or name}{meant} `{lists}` lists them")
