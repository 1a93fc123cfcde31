"""`slacktide serve predictor`: the history's API as a process."""

from __future__ import annotations

import threading
from pathlib import Path

import click

from predictor.app.serving import create_app
from predictor.app.usage_reader import UsageReader
from slacktide.errors import BadInput
from slacktide.serving.http_server import HttpServer
from slacktide.serving.leaving import leaving_cleanly

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SHORTEST_TOKEN = 16  # characters


@click.command()
@click.option(
    "--history",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that collect fills.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8081, show_default=True)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Who asks must bring this bearer token; needed on any address but this machine's own.",
)
def predictor(history: Path, host: str, port: int, token_file: Path | None) -> None:
    """Answer questions about the usage history: JSON, or Arrow by the Accept header.

    GET /api/v1/usage (cluster, namespace, workload, node, from, to, step), /api/v1/clusters,
    /api/v1/workloads, /metrics, /healthz; the schema is /api/v1/openapi.json.

    \b
    Examples:
      slacktide serve predictor --history history
      curl 'http://127.0.0.1:8081/api/v1/usage?workload=cart&step=3600'
    """
    token = None if token_file is None else read_token(token_file)
    if token is None and host not in LOOPBACK:
        raise BadInput(f"--host {host}: others can reach it; give a --token-file")
    app = create_app(UsageReader(history), token=token)
    with leaving_cleanly(), HttpServer(app, host=host, port=port) as server:
        click.echo(f"usage history on {server.url}", err=True)
        threading.Event().wait()


def read_token(file: Path) -> str:
    """The token in a file. Raises `BadInput` where it is none, or too short to keep anyone out."""
    try:
        token = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as why:
        raise BadInput(f"{file}: cannot be read as a token: {why}") from why
    if len(token) < SHORTEST_TOKEN or any(character.isspace() for character in token):
        raise BadInput(f"{file}: give one word of at least {SHORTEST_TOKEN} characters")
    return token
