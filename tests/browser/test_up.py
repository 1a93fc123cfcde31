"""The pages of a real `slacktide up`, and how it ends while a page is open."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Witness
from tests.browser.looking import PAGES, faults, figure, opened, per_cent, read, strangers

pytestmark = [pytest.mark.browser, pytest.mark.slow]

UP = ["up", "--port", "0", "--days", "1", "--policy", "requests-only"]
REPLAY_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Up:
    """A running `slacktide up`."""

    process: subprocess.Popen[str]
    url: str


@pytest.fixture(scope="module")
def up(pages: Path) -> Iterator[Up]:
    """One that has replayed a day of the built-in sample and goes on serving."""
    assert pages.is_dir()
    program = Path(sys.executable).with_name("slacktide")
    with subprocess.Popen(
        [program, *UP], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        url = url_told(process)
        assert process.stderr is not None
        # A full pipe would stop the replay, so what else it says is read and forgotten.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield Up(process, url)
        process.kill()


def url_told(process: subprocess.Popen[str]) -> str:
    """The address it prints."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"dashboard on (http://\S+)", line):
            return found[1]
    raise AssertionError("".join(said))


def wait_until_finished(url: str) -> None:
    """Follows the live events until the run says that it is over."""
    with httpx.stream(
        "GET", f"{url}/api/v1/events", trust_env=False, timeout=REPLAY_LIMIT_S
    ) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                state = json.loads(line[6:]).get("progress", {}).get("state")
                assert state not in (None, "failed")
                if state == "finished":
                    return
    raise AssertionError("the events ended before the run did")


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_every_page_of_a_finished_run_is_sound(page: Page, up: Up, witness: Witness) -> None:
    wait_until_finished(up.url)
    for path in PAGES:
        opened(page, up.url, path)
        expect(page.locator(".state")).to_have_text("Finished")
        assert faults(page) == []
    assert witness.messages == []
    assert strangers(witness.requests, up.url) == []


def test_the_pages_show_what_the_run_came_to(page: Page, up: Up) -> None:
    wait_until_finished(up.url)
    opened(page, up.url, "/")
    now, ours = read(up.url, "/overview")["headline"], read(up.url, "/report")["rows"][0]
    shown = per_cent(figure(page, "utilisation"))
    both = [now["utilisation_without"] * 100, now["utilisation_with"] * 100]
    assert shown == pytest.approx(both, abs=0.051)
    assert now["utilisation_with"] == pytest.approx(ours["utilisation"], abs=1e-3)
    assert now["sold_core_hours"] == pytest.approx(ours["sold_core_hours"], rel=1e-3)
    assert now["evicted_tasks"] == ours["evicted_tasks"]
    assert now["utilisation_with"] > now["utilisation_without"]
    node = read(up.url, "/node-names")["nodes"][-1]["node"]
    opened(page, up.url, f"/nodes?node={node}")
    expect(page.locator("[data-figure=reason]")).to_have_text(
        read(up.url, f"/nodes/{node}")["reason"]
    )


def test_it_ends_at_once_although_a_page_is_open(page: Page, up: Up) -> None:
    opened(page, up.url, "/")
    expect(page.locator(".connection")).to_have_text("connected")
    up.process.send_signal(signal.SIGINT)
    up.process.wait(timeout=10)
    expect(page.locator(".connection")).to_have_text("the server has stopped")
