"""The whole command line, in this process or in one of its own, and what it said."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from slacktide import cli

PROGRAM = (sys.executable, "-m", "slacktide.cli")


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        """What `-o json` printed."""
        assert self.code == 0, self.err
        found: list[dict[str, Any]] = json.loads(self.out)
        return found

    def refusal(self) -> str:
        """The one line with which wrong input was refused."""
        assert self.code == 2, self.err
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("slacktide: ")
        return self.err


def slacktide(*args: str | Path) -> Answer:
    """Runs the command line in this process, as its entry point does."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patched,
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        patched.setattr(sys, "argv", ["slacktide", *map(str, args)])
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Answer(code, out.getvalue(), err.getvalue())


def program(*args: str | Path) -> Answer:
    """Runs the real program."""
    done = subprocess.run(
        [*PROGRAM, *map(str, args)], capture_output=True, text=True, check=False, timeout=120
    )
    return Answer(done.returncode, done.stdout, done.stderr)
