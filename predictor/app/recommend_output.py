"""One door for the findings' formats: which there are, and where each goes.

Results go to stdout or into a file, never both; what is said about them goes to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from predictor.adapters.html_report import html_report
from predictor.adapters.krr_json import krr_json
from predictor.adapters.patches import Patch, kustomization, patch_files, patches
from predictor.adapters.recommendations_file import parquet_bytes
from predictor.adapters.whole_files import make_folder, write_whole
from predictor.app.recommend_table import print_findings
from predictor.core.money import Prices
from predictor.core.ranking import Finding
from predictor.core.report import Report
from slacktide.errors import BadInput
from slacktide.output import as_text

ROWS: Final = ("json", "yaml", "csv")
FORMATS: Final = ("table", *ROWS, "html", "krr-json", "parquet", "kustomize", "patch")
SEVERAL_TIMES: Final = (*ROWS, "parquet")  # formats whose rows say what time they are of


def emit(report: Report, output: str, fileoutput: Path | None) -> None:
    """The report in one format, on stdout or in a file.

    Raises:
        BadInput: the file cannot be written, or the format cannot go there.
    """
    if output == "table":
        if fileoutput is not None:
            raise BadInput("-o table is for a terminal; --fileoutput wants html, json, csv, ...")
        print_findings(report)
    elif output == "patch":
        _emit_patches(_patches(report.findings), fileoutput)
    else:
        _emit_whole(_made(report, output), fileoutput)


def _made(report: Report, output: str) -> str | bytes:
    findings = report.findings
    if output == "parquet":
        return parquet_bytes(findings)
    if output == "kustomize":
        return kustomization(_patches(findings))
    if output == "krr-json":
        return krr_json(findings, report.settings)
    if output == "html":
        return html_report(report)
    return as_text([row(found, report.prices) for found in findings], output)


def row(found: Finding, prices: Prices | None = None) -> dict[str, Any]:
    """A finding as a flat row: the recommendation, what the ranking adds, and money if priced."""
    money = {} if prices is None else {"saved_a_month": prices.saving(found)}
    return asdict(found.advice) | {
        "cpu_limit_cores": found.declared.cpu_limit_cores,
        "recommended_cpu_limit_cores": found.cpu_limit.recommended,
        "memory_limit_bytes": found.declared.memory_limit_bytes,
        "recommended_memory_limit_bytes": found.memory_limit.recommended,
        "side": str(found.side),
        "severity": str(found.severity),
        "freed_cores": found.freed_cores,
        "freed_bytes": found.freed_bytes,
        **money,
    }


def _patches(findings: Sequence[Finding]) -> tuple[Patch, ...]:
    made, left_out = patches(findings)
    if left_out:
        click.echo(
            f"{left_out} containers left out: no kind or name that Kubernetes would patch", err=True
        )
    return made


def _emit_whole(content: str | bytes, fileoutput: Path | None) -> None:
    if fileoutput is not None:
        write_whole(fileoutput, content.encode() if isinstance(content, str) else content)
        click.echo(f"{fileoutput}: written", err=True)
        return
    if isinstance(content, bytes) and sys.stdout.isatty():
        raise BadInput("-o parquet is no text: give --fileoutput FILE, or send it into a file")
    click.echo(content, nl=False)


def _emit_patches(made: Sequence[Patch], folder: Path | None) -> None:
    if folder is None:
        click.echo(patch_files(made), nl=False)
        return
    make_folder(folder)
    for patch in made:
        write_whole(folder / patch.file_name, patch.file_text().encode())
    click.echo(f"{folder}: {len(made)} patches", err=True)
