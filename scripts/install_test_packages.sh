#!/bin/sh
# Installs what tests need beyond Python: Debian's Chromium for the pages, its Prometheus for
# `collect`, its Java for Spark, its containerd and what goes with it for a real node.
# Elsewhere those tests skip and say so. Tests start their own servers, so no service is left running.
set -eu
missing=""
command -v chromium >/dev/null 2>&1 || missing="chromium"
command -v prometheus >/dev/null 2>&1 || missing="$missing prometheus"
command -v java >/dev/null 2>&1 || missing="$missing openjdk-17-jre-headless"
command -v containerd >/dev/null 2>&1 || missing="$missing containerd"
command -v runc >/dev/null 2>&1 || missing="$missing runc"
[ -e /usr/lib/cni/bridge ] || missing="$missing containernetworking-plugins"
# The other busybox needs a libc that an image of it alone does not have.
dpkg -s busybox-static >/dev/null 2>&1 || missing="$missing busybox-static"
command -v ip >/dev/null 2>&1 || missing="$missing iproute2"
command -v nginx >/dev/null 2>&1 || missing="$missing nginx"
command -v stress-ng >/dev/null 2>&1 || missing="$missing stress-ng"
if [ -z "$missing" ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
    echo "no root or no apt-get: install$( printf ' %s' $missing ) yourself (the tests that need them skip)" >&2
    exit 0
fi
echo "installing for the tests: $missing ..." >&2
# Debian starts a service as it installs it unless this file forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086  one word per package
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
