"""The chart says of itself what is so: its values, their schema, and the names that others read."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from qos_controller.app.neighbour.settings import NeighbourSettings
from scheduler.app.serving import LEASE, Serving
from scripts.chart_values import CHART, leaves, told
from slacktide import contract

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def template(name: str) -> str:
    return (CHART / "templates" / name).read_text()


def test_every_value_has_a_comment() -> None:
    assert [path for path in leaves(VALUES) if path not in dict(told())] == []


def test_every_value_is_in_the_schema_and_every_section_of_it_is_closed() -> None:
    def open_sections(schema: dict[str, Any], path: str) -> list[str]:
        found = [
            one
            for name, part in schema.get("properties", {}).items()
            for one in open_sections(part, f"{path}.{name}")
        ]
        is_open = "properties" in schema and schema.get("additionalProperties") is not False
        return [*found, path] if is_open else found

    assert open_sections(SCHEMA, "") == []
    assert set(VALUES) == set(SCHEMA["properties"]) - {"global"}


def test_the_chart_is_of_this_version() -> None:
    from slacktide import __version__

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("kube-scheduler-config.yaml", f"schedulerName: {contract.SCHEDULER_OFFLINE}"),
        ("kube-scheduler-config.yaml", f"name: {contract.RESOURCE_TASK}"),
        ("priority.yaml", f"name: {contract.PRIORITY_CLASS_BATCH}"),
        ("planner-roles.yaml", f"resourceNames: [{LEASE}]"),
        ("planner-roles.yaml", f"apiGroups: [{contract.GROUP}]"),
        ("door.yaml", f"'{contract.LABEL_QOS_CLASS}': 'BE'"),
        ("door.yaml", f"'{contract.LABEL_QOS_KATALYST}': 'reclaimed_cores'"),
        ("door.yaml", f"'{contract.LABEL_QOS_VOLCANO}': 'BE'"),
        ("door.yaml", f"'{contract.GATE_GANG}'"),
        ("door.yaml", f"value: '{contract.SCHEDULER_OFFLINE}'"),
        ("agent-roles.yaml", f"name == '{contract.ANNOTATION_QOS_REPORT}'"),
        ("NOTES.txt", f"{contract.ANNOTATION_AGENT}=off"),
    ],
)
def test_the_chart_and_the_code_use_one_name(name: str, said: str) -> None:
    assert said in template(name)


def test_the_charts_defaults_are_those_of_the_command() -> None:
    planner = VALUES["planner"]
    ours = Serving(me="x")
    assert planner["extenderPort"] == ours.port
    assert planner["roundMs"] == ours.every_s * 1_000
    assert planner["windowSeconds"] == ours.window_s
    assert planner["leaseSeconds"] == ours.lease_s
    assert planner["backoffSeconds"] == ours.lives.first_backoff_s
    evictions = planner["evictions"]
    assert (evictions["enabled"], evictions["defragment"]) == (
        ours.claims.evict,
        ours.claims.defragment,
    )
    assert (evictions["perMinute"], evictions["afterSeconds"]) == (
        ours.claims.per_minute,
        ours.claims.after_s,
    )


def test_the_agents_defaults_are_those_of_its_process() -> None:
    agent, ours = VALUES["agent"], NeighbourSettings(node_name="x")
    assert (agent["port"], agent["runDir"]) == (ours.port, str(ours.run_dir))
    assert (agent["evict"], agent["besideOthers"]) == (ours.evict, ours.beside_others)
    assert agent["logLevel"] == ours.log_level
