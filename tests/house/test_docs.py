from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.rooms import ROOMS

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pages in ("*.md", "docs/**/*.md", "*/README.md", "charts/*/README.md")
    for path in ROOT.glob(pages)
)


def test_the_generated_pages_say_what_the_code_says() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "scripts.build_docs", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_every_setting_has_a_reason() -> None:
    rows = [
        line.split("|")
        for line in (ROOT / "docs/settings.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    assert len(rows) > 50
    assert [row[1] for row in rows if not row[3].strip()] == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_a_page_with_its_words(room: str) -> None:
    assert len((ROOT / room / "README.md").read_text().split()) > 80


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


def test_every_benchmark_is_on_the_page_of_benchmarks() -> None:
    there = {file.stem for file in (ROOT / "bench").glob("[!_]*.py")} - {"figures"}
    there |= {file.parent.name for file in (ROOT / "bench").glob("*/__main__.py")}
    page = (ROOT / "docs/benchmarks.md").read_text()
    assert set(re.findall(r"python -m bench\.([a-z]\w*)", page)) == there
