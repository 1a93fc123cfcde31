#!/bin/sh
# Installs what the browser tests need beyond Python: Debian's Chromium. Elsewhere those tests skip and say so.
set -eu
if command -v chromium >/dev/null 2>&1; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
    echo "no root or no apt-get: install Chromium yourself to run the browser tests (they skip without it)" >&2
    exit 0
fi
echo "installing chromium for the browser tests ..." >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
