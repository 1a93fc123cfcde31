"""What the test cluster is built from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slacktide.errors import BadInput
from slacktide.testing.cluster import binaries
from slacktide.testing.cluster.binaries import HELM, KUBERNETES, binary


@pytest.mark.parametrize(
    ("command", "version"),
    [("helm version --short", HELM), ("kubectl version --client", KUBERNETES)],
)
def test_a_program_is_of_the_version_it_is_kept_under(command: str, version: str) -> None:
    name, *words = command.split()
    said = subprocess.run([binary(name), *words], capture_output=True, text=True, check=True)
    assert f"v{version}" in said.stdout


def test_what_cannot_be_built_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACKTIDE_CACHE", str(tmp_path))
    missing = binaries._Program("helm", "helm.sh/helm/v4/cmd/none", "0", "none-0")
    monkeypatch.setitem(binaries._PROGRAMS, "none", missing)
    with pytest.raises(BadInput, match=r"(?s)none could not be built: .*helm/v4/cmd/none"):
        binary("none")
    assert not (tmp_path / "none-0/none").exists()
