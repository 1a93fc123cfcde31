"""Collecting two weeks, or a day, and recommending, against KRR's queries on the same server.

python -m bench.prometheus_import [--workloads 500] [--quick]

Needs Debian's prometheus and promtool. 14 days at one scrape a minute are made from the seed and
laid down as blocks; each arm gets a new server over them. `value` is ours, `baseline_value` that of
KRR's queries alone: `simple` strategy at its defaults, four instant queries a container over 336 h
in steps of 75 s, ten in flight. Ours is the two commands as a user types them, from the start of
the program to the last row. `daily` is a day's collection and a recommendation from all 14, which
is what repeats (KRR reads all days each time); `means_only` leaves out the short rates. CPU seconds
are those of server and client together: they hold still where wall seconds hang on what else the
machine does.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import httpx

from bench._real_prometheus import Fleet, Served, fill, served
from bench.figures import say

HOUR_S: Final = 3_600
KRR_RANGE: Final = "[336h:75s]"
KRR_IN_FLIGHT: Final = 10
MEANS_ONLY: Final = ("--set", "burst_s=300", "--set", "burst_every_s=300")
BASELINE: Final = "KRR's queries alone (simple strategy, 336 h in steps of 75 s)"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run took."""

    wall_s: float
    server_cpu_s: float
    client_cpu_s: float
    server_peak_mib: float
    queries: int


@click.command()
@click.option("--workloads", type=int, default=500, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--quick", is_flag=True, help="60 workloads.")
def main(workloads: int, seed: int, quick: bool) -> None:
    """Fill a server, then ask it KRR's way and ours."""
    until_s = int(time.time()) // HOUR_S * HOUR_S
    fleet = Fleet(60 if quick else workloads, 14, until_s)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        fill(folder, fleet, seed)
        krr = _cost(folder, lambda server: _ask_as_krr(server, fleet))
        cold = _cost(folder, lambda server: _collect(server, folder / "all", "14d"))
        lean = _cost(folder, lambda server: _collect(server, folder / "lean", "14d", *MEANS_ONLY))
        day = _cost(folder, lambda server: _collect(server, folder / "day", "1d"))
        sized = _cost(folder, lambda _: _recommend(folder / "all"))
        nothing = _cost(folder, lambda _: _slacktide("collect", "--help"))
    _tell("cold", cold, sized, krr, seed)
    _tell("cold_means_only", lean, sized, krr, seed)
    _tell("daily", day, sized, krr, seed)
    for part, cost in (("recommend", sized), ("start", nothing)):
        for figure, value in (("wall_s", cost.wall_s), ("cpu_s", cost.client_cpu_s)):
            say("prometheus_import", f"of_which_{part}_{figure}", [value], "s", seed=seed)


def _tell(arm: str, ours: Cost, sized: Cost, krr: Cost, seed: int) -> None:
    """Collecting and recommending, beside KRR's queries."""

    def one(figure: str, value: float, beside: float, unit: str, goal: str = "") -> None:
        say(
            "prometheus_import",
            f"{arm}_{figure}",
            [value],
            unit,
            goal=goal,
            baseline=BASELINE,
            baseline_values=[beside],
            seed=seed,
        )

    one("wall_s", ours.wall_s + sized.wall_s, krr.wall_s, "s", "ratio <= 0.2")
    client_s = ours.client_cpu_s + sized.client_cpu_s
    total_s = krr.server_cpu_s + krr.client_cpu_s
    one("cpu_s", client_s + ours.server_cpu_s, total_s, "s", "ratio <= 0.2")
    one("server_cpu_s", ours.server_cpu_s, krr.server_cpu_s, "s")
    one("server_peak_mib", ours.server_peak_mib, krr.server_peak_mib, "MiB", "ratio < 1")
    one("queries", ours.queries, krr.queries, "queries")


def _cost(folder: Path, run: Callable[[Served], None]) -> Cost:
    with served(folder) as server:
        server_s, asked = server.cpu_s(), server.queries()
        client_s, began_s = _client_cpu_s(), time.monotonic()
        run(server)
        return Cost(
            wall_s=time.monotonic() - began_s,
            client_cpu_s=_client_cpu_s() - client_s,
            server_cpu_s=server.cpu_s() - server_s,
            server_peak_mib=server.peak_mib(),
            queries=server.queries() - asked,
        )


def _client_cpu_s() -> float:
    """Of this process and of those it waited for; servers are still running or were counted."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _ask_as_krr(server: Served, fleet: Fleet) -> None:
    with (
        httpx.Client(trust_env=False, timeout=600) as client,
        ThreadPoolExecutor(KRR_IN_FLIGHT) as pool,
    ):

        def ask(query: str) -> None:
            params = {"query": query, "time": str(fleet.until_s)}
            found = client.get(f"{server.url}/api/v1/query", params=params).raise_for_status()
            if not found.json()["data"]["result"]:
                raise RuntimeError(f"no answer to {query}")

        list(pool.map(ask, _krr_queries(fleet)))


def _krr_queries(fleet: Fleet) -> Iterator[str]:
    """Four a container, written from its published method; its pods stand in one expression."""
    for number in range(fleet.workloads):
        of = fleet.container(number)
        chosen = f'{{namespace="{of["namespace"]}", pod=~"{of["pod"]}", container="app"}}'
        cpu = f"container_cpu_usage_seconds_total{chosen}"
        memory = f"container_memory_working_set_bytes{chosen}"
        by = "by (container, pod, job)"
        yield f"quantile_over_time(0.95, max(rate({cpu}[75s])) {by}{KRR_RANGE})"
        yield f"count_over_time(max({cpu}) {by}{KRR_RANGE})"
        yield f"max_over_time(max({memory}) {by}{KRR_RANGE})"
        yield f"count_over_time(max({memory}) {by}{KRR_RANGE})"


def _collect(server: Served, store: Path, since: str, *more: str) -> None:
    _slacktide("collect", server.url, "--into", str(store), "--since", since, "-o", "json", *more)


def _recommend(store: Path) -> None:
    _slacktide("recommend", "--history", str(store), "-o", "json")


def _slacktide(*args: str) -> None:
    command = [sys.executable, "-m", "slacktide.cli", *args]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  our own words


if __name__ == "__main__":
    main()
