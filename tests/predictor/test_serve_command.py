"""`slacktide serve predictor`, as a user types it."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from predictor.adapters.parquet_store import ParquetStore
from tests.predictor.storing import rows
from tests.simulator.commanding import PROGRAM, slacktide


@pytest.fixture
def root(tmp_path: Path) -> Path:
    store = ParquetStore(tmp_path / "history")
    store.append("here", rows({(0, "s/a", "app"): 1.0}))
    return store.root


def test_the_real_program_answers_until_it_is_stopped(root: Path) -> None:
    command = [*PROGRAM, "serve", "predictor", "--history", str(root), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        url = program.stderr.readline().split()[-1]
        answer = httpx.get(f"{url}/api/v1/clusters", trust_env=False)
        program.send_signal(signal.SIGTERM)
        rest = program.stderr.read()
    assert [row["cluster"] for row in answer.json()["clusters"]] == ["here"]
    assert (program.returncode, rest) == (0, "stopped\n")


def test_wrong_use_is_one_line(root: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    args = ("serve", "predictor", "--history", root)
    assert "give a --token-file" in slacktide(*args, "--host", "0.0.0.0").refusal()  # noqa: S104  refused
    assert "cannot be read as a token" in slacktide(*args, "--token-file", token).refusal()
    for text in ("", "short", "two words of a token"):
        token.write_text(text)
        assert "give one word of at least 16" in slacktide(*args, "--token-file", token).refusal()
    refusal = slacktide("serve", "predictor", "--history", tmp_path / "none").refusal()
    assert "no history; fill it" in refusal
