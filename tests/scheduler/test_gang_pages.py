"""Each manifest in docs/gangs makes the gang that its page says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scheduler.adapters.queue_file import queues_of_yaml
from scheduler.core.members import gangs_of
from scheduler.core.queue_objects import planted
from scheduler.core.ways_in.order import BARE, WAYS
from tests.scheduler.gang_pages import Page, pages
from tests.scheduler.ganged import NOW_S

INDEX = (Path(__file__).parents[2] / "docs/gangs.md").read_text(encoding="utf-8")
PAGES = pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_manifest_makes_the_gang_that_the_page_says(page: Page) -> None:
    (gang,) = gangs_of(page.pods(), page.groups(), now_s=NOW_S)
    assert (gang.key.source, gang.least, gang.queue) == (page.source, page.least, page.queue)
    assert (gang.ready, gang.reason, gang.notes) == (True, "", ())


def test_every_way_in_has_a_page_and_the_index_names_it() -> None:
    told = {page.source for page in PAGES} | {"light", BARE.source}  # told with koordinator's
    assert told == set(WAYS)
    for page in PAGES:
        assert f"](gangs/{page.name}.md)" in INDEX


def test_the_queues_of_the_index_are_a_tree_without_problems() -> None:
    block = INDEX.split("```yaml\n")[1].split("```")[0]
    assert len(list(yaml.safe_load_all(block))) == 2
    made = planted(queues_of_yaml(block.encode()))
    assert made.problems == {}
    assert made.leaf("research")[1] == ""
