from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.house.rooms import ROOMS

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_the_eight_rooms_and_the_built_pages_and_nothing_else(
    tmp_path: Path,
) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert top == set(ROOMS)
    assert not [name for name in names if "node_modules" in name or name.endswith(".tsx")]
    assert "dashboard/static/index.html" in names
    assert "slacktide/py.typed" in names


def test_lock_files_pin_by_hash_and_record_no_download_address() -> None:
    for name in ("run", "dev"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        assert "://" not in text
        assert "--index-url" not in text
        pins = [line for line in text.splitlines() if "==" in line]
        assert all(line.endswith("\\") for line in pins), "a pin without a hash"
    lock = (ROOT / "dashboard/web/package-lock.json").read_text()
    assert "resolved" not in lock
