"""What a batch team and a cluster team see of real gangs on a real control plane."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
import yaml
from click.testing import CliRunner, Result

from scheduler.app.explain_command import gang as explain_gang
from scheduler.app.explain_command import job as explain_job
from scheduler.app.explain_command import pod as explain_pod
from scheduler.app.gangs_command import gangs
from scheduler.app.queues_command import queues
from scheduler.app.top_command import top
from scheduler.app.view import View
from scheduler.app.viewing import viewing
from slacktide.contract import (
    ANNOTATION_DURATION,
    LABEL_QOS_CLASS,
    LABEL_QUEUE,
    QOS_BE,
    RESOURCE_BATCH_CPU,
    SCHEDULER_OFFLINE,
)
from slacktide.errors import BadInput
from slacktide.kube.connection import connection
from slacktide.testing.cluster import batch_pods
from slacktide.testing.cluster.batch_pods import answers, extended, planner
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.processes import Process, free_ports
from tests.cluster.definitions import define
from tests.cluster.definitions import queues as queue_definition

HOLDS = {"cpu": "8", "memory": "16Gi", "pods": "110", RESOURCE_BATCH_CPU: "4000"}
TEAMS = ("team-a", "team-b")
WAIT_S = 40.0
PAGE = Path(__file__).parents[2] / "docs/watching.md"
DASHBOARD = "from dashboard.app.serve_command import dashboard; dashboard()"


@dataclass
class Seen:
    """A cluster in which one gang runs and others wait, each for something else."""

    plane: ControlPlane
    port: int

    def run(self, command: click.Command, *args: str, user: str = "admin") -> Result:
        group = "system:masters" if user == "admin" else None
        where = ["--kubeconfig", str(self.plane.kubeconfig(user, group))]
        return CliRunner().invoke(command, [*args, *where])

    def rows(self, command: click.Command, *args: str) -> list[dict[str, Any]]:
        done = self.run(command, *args, "-o", "json")
        assert done.exit_code == 0, done.exception
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found


def submitted(name: str, size: int, queue: str, *, milli: int) -> list[dict[str, Any]]:
    pods = batch_pods.gang(name, size, milli=milli)
    for pod in pods:
        pod["metadata"]["labels"][LABEL_QUEUE] = queue
        pod["metadata"]["annotations"][ANNOTATION_DURATION] = "30m"
    return pods


def queue(name: str, **spec: Any) -> dict[str, Any]:
    meta = {"apiVersion": "slacktide.io/v1alpha1", "kind": "Queue", "metadata": {"name": name}}
    return {**meta, "spec": spec}


def suspended_job() -> dict[str, Any]:
    spec = {
        "restartPolicy": "Never",
        "schedulerName": SCHEDULER_OFFLINE,
        "containers": [{"name": "task", "image": "none"}],
    }
    template = {"metadata": {"labels": {LABEL_QOS_CLASS: QOS_BE}}, "spec": spec}
    return {
        "metadata": {"name": "nightly"},
        "spec": {"parallelism": 2, "suspend": True, "template": template},
    }


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Six nodes of 4 cores: `sort` runs on 16, `train` waits for 20, and so on."""
    with control_plane(tmp_path_factory.mktemp("eyes")) as plane:
        plane.controllers()
        [port] = free_ports(1)
        with plane.client() as client:
            define(client, queue_definition())
            _post(client, "/apis/slacktide.io/v1alpha1/queues", queue("night", weight=2))
            _post(client, "/apis/slacktide.io/v1alpha1/queues", queue("small", max={"cpu": "6"}))
            for team in TEAMS:
                _post(client, "/api/v1/namespaces", {"metadata": {"name": team}})
            _post(client, "/apis/batch/v1/namespaces/team-b/jobs", suspended_job())
        add(plane, "/api/v1/nodes", [node(f"batch-{k}", holds=HOLDS) for k in range(6)])
        plane.scheduler(extended(port), name="offline-scheduler")
        process = planner(plane, port=port, **{"lease-s": "15"})
        try:
            process.wait_until(lambda: answers(port), within_s=60)
            _submit(plane)
            yield Seen(plane, port)
        finally:
            process.stop()


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    client.post(path, json=body).raise_for_status()


def _submit(plane: ControlPlane) -> None:
    first, second = (f"/api/v1/namespaces/{team}/pods" for team in TEAMS)
    add(plane, first, submitted("sort", 8, "night", milli=2_000))
    with plane.client() as client:
        _until(lambda: len(_bound(client, first)) == 8)
    add(plane, first, submitted("train", 10, "night", milli=2_000))
    add(plane, second, submitted("beyond", 4, "small", milli=2_000))
    add(plane, second, submitted("short", 4, "small", milli=500)[:3])


def _bound(client: httpx.Client, pods: str) -> list[dict[str, Any]]:
    return [one for one in client.get(pods).json()["items"] if one["spec"].get("nodeName")]


def _until(holds: Any) -> None:
    give_up = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < give_up, "it did not come about"
        time.sleep(0.1)


def test_gangs_says_of_each_what_it_has_what_blocks_it_and_when_it_starts(seen: Seen) -> None:
    rows = {one["gang"]: one for one in seen.rows(gangs)}
    told = {
        name: (one["state"], one["have"], one["need"], one["cause"]) for name, one in rows.items()
    }
    assert told == {
        "sort": ("running", 8, 8, ""),
        "train": ("queued", 10, 10, "NO_ROOM_NOW"),
        "beyond": ("queued", 4, 4, "QUEUE_AT_MAX"),
        "short": ("queued", 3, 4, "INCOMPLETE"),
        "nightly": ("suspended", 0, 2, "SUSPENDED"),
    }
    ahead_s = rows["train"]["start_s"] - time.time()
    assert 1_000 < ahead_s <= 1_800
    assert rows["beyond"]["start_s"] is None
    assert len(rows["sort"]["nodes"]) == 4
    table = seen.run(gangs, "-n", "team-a").stdout
    assert "train" in table
    assert "beyond" not in table
    assert [one["gang"] for one in seen.rows(gangs, "--queue", "small")] == ["beyond", "short"]
    assert [one["gang"] for one in seen.rows(gangs, "--state", "running")] == ["sort"]
    assert seen.run(gangs, "-n", "nowhere").stdout.startswith("no gang is there")


def test_queues_says_who_holds_what_and_whose_turn_it_is(seen: Seen) -> None:
    rows = {one["queue"]: one for one in seen.rows(queues)}
    assert set(rows) == {"night", "small", "default"}
    assert (rows["night"]["used_cpu_cores"], rows["night"]["running_gangs"]) == (16, 1)
    assert (rows["small"]["max_cpu_cores"], rows["small"]["waiting_tasks"]) == (6, 7)
    assert (rows["small"]["turn"], rows["night"]["turn"]) == (1, 2)
    assert rows["night"]["why"] == "night has a share of 66.7% at weight 2"
    assert "night" in seen.run(queues).stdout


def test_explain_gang_tells_the_planners_sentence_and_its_events(seen: Seen) -> None:
    _until(lambda: "GangWaits" in seen.run(explain_gang, "team-a/train").stdout)
    lines = seen.run(explain_gang, "train", "-n", "team-a").stdout.splitlines()
    assert lines[0].startswith("team-a/train is queued in queue night, a gang by its annotations;")
    assert lines[1].startswith("It has 10 of the 10 pods that it needs, 0 with a node;")
    assert lines[2].startswith("It is number 1 of 1 in its queue; the queue's turn is 2 (")
    assert lines[3].startswith("What blocks it is NO_ROOM_NOW: other batch tasks hold the room")
    assert any(line.startswith("It is predicted to start in about") for line in lines)
    assert any("GangWaits: other batch tasks hold the room (train-" in line for line in lines)
    facts = json.loads(seen.run(explain_gang, "team-a/train", "-o", "json").stdout)
    assert (facts["gang"]["cause"], facts["queue"]["queue"]) == ("NO_ROOM_NOW", "night")


def test_events_of_a_gang_are_one_for_each_cause_with_a_constant_message(seen: Seen) -> None:
    _until(lambda: "GangIncomplete" in seen.run(explain_gang, "team-b/short").stdout)
    with seen.plane.client() as client:
        events = client.get("/api/v1/namespaces/team-b/events").json()["items"]
    about = [
        one
        for one in events
        if one["reason"] == "GangIncomplete" and one["involvedObject"]["name"].startswith("short")
    ]
    assert [one["message"] for one in about] == ["not all that it needs is there yet"]


def test_explain_pod_tells_why_this_node(seen: Seen) -> None:
    with seen.plane.client() as client:
        pod = _bound(client, "/api/v1/namespaces/team-a/pods")[0]
    name, where = pod["metadata"]["name"], pod["spec"]["nodeName"]
    lines = seen.run(explain_pod, f"team-a/{name}").stdout.splitlines()
    assert lines[0].startswith(
        f"team-a/{name} (2 cores) of gang team-a/sort runs on node {where}, decided "
    )
    assert f"would fit such a task and {where} is number " in lines[1]
    waits = seen.run(explain_pod, "team-a/train-0").stdout
    assert "waits for a place together with its gang" in waits
    assert "What blocks it is NO_ROOM_NOW" in waits


def test_explain_job_tells_what_its_gang_waits_for(seen: Seen) -> None:
    told = seen.run(explain_job, "nightly").stdout
    assert "team-b/nightly is suspended in queue default, a gang by a Job" in told
    assert "What blocks it is SUSPENDED: Job team-b/nightly is suspended." in told


@pytest.mark.parametrize(
    ("command", "args", "said"),
    [
        (
            explain_gang,
            ["team-a/trian"],
            "no gang trian in namespace team-a; did you mean train? `slacktide gangs -n team-a` l",
        ),
        (explain_pod, ["team-a/none"], "no pod none in namespace team-a;"),
        (explain_job, ["nigthly"], "no job nigthly; did you mean nightly?"),
        (gangs, ["--queue", "nihgt"], "no queue nihgt; did you mean night?"),
        (explain_gang, ["a/b/c"], "'a/b/c' is no name: write NAMESPACE/NAME"),
    ],
)
def test_a_name_that_nothing_has_is_wrong_use_and_says_what_to_do(
    seen: Seen, command: click.Command, args: list[str], said: str
) -> None:
    done = seen.run(command, *args)
    assert isinstance(done.exception, BadInput)
    assert str(done.exception).startswith(said)


def test_top_prints_the_cluster_once_with_the_planners_own_figures(seen: Seen) -> None:
    page = f"http://127.0.0.1:{seen.port}/metrics"
    told = seen.run(top, "--once", "--nodes", "--metrics", page).stdout
    assert "6 nodes sell 24 cores" in told
    assert "16 used, 8 free" in told
    assert "gangs: 1 run (8 tasks), 4 wait (17 tasks)" in told
    assert "ms a round" in told
    assert "team-a/sort" in told
    assert "batch-5" in told
    whole = json.loads(
        seen.run(top, "--once", "-o", "json", "--metrics", "http://x.invalid").stdout
    )
    assert whole["planner"]["alive"]
    assert whole["decisions"][0]["gang"] == "sort"


def test_somebody_who_may_see_one_namespace_alone_sees_that_and_is_told_what_is_missing(
    seen: Seen,
) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "watch"]},
    ]
    subject = {"kind": "User", "name": "ann", "apiGroup": "rbac.authorization.k8s.io"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "look"}
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/team-a"
    with seen.plane.client() as client:
        _post(client, f"{rbac}/roles", {"metadata": {"name": "look"}, "rules": rules})
        binding = {"metadata": {"name": "look"}, "subjects": [subject], "roleRef": role}
        _post(client, f"{rbac}/rolebindings", binding)
        reasons = "/api/v1/namespaces/team-a/pods/train-0"
        _until(lambda: "slacktide.io/reason" in client.get(reasons).text)
    everywhere = seen.run(gangs, user="ann")
    assert isinstance(everywhere.exception, BadInput)
    assert "give -n NAMESPACE" in str(everywhere.exception)
    own = seen.run(gangs, "-n", "team-a", "-o", "json", user="ann")
    assert own.exit_code == 0, own.exception
    rows = {one["gang"]: one for one in json.loads(own.stdout)}
    assert set(rows) == {"sort", "train"}
    assert rows["train"]["cause"] == "UNSEEN"
    assert rows["train"]["reason"].startswith("as the planner wrote: waits, number 1 of 1")
    assert rows["sort"]["state"] == "running"
    for missing in ("nodes", "pods outside namespace team-a", "queues", "leases"):
        assert f"not seen: {missing} may not be listed" in own.stderr
    told = seen.run(explain_gang, "team-a/train", user="ann")
    assert "What would help: the right to list nodes" in told.stdout
    assert "events of namespace team-a may not be listed" in told.stderr


def test_the_role_in_the_docs_is_enough_to_see_everything(seen: Seen) -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    role = yaml.safe_load(text)
    api = "/apis/rbac.authorization.k8s.io/v1"
    subject = {"kind": "User", "name": "bob", "apiGroup": "rbac.authorization.k8s.io"}
    to = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "slacktide-look"}
    binding = {"metadata": {"name": "look"}, "subjects": [subject], "roleRef": to}
    with seen.plane.client() as client:
        _post(client, f"{api}/clusterroles", role)
        _post(client, f"{api}/clusterrolebindings", binding)
    _until(lambda: seen.run(gangs, user="bob").stderr == "")
    told = seen.run(explain_gang, "team-a/train", user="bob")
    assert "What blocks it is NO_ROOM_NOW" in told.stdout
    assert "GangWaits" in told.stdout
    assert told.stderr == ""
    assert "planner" in seen.run(top, "--once", user="bob").stdout


def test_a_server_that_does_not_answer_is_one_line_with_what_to_check(
    seen: Seen, tmp_path: Path
) -> None:
    [port] = free_ports(1)
    there = seen.plane.kubeconfig().read_text()
    gone = tmp_path / "gone"
    gone.write_text(there.replace(seen.plane.url, f"https://127.0.0.1:{port}"))
    done = CliRunner().invoke(gangs, ["--kubeconfig", str(gone)])
    assert isinstance(done.exception, BadInput)
    said = str(done.exception)
    assert said.startswith(f"no answer from the API server at https://127.0.0.1:{port} (")
    assert "--kubeconfig" in said
    assert "\n" not in said


@pytest.fixture
def dashboard_url(seen: Seen) -> Iterator[str]:
    [port] = free_ports(1)
    command = [sys.executable, "-c", DASHBOARD, "--port", str(port), "--kubeconfig"]
    command.append(str(seen.plane.kubeconfig()))
    process = Process("dashboard", command, folder=seen.plane.folder)
    try:
        process.wait_until(lambda: answers(port, "/healthz"), within_s=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stop()


def test_the_dashboard_shows_the_same_facts_and_can_change_nothing(
    seen: Seen, dashboard_url: str
) -> None:
    with httpx.Client(base_url=f"{dashboard_url}/api/v1", trust_env=False) as client:
        page = client.get("/cluster/gangs", params={"state": "queued"})
        assert page.headers["content-security-policy"].startswith("default-src 'self'")
        shown = {one["gang"]: one["cause"] for one in page.json()["rows"]}
        assert shown == {"train": "NO_ROOM_NOW", "beyond": "QUEUE_AT_MAX", "short": "INCOMPLETE"}
        detail = client.get("/cluster/gangs/slacktide/team-a/train").json()
        told = seen.run(explain_gang, "team-a/train").stdout
        assert detail["sentences"][1] in told
        assert client.get("/cluster/gangs/slacktide/team-a/none").status_code == 404
        assert client.get("/source").json() == {"kind": "cluster"}
        assert client.post("/cluster/gangs").status_code == 405


def _state(view: View, gang: str) -> str:
    return next(one.state.value for one in view.picture().gangs if one.gang == gang)


def test_a_view_that_is_kept_sees_the_prediction_come_true(seen: Seen) -> None:
    """Last, for it ends the gang that runs."""

    async def states() -> tuple[str, str]:
        async with viewing(connection(seen.plane.kubeconfig())) as view:
            before = _state(view, "train")
            with seen.plane.client() as client:
                client.delete(
                    "/api/v1/namespaces/team-a/pods", params={"labelSelector": "gang=sort"}
                ).raise_for_status()
            async with asyncio.timeout(WAIT_S):
                while (now := _state(view, "train")) != "running":
                    view.changed.clear()
                    await view.changed.wait()
            return before, now

    assert asyncio.run(states()) == ("queued", "running")
