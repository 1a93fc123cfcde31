"""`slacktide recommend` and `explain workload`: requests, and why."""

from __future__ import annotations

import re
from pathlib import Path

import click

from predictor.adapters.prometheus import Server
from predictor.app.collect_first import history_of, server_options
from predictor.app.explain_workload import explanation, stored_explanation
from predictor.app.findings import (
    TraceSource,
    filters,
    now_standing,
    times_of,
    trace_source,
)
from predictor.app.history_options import history_options, one_source
from predictor.app.recommend_options import SizingOptions, sizing_options
from predictor.app.recommend_output import FORMATS, SEVERAL_TIMES, emit
from predictor.app.stored import Stored, stored
from predictor.core.ranking import Finding
from predictor.core.recommend import SizingSettings
from predictor.core.report import Report
from predictor.core.seen import seen
from predictor.core.steady import Standing
from predictor.core.use import Key
from slacktide.errors import BadInput
from slacktide.trace import read_trace


@click.command()
@click.option("--trace", type=click.Path(path_type=Path), help="A trace folder.")
@history_options
@server_options
@click.option(
    "--at",
    "at_s",
    type=click.IntRange(min=0),
    multiple=True,
    help="Seconds since the trace's origin; repeatable for json, yaml, csv and parquet.",
)
@click.option("-n", "--namespace", "namespaces", multiple=True, help="Repeatable; default all.")
@click.option("-r", "--resource", "kinds", multiple=True, help="A kind; repeatable; default all.")
@click.option("--workload", metavar="REGEX", help="Only workloads whose name matches.")
@click.option(
    "-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="Format."
)
@click.option(
    "--fileoutput",
    type=click.Path(path_type=Path),
    help="Write here and not to stdout; with -o patch a folder, one file a workload.",
)
@sizing_options
def recommend(
    trace: Path | None,
    history: Path | None,
    cluster: str | None,
    engine: str,
    server: Server | None,
    at_s: tuple[int, ...],
    namespaces: tuple[str, ...],
    kinds: tuple[str, ...],
    workload: str | None,
    output: str,
    fileoutput: Path | None,
    options: SizingOptions,
) -> None:
    """Say what each container should request, and what that frees.

    Give --trace, or with --history what `slacktide collect` stored; --engine takes that to Spark.
    With --prometheus two weeks are collected first: into --history, or for this answer alone.
    Without --at the newest sample is now. Nothing later than that time is read. What is
    declared, or was answered for an earlier --at, stands where a change would be noise. Rows are
    ranked: what needs more, then what hands back most over all replicas. krr-json has KRR's keys;
    kustomize is a component for an overlay; each patch is a file for kubectl patch. With prices,
    money is shown beside cores and GiB, in the currency of the prices, for a month of 730 hours.

    \b
    Examples:
      slacktide recommend --trace my-trace
      slacktide recommend --prometheus http://prometheus:9090
      slacktide recommend --history history --cluster east
      slacktide recommend --history history --engine spark://master:7077 -o parquet > sizes.parquet
      slacktide recommend --trace my-trace -n shop -r Deployment --workload '^cart'
      slacktide recommend --trace my-trace -o html --fileoutput sizes.html
      slacktide recommend --trace my-trace --cpu-price 0.03 --memory-price 0.004
      slacktide recommend --trace my-trace --cpu-min 25m --mem-min 64Mi --mem-min proxy=96Mi
      slacktide recommend --trace my-trace -o patch --fileoutput patches/
      slacktide recommend --trace my-trace --at 1209600 --at 1814400 -o parquet > sizes.parquet
    """
    if len(set(at_s)) > 1 and output not in SEVERAL_TIMES:
        raise BadInput(
            f"-o {output} shows one time; several --at go with {', '.join(SEVERAL_TIMES)}"
        )
    here = (cluster,) if cluster is not None else ()
    wanted, settings = filters(namespaces, kinds, workload, here, options.labels), options.sizing
    found: list[Finding] = []
    stands: dict[Key, Standing] = {}
    with history_of(server, history) as folder:
        source: TraceSource | Stored
        if trace is not None and folder is None:
            source = trace_source(read_trace(trace), at_s)
        elif folder is not None and trace is None:
            source = stored(folder, cluster, engine, at_s)
        else:
            raise one_source("--trace")
        for now_s in source.times:
            answered = source.findings(now_s, wanted, settings, stands, options.mindful)
            stands = now_standing(answered, stands)
            found += answered
        drawn = source.pictures(found, settings.window_s) if output == "html" else {}
    title = f"right-sizing at {found[0].advice.at_s} s"
    report = Report(found, title, settings, options.prices, drawn)
    emit(report, output, fileoutput)


@click.command()
@click.argument("name")
@click.option("--trace", type=click.Path(path_type=Path), help="A trace folder.")
@history_options
@click.option("--at", "at_s", type=click.IntRange(min=0), help="Seconds, as the source counts.")
@click.option("-n", "--namespace", "namespaces", multiple=True, help="Repeatable; default all.")
def explain_workload(
    name: str,
    trace: Path | None,
    history: Path | None,
    cluster: str | None,
    engine: str,
    at_s: int | None,
    namespaces: tuple[str, ...],
) -> None:
    """Show a recommendation over the two weeks of use that it stands on.

    \b
    Examples:
      slacktide explain workload cart --trace my-trace
      slacktide explain workload cart -n shop --trace my-trace --at 1209600
      slacktide explain workload cart --history history --cluster east
    """
    wanted, settings = filters(namespaces, (), rf"\A{re.escape(name)}\Z"), SizingSettings()
    times = () if at_s is None else (at_s,)
    if trace is not None and history is None:
        whole = read_trace(trace)
        [now_s] = times_of(whole, times)
        lines = explanation(seen(whole, now_s), now_s, wanted, settings)
    elif history is not None and trace is None:
        lines = stored_explanation(stored(history, cluster, engine, times), wanted, settings)
    else:
        raise one_source("--trace")
    for line in lines:
        click.echo(line)
