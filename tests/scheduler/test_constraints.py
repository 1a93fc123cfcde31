"""What pods ask is read as the API server writes it, and means what Kubernetes says it means."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from scheduler.core.compiling import RunningPods, compile_constraints
from scheduler.core.constraints import HostPort, NodeSelector, Pack, Rules, rules_of
from scheduler.core.labels import EVERYWHERE, NODE_NAME, LabelIndex, Need, PodGroup, holds
from scheduler.core.node_table import NodeTable
from scheduler.core.refusal import refusals
from slacktide.errors import BadInput
from slacktide.kube.objects import Pod, Taint

POD = msgspec.json.Decoder(Pod)


def pod(spec: dict[str, object], **meta: object) -> Pod:
    return POD.decode(msgspec.json.encode({"metadata": {"name": "p", **meta}, "spec": spec}))


def table(*labels: dict[str, str], taints: dict[int, tuple[Taint, ...]] | None = None) -> NodeTable:
    names = tuple(f"n{n}" for n in range(len(labels)))
    return NodeTable(names, labels, tuple((taints or {}).get(n, ()) for n in range(len(labels))))


def allowed(nodes: NodeTable, rules: Rules) -> list[int]:
    return np.flatnonzero(compile_constraints(nodes, [rules])[0].allowed[0]).tolist()


@pytest.mark.parametrize(
    ("need", "met_by"),
    [
        (Need("zone", "In", ("a", "b")), ["a", "b"]),
        (Need("zone", "NotIn", ("a",)), ["b", "7", None]),
        (Need("zone", "Exists"), ["a", "b", "7"]),
        (Need("zone", "DoesNotExist"), [None]),
        (Need("zone", "Gt", ("6",)), ["7"]),
        (Need("zone", "Lt", ("7",)), []),
        (Need("zone", "Lt", ("8",)), ["7"]),
        (Need("zone", "Gt", ("x",)), []),
        (Need("zone", "Unheard"), []),
    ],
)
def test_a_requirement_holds_for_the_labels_it_names(need: Need, met_by: list[str | None]) -> None:
    values: list[str | None] = ["a", "b", "7", None]
    assert [value for value in values if holds(need, value)] == met_by
    nodes = table(*[{} if value is None else {"zone": value} for value in values])
    assert [values[n] for n in np.flatnonzero(nodes.having(need))] == met_by


def test_a_selector_and_one_of_the_affinity_terms_must_hold() -> None:
    asked = pod({
        "nodeSelector": {"disk": "ssd"},
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]},
                {"matchFields": [
                    {"key": "metadata.name", "operator": "In", "values": ["n2", "n3"]}]},
                {},
            ]}}},
    })  # fmt: skip
    nodes = table({"disk": "ssd", "zone": "a"}, {"zone": "a"}, {"disk": "ssd"}, {}, {"disk": "ssd"})
    assert allowed(nodes, rules_of(asked)) == [0, 2]


def test_an_affinity_without_terms_matches_no_node() -> None:
    required: dict[str, object] = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}
    }
    assert allowed(table({}, {}), rules_of(pod({"affinity": {"nodeAffinity": required}}))) == []


GPU = Taint(key="gpu", value="yes", effect="NoSchedule")


@pytest.mark.parametrize(
    ("toleration", "stays_out"),
    [
        ({"key": "gpu", "operator": "Exists"}, False),
        ({"key": "gpu", "value": "yes"}, False),
        ({"key": "gpu", "value": "no"}, True),
        ({"key": "gpu", "value": "yes", "effect": "NoExecute"}, True),
        ({"operator": "Exists"}, False),
        ({"key": "other", "operator": "Exists"}, True),
    ],
)
def test_a_taint_keeps_out_who_does_not_tolerate_it(
    toleration: dict[str, str], *, stays_out: bool
) -> None:
    nodes = table({}, {}, taints={1: (GPU,)})
    rules = rules_of(pod({"tolerations": [toleration]}))
    assert allowed(nodes, rules) == ([0] if stays_out else [0, 1])


def test_a_taint_that_only_prefers_is_a_wish() -> None:
    nodes = table({}, {}, taints={1: (Taint(key="old", effect="PreferNoSchedule"),)})
    constraints, _ = compile_constraints(nodes, [Rules()])
    assert constraints.allowed.tolist() == [[True, True]]
    assert constraints.avoided is not None
    assert constraints.avoided.tolist() == [[0.0, 1.0]]


def test_a_wish_weighs_by_its_share_of_all_wishes() -> None:
    wishes = [
        {"weight": weight, "preference": {"matchExpressions": [
            {"key": "zone", "operator": "In", "values": [zone]}]}}
        for zone, weight in (("a", 30), ("b", 10))
    ]  # fmt: skip
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wishes}}
    nodes = table({"zone": "a"}, {"zone": "b"}, {})
    constraints, _ = compile_constraints(nodes, [rules_of(pod({"affinity": affinity}))])
    assert constraints.avoided is not None
    assert constraints.avoided.tolist() == [[0.25, 0.75, 1.0]]


def test_neighbours_are_read_with_their_namespaces_and_label_keys() -> None:
    selector = {"matchLabels": {"app": "x"}}
    rules = rules_of(
        pod(
            {
                "affinity": {"podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [
                        {"topologyKey": "rack", "labelSelector": selector},
                        {"topologyKey": "rack", "labelSelector": selector, "namespaceSelector": {}},
                        {"topologyKey": "rack", "labelSelector": selector,
                         "namespaceSelector": {"matchLabels": {"team": "t"}}},
                        {"topologyKey": "rack"},
                    ]}},
                "topologySpreadConstraints": [
                    {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                     "labelSelector": selector, "matchLabelKeys": ["hash", "none"]},
                    {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"},
                ],
            },
            namespace="ns",
            labels={"app": "x", "hash": "1"},
        )
    )  # fmt: skip
    x, same_hash = Need("app", "In", ("x",)), Need("hash", "In", ("1",))
    assert [term.group for term in rules.apart] == [
        PodGroup(("ns",), (x,)),
        PodGroup(EVERYWHERE, (x,)),
        PodGroup(("ns",), None),
    ]
    assert rules.unjudged == ("an affinity to namespaces chosen by label",)
    assert rules.spreads[0].term.group == PodGroup(("ns",), (x, same_hash))
    assert [spread.max_skew for spread in rules.spreads] == [2, math.inf]


def test_volumes_and_claims_are_judged_where_that_is_possible_and_named_where_not() -> None:
    volumes = [
        {"name": "bound", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "later", "persistentVolumeClaim": {"claimName": "new"}},
        {"name": "scratch", "ephemeral": {}},
        {"name": "token"},
    ]
    asked = pod({"volumes": volumes, "resourceClaims": [{"name": "gpu"}]})
    in_a = {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}  # fmt: skip
    rules = rules_of(asked, volumes={"data": msgspec.convert(in_a, NodeSelector)})
    assert allowed(table({"zone": "a"}, {"zone": "b"}), rules) == [0]
    assert rules.unjudged == (
        "where volume later can be reached",
        "where volume scratch can be reached",
        "which devices its claims get",
    )


def test_ports_of_the_node_are_read_and_others_are_not() -> None:
    ports = [{"containerPort": 80}, {"containerPort": 81, "hostPort": 81, "hostIP": "10.0.0.1"}]
    rules = rules_of(pod({"containers": [{"name": "c", "ports": ports}]}))
    assert rules.ports == (HostPort("TCP", 81, "10.0.0.1"),)


@pytest.mark.parametrize(
    "spec",
    [
        {"affinity": []},
        {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{}]}}},
        {"tolerations": [{"key": 7}]},
        {"topologySpreadConstraints": [{"maxSkew": "many"}]},
    ],
)
def test_a_spec_of_another_shape_is_refused_by_the_pod_s_name(spec: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"pod team/p: .*fix its template"):
        rules_of(pod(spec, namespace="team"))


def test_null_is_as_good_as_missing() -> None:
    assert rules_of(pod({"affinity": None, "tolerations": None})) == Rules()


def test_pods_that_differ_in_labels_nobody_selects_are_one_kind() -> None:
    rules = [Rules(labels=(("job", str(n)),)) for n in range(5)]
    constraints, kind = compile_constraints(table({}, {}), rules)
    assert len(constraints.kinds) == 1
    assert kind.tolist() == [0] * 5


def test_a_label_that_a_running_pod_keeps_away_from_makes_its_own_kind() -> None:
    away = rules_of(
        pod({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "zone", "labelSelector": {"matchLabels": {"job": "3"}}}]}}})
    )  # fmt: skip
    running = RunningPods((away,), np.zeros(1, np.int64), np.array([1]))
    rules = [Rules(labels=(("job", str(n)),)) for n in range(5)]
    constraints, kind = compile_constraints(table({"zone": "a"}, {"zone": "b"}), rules, running)
    assert kind.tolist() == [0, 0, 0, 1, 0]
    assert constraints.counts == ({1: 1},)


def test_the_index_finds_what_asking_everybody_finds() -> None:
    pods = [("a", (("x", "1"),)), ("b", (("x", "1"), ("y", "2"))), ("a", ())]
    index = LabelIndex(pods)
    one = Need("x", "In", ("1",))
    assert index.matching(PodGroup(("a",), (one,))) == [0]
    assert index.matching(PodGroup(EVERYWHERE, (one, Need("y", "Exists")))) == [1]
    assert index.matching(PodGroup(EVERYWHERE, ())) == [0, 1, 2]
    assert index.matching(PodGroup(EVERYWHERE, None)) == []


def test_the_sentence_counts_the_nodes_that_each_cause_keeps_away() -> None:
    nodes = table({"zone": "a"}, {"zone": "b"}, {"zone": "b"}, taints={0: (GPU,)})
    rules = Rules(choices=(((Need("zone", "In", ("a",)),),),))
    constraints, _ = compile_constraints(nodes, [rules])
    assert refusals(constraints, 0) == (
        "its rules leave 0 of 3 nodes: 2 without zone In (a), 1 with taint gpu=yes:NoSchedule"
    )


def test_a_node_is_chosen_by_its_name_though_a_label_may_be_called_so_too() -> None:
    nodes = table({"metadata.name": "n1"}, {})
    assert nodes.having(Need(NODE_NAME, "In", ("n1",))).tolist() == [False, True]


def test_packing_is_part_of_what_is_asked() -> None:
    assert rules_of(pod({}), pack=Pack("rack", required=True)).pack == Pack("rack", required=True)
