"""The image cannot be built without a registry; what it is made of can."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scripts.chart_values import CHART
from tests.house.rooms import ROOMS

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COPIED = [
    source
    for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    for source in words.split()[:-1]
]


@pytest.mark.parametrize("source", COPIED)
def test_what_is_copied_is_there_and_is_sent(source: str) -> None:
    assert (ROOT / source).exists()
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{source}", f"!{Path(source).parts[0]}"} & set(sent)


def test_the_wheel_is_built_from_what_is_copied_and_runs_what_the_chart_runs(
    tmp_path: Path,
) -> None:
    folder, target = tmp_path / "src", tmp_path / "app"
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    for source in COPIED:
        there = folder / source
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, there, ignore=ignored)
        else:
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, there)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, target, "zip")
    assert {path.name for path in target.iterdir()} >= set(ROOMS)
    [*_, entry] = re.findall(r'^ENTRYPOINT \["(\w+)"\]$', DOCKERFILE, re.MULTILINE)
    assert f"{entry} = slacktide.cli:main" in entry_points(target)
    helped = subprocess.run(
        [sys.executable, "-m", "slacktide.cli", *words_of_the_chart(), "--help"],
        cwd=target,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert helped.returncode == 0, helped.stderr
    assert "Place gangs of batch pods whole" in helped.stdout


def entry_points(target: Path) -> str:
    [file] = target.glob("*.dist-info/entry_points.txt")
    return file.read_text()


def words_of_the_chart() -> list[str]:
    """The arguments of the planner's container, with the chart's defaults."""
    text = (CHART / "templates/deployment.yaml").read_text()
    given = text.split("args:\n")[1].split("env:")[0]
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def default(match: re.Match[str]) -> str:
        found = values
        for name in match[1].split("."):
            found = found[name]
        return match[2 if found else 3] if match[2] else str(found)

    either = r'(?: \| ternary "(.+?)" "(.+?)")?'
    shown = re.sub(r"\{\{ \.Values\.([\w.]+)" + either + r" \}\}", default, given)
    shown = shown.replace("{{ .Release.Namespace }}", "slacktide")
    words: list[str] = yaml.safe_load(shown)
    return words


def test_the_image_runs_as_nobody_as_the_chart_asks() -> None:
    assert "USER 65532:65532" in DOCKERFILE
    assert "runAsUser: 65532" in (CHART / "templates/deployment.yaml").read_text()
