"""A history for one answer: collected from a server first, then read like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar, cast

import click

from predictor.adapters.prometheus import Server
from predictor.app.collect import Wanted
from predictor.app.collect_command import collected, tell_missing
from predictor.core.collect_settings import CollectSettings

TWO_WEEKS_S: Final = 14 * 86_400  # what the right sizes stand on

Command = TypeVar("Command", bound=Callable[..., object])

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_OPTIONS: Final = (
    click.option("--prometheus", metavar="URL", help="Collect two weeks of this server first."),
    click.option("--tenant", help="Sent to it as X-Scope-OrgID."),
    click.option("--token-file", type=_FILE, help="Bearer token for it."),
    click.option("--ca-file", type=_FILE, help="PEM of its CA."),
)


def server_options(command: Command) -> Command:
    """Adds --prometheus and what a server wants to see; the command is given a `server`."""

    @wraps(command)
    def with_server(
        prometheus: str | None,
        tenant: str | None,
        token_file: Path | None,
        ca_file: Path | None,
        **rest: object,
    ) -> object:
        server = None if prometheus is None else Server(prometheus, tenant, token_file, ca_file)
        return command(server=server, **rest)

    for option in reversed(_OPTIONS):
        with_server = option(with_server)
    return cast("Command", with_server)


@contextmanager
def history_of(server: Server | None, history: Path | None) -> Iterator[Path | None]:
    """The folder to read: `history`, brought up to date where a server is given.

    Without `history` a server's answers are kept for this block alone. What is missing is said on
    stderr, and the rest is there to be read.

    Raises:
        BadInput: the server cannot be reached or refuses.
    """
    with ExitStack() as kept:
        if server is not None and history is None:
            history = Path(kept.enter_context(TemporaryDirectory(prefix="slacktide-")))
        if server is not None and history is not None:
            done, tried = collected(server, CollectSettings(), Wanted(history, TWO_WEEKS_S))
            tell_missing(done, tried)
        yield history
