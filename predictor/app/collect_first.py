"""A history for one answer: collected from a server first, then read like any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from predictor.adapters.prometheus import Server
from predictor.app.collect import Wanted
from predictor.app.collect_command import collected, tell_missing
from predictor.core.collect_settings import CollectSettings

TWO_WEEKS_S = 14 * 86_400  # what the right sizes stand on


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
