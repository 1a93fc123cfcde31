#!/bin/sh
# Pins every dependency by hash for all platforms; no index or download address is recorded.
set -eu
pin() {
    .venv/bin/uv pip compile pyproject.toml "$@" --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet
}
pin -o requirements/run.txt
pin --extra dev -o requirements/dev.txt
