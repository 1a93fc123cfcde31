"""`slacktide explain pod|gang|job`: where is it, what blocks it, when does it start, why there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from scheduler.app.cluster_options import looking, of_cluster, say_unseen
from scheduler.app.explaining import Explained, Explaining, Name, parsed
from scheduler.app.showing import plain, print_whole
from scheduler.app.view import View
from slacktide.clock import WallClock
from slacktide.kube.connection import connection

F = TypeVar("F", bound=Callable[..., Any])
Which = Callable[[Explaining, Name], Awaitable[Explained]]


def _asked(command: F) -> F:
    """The argument and options of all three."""
    option = click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json", "yaml"]),
        default="text",
        show_default=True,
        help="Sentences, or all facts behind them.",
    )
    return click.argument("name")(of_cluster(option(command)))


@click.command()
@_asked
def pod(
    name: str, kubeconfig: Path | None, context: str | None, namespace: str, output: str
) -> None:
    """Show why a batch pod runs where it runs, why it waits, or what became of it.

    NAME is NAMESPACE/NAME, or a name with -n NAMESPACE. A pod that is gone is told by its Events,
    for as long as the API server keeps them.

    \b
    Examples:
      slacktide explain pod team-a/sort-0
      slacktide explain pod sort-0 -n team-a -o json
    """
    _explain(Explaining.pod, name, kubeconfig, context, namespace, output)


@click.command()
@_asked
def gang(
    name: str, kubeconfig: Path | None, context: str | None, namespace: str, output: str
) -> None:
    """Show where a gang is in line, what it has and needs, what blocks it and what would help.

    NAME is NAMESPACE/NAME, or a name with -n NAMESPACE; `slacktide gangs` lists them.

    \b
    Examples:
      slacktide explain gang team-a/train
      slacktide explain gang train -n team-a -o json
    """
    _explain(Explaining.gang, name, kubeconfig, context, namespace, output)


@click.command()
@_asked
def job(
    name: str, kubeconfig: Path | None, context: str | None, namespace: str, output: str
) -> None:
    """Show the same for the gang that a Job's pods are.

    \b
    Examples:
      slacktide explain job team-a/nightly
    """
    _explain(Explaining.job, name, kubeconfig, context, namespace, output)


def _explain(
    which: Which,
    name: str,
    kubeconfig: Path | None,
    context: str | None,
    namespace: str,
    output: str,
) -> None:
    asked = parsed(name, namespace)

    async def look(view: View) -> None:
        async with connection(kubeconfig, context).client() as client:
            found = await which(Explaining(view, client, now_s=WallClock().now_s()), asked)
        say_unseen(found.unseen)
        _print(found, output)

    looking(kubeconfig, context, asked.namespace, look)


def _print(found: Explained, output: str) -> None:
    if output == "text":
        click.echo("\n".join(found.sentences))
        return
    print_whole(plain({"sentences": found.sentences, **found.facts}), output)
