"""docs/node-agent.md names every control file that the agent's drivers know of."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from qos_controller.adapters.egress import DEVICE, LEDGER
from slacktide import contract

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/node-agent.md").read_text()
FILE = re.compile(
    r"(?:cpu|cpuset|memory|blkio|io|freezer|cgroup)\.[a-z_]+(?:\.[a-z_]+)*"
    r"|oom_score_adj|dirty_\w+|max_sectors_kb|iosched/async_depth"
)


def named_in(path: Path) -> Iterator[str]:
    """Control files in a module's strings, docstrings left out since they are no code."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = FILE.fullmatch(node.value)
            if found:
                yield found[0]


DRIVERS = sorted((ROOT / "qos_controller/adapters/cgroups").glob("*.py"))
FILES = sorted({name for path in DRIVERS for name in named_in(path)})


def test_the_drivers_know_files() -> None:
    assert {"cpu.cfs_quota_us", "cpu.max", "freezer.state", "dirty_bytes"} <= set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_every_file_that_a_driver_knows_is_named_on_the_page(file: str) -> None:
    assert file in PAGE


@pytest.mark.parametrize(
    "word",
    [
        DEVICE,
        LEDGER,
        contract.ANNOTATION_AGENT,
        contract.ANNOTATION_SLO,
        contract.ANNOTATION_LATENCY_FROM,
        contract.ANNOTATION_QOS_REPORT,
        "--observe",
        "slacktide doctor node --restore",
    ],
)
def test_the_words_that_an_operator_needs_are_on_the_page(word: str) -> None:
    assert word in PAGE
