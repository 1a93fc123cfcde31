"""Helm installs, upgrades and removes the chart on a real API server; bad values are refused."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from qos_controller.app.serve_command import agent
from slacktide.errors import BadInput
from slacktide.testing.cluster.binaries import binary
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.installed import RELEASE, helm, installed, kubectl, told
from tests.cluster.definitions import CHART, define, peers

DEFINITION = "customresourcedefinition/queues.slacktide.io"
DEFINITIONS = sorted(file.stem for file in CHART.glob("definitions/*.yaml"))


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One of its own: what Helm removes would be missed by others."""
    with control_plane(tmp_path_factory.mktemp("helm")) as started:
        with started.client() as client:
            for definition in peers():
                define(client, definition)
        kubectl(started, "create", "namespace", "elsewhere")
        yield started


def rendered(*words: str, chart: Path = CHART) -> str:
    """What would be installed."""
    return told([str(binary("helm")), "template", "try", str(chart), *words])


def test_the_chart_is_clean() -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in told(
        [str(binary("helm")), "lint", "--strict", str(CHART)]
    )


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--set mode=direct",
        "--set mode=extender,replicas=1,podDisruptionBudget.enabled=false",
        "--set serviceMonitor.enabled=true,serviceMonitor.labels.release=prometheus",
        "--set door.enabled=false,priorityClass.create=false,crds.install=false",
        "--set serviceAccount.create=false,serviceAccount.name=mine,imagePullSecrets={a,b}",
        "--set kubeScheduler.featureGates.GenericWorkload=true,kubeScheduler.image.tag=v1.36.1",
        "--set image.repository=r.example.com:5000/a/slacktide,image.tag=0.1.0-rc.1",
        "--set nodeSelector.pool=control,tolerations[0].operator=Exists,affinity.nodeAffinity=null",
        "--set priorityClassName=system-cluster-critical,podLabels.a=b,podAnnotations.a=b",
        "--set planner.extenderPort=9000,planner.healthPort=9001,planner.logFormat=console",
        "--set agent.enabled=true",
        "--set agent.enabled=true,agent.privileged=false,agent.expose=true,agent.observe=true",
        "--set agent.enabled=true,agent.linkMbps=1000,agent.disk=sda,agent.maxUnavailable=1",
    ],
)
def test_what_is_rendered_is_taken_by_the_api_server(plane: ControlPlane, words: str) -> None:
    text = rendered("--namespace=elsewhere", *words.split())
    answer = kubectl(plane, "apply", "--dry-run=server", "-f", "-", given=text)
    kinds = [one["kind"] for one in yaml.safe_load_all(text) if one]
    assert len(answer.splitlines()) == len(kinds)
    assert "Deployment" in kinds


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "--set mode=direkt",
            "at '/mode': value must be one of 'gated', 'nominated', 'direct', 'extender'",
        ),
        ("--set mod=direct", "additional properties 'mod' not allowed"),
        ("--set planner.roundms=5", "additional properties 'roundms' not allowed"),
        ("--set planner.roundMs=5", "at '/planner/roundMs': minimum: got 5, want 10"),
        ("--set replicas=two", "at '/replicas': got string, want integer"),
        ("--set planner.extenderPort=80", "minimum: got 80, want 1,024"),
        ("--set priorityClass.value=9000", "maximum: got 9,000, want 5,999"),
        ("--set image.tag=a/b", "at '/image/tag'"),
        ("--set image.repository=", "at '/image/repository'"),
        ("--set planner.resources.requests.cpu=much", "at '/planner/resources/requests/cpu'"),
        ("--set agent.runDir=run", "at '/agent/runDir'"),
        ("--set agent.maxUnavailable=0", "at '/agent/maxUnavailable'"),
        ("--set planner.healthPort=8082", "are the same: give one of them another port"),
        ("--set kubeScheduler.podInitialBackoffSeconds=9", "raise the second"),
        ("--kube-version=1.34", "the door needs Kubernetes 1.36"),
        ("--kube-version=1.28", "chart requires kubeVersion: >=1.30.0-0"),
    ],
)
def test_values_that_cannot_be_are_refused_in_words(words: str, said: str) -> None:
    with pytest.raises(BadInput) as refused:
        rendered(*words.split())
    assert said in str(refused.value)


def test_the_second_kube_scheduler_is_of_the_clusters_version() -> None:
    text = rendered("--kube-version=v1.36.2-gke.1077000")
    assert "registry.k8s.io/kube-scheduler:v1.36.2" in text


def test_a_change_of_the_configuration_restarts_the_pods() -> None:
    def mark(*words: str) -> str:
        for one in yaml.safe_load_all(rendered(*words)):
            if one and one["kind"] == "Deployment":
                notes: dict[str, str] = one["spec"]["template"]["metadata"]["annotations"]
                return notes["slacktide.io/config-hash"]
        raise AssertionError("no Deployment")

    assert mark() == mark()
    assert mark() != mark("--set=kubeScheduler.qps=100")


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--set agent.observe=true,agent.evict=false,agent.besideOthers=true",
        "--set agent.linkMbps=1000,agent.disk=sda,agent.latencyPort=0",
    ],
)
def test_the_agents_command_knows_every_word_that_its_pod_gives(words: str) -> None:
    text = rendered("--set=agent.enabled=true", *words.split())
    [pod] = [one for one in yaml.safe_load_all(text) if one and one["kind"] == "DaemonSet"]
    serve, name, *given = pod["spec"]["template"]["spec"]["containers"][0]["args"]
    assert (serve, name) == ("serve", agent.name)
    context = agent.make_context("agent", given)
    assert context.params["node_name"] == "$(NODE_NAME)"


def got(plane: ControlPlane, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(kubectl(plane, "get", *words, "-o", "yaml"))
    return found


def test_a_release_is_installed_upgraded_and_removed(plane: ControlPlane, tmp_path: Path) -> None:
    release = installed(plane, CHART)
    queue = {"apiVersion": "slacktide.io/v1alpha1", "kind": "Queue", "metadata": {"name": "kept"}}
    kubectl(plane, "apply", "-f", "-", given=yaml.safe_dump(queue | {"spec": {"weight": 2}}))
    sold_by_hand(plane)
    newer = grown(tmp_path / "newer")
    helm(plane, "upgrade", RELEASE, str(newer), "-n", RELEASE, "--set=replicas=3")
    assert got(plane, "-n", RELEASE, "deployment", RELEASE)["spec"]["replicas"] == 3
    assert "colour" in str(got(plane, DEFINITION)), "an upgrade brings the newer definition"
    helm(plane, "rollback", RELEASE, "1", "-n", RELEASE)
    assert got(plane, "-n", RELEASE, "deployment", RELEASE)["spec"]["replicas"] == 2
    helm(plane, "uninstall", RELEASE, "-n", RELEASE)
    assert got(plane, "queue", "kept")["spec"]["weight"] == 2
    kind = "customresourcedefinition.apiextensions.k8s.io"
    assert sorted(left(plane)) == [f"{kind}/{name}.slacktide.io" for name in DEFINITIONS]
    release.set()  # what was kept is taken over again
    assert got(plane, "queue", "kept")["spec"]["weight"] == 2


def sold_by_hand(plane: ControlPlane) -> None:
    """As the notes of the release tell it."""
    add(plane, "/api/v1/nodes", [node("node", holds={"cpu": "8", "pods": "110"})])
    notes = helm(plane, "get", "notes", RELEASE, "-n", RELEASE)
    [patch] = re.findall(r"kubectl (patch node NODE .*?}')", notes, re.DOTALL)
    kubectl(plane, *shlex.split(patch.replace("NODE", "node")))
    assert got(plane, "node", "node")["status"]["allocatable"]["kubernetes.io/batch-cpu"] == "8k"


def grown(folder: Path) -> Path:
    """The chart with a field more in a definition."""
    shutil.copytree(CHART, folder)
    file = folder / "definitions/queues.yaml"
    text = file.read_text()
    field = "                colour:\n                  type: string\n"
    before = "                parent:\n"
    assert before in text
    file.write_text(text.replace(before, field + before, 1))
    return folder


def left(plane: ControlPlane) -> list[str]:
    """What is there of the chart."""
    kinds = (
        "customresourcedefinitions,clusterroles,clusterrolebindings,roles,rolebindings,priorityclasses,"
        "mutatingadmissionpolicies,mutatingadmissionpolicybindings,deployments,configmaps,"
        "serviceaccounts,poddisruptionbudgets"
    )
    named = ["-l", "app.kubernetes.io/name=slacktide", "--all-namespaces", "-o", "name"]
    return kubectl(plane, "get", kinds, *named).split()
