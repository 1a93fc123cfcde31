"""`slacktide recommend`, as a user types it: what is printed, refused, and not read."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from predictor.adapters.recommendations_file import SCHEMA
from slacktide.trace import write_trace
from tests.predictor.sized import DAY_S, GIB, MIB, NAN, Pod, trace_of, written
from tests.simulator.commanding import program, slacktide

LAST_S = 15 * DAY_S - 1_800
HOSTILE = "<script>alert(1)</script>&\"'[red]"
PODS = (
    Pod("cart", 0.2),
    Pod("cart", 0.25),
    Pod("search", 3.0),
    Pod("idle", 0.1, cpu_request_cores=8.0, kind="StatefulSet", namespace="back"),
    Pod("fits", 2.0, used_bytes=3.9 * GIB - 256 * MIB, cpu_limit_cores=NAN),
    Pod("young", 0.1, start_day=14, cpu_request_cores=1.0, used_bytes=NAN),
    Pod("search", 3.0, first_sample_day=12),
    Pod("newborn", 0.1, start_day=14.75),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("traces") / "sized", PODS)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pods = (
        Pod(HOSTILE, 0.1, namespace=HOSTILE, kind=HOSTILE, container=HOSTILE),
        Pod("../../etc/passwd", 0.1, namespace=".."),
        Pod("a: &b !!python/object:os.system", 0.1),
        Pod("tame", 0.1),
    )
    return written(tmp_path_factory.mktemp("traces") / "hostile", pods)


def test_the_table_tells_needs_savings_and_what_is_unknown_apart(folder: Path) -> None:
    answer = program("recommend", "--trace", folder)
    assert (answer.code, answer.err) == (0, "")
    heads = ["under-provisioned", "over-provisioned", "fit:", "not enough data"]
    places = [answer.out.index(head) for head in heads]
    assert places == sorted(places)
    assert "(+1) 2 -> 3" in answer.out
    assert "(-1750m) 2 -> 250m" in answer.out
    assert "4 -> unset" in answer.out
    assert "4096Mi -> ?" in answer.out
    assert "seen in 6 of the 24 hours needed" in answer.out
    assert "as KRR counts it" in answer.out
    assert "\x1b[" not in answer.out  # no terminal, no colours
    idle, cart = answer.out.index("idle"), answer.out.index("cart")
    assert idle < cart  # 7.9 cores against twice 1.75


def test_rows_say_what_is_freed_over_all_replicas(folder: Path) -> None:
    rows = slacktide("recommend", "--trace", folder, "--workload", "^cart$", "-o", "json").rows()
    [cart] = rows
    assert (cart["at_s"], cart["replicas"], cart["side"]) == (LAST_S, 2, "over-provisioned")
    assert cart["recommended_cpu_request_cores"] == pytest.approx(0.25)
    assert cart["freed_cores"] == pytest.approx(2 * 1.75)
    assert cart["recommended_memory_limit_bytes"] == cart["recommended_memory_request_bytes"]
    assert cart["recommended_cpu_limit_cores"] is None


@pytest.mark.parametrize(
    ("asked", "workloads"),
    [
        (("-n", "back"), {"idle"}),
        (("-n", "back", "-n", "shop", "-r", "statefulset"), {"idle"}),
        (("--workload", "^(cart|search)$"), {"cart", "search"}),
    ],
)
def test_filters_keep_what_was_asked_for(
    folder: Path, asked: tuple[str, ...], workloads: set[str]
) -> None:
    rows = slacktide("recommend", "--trace", folder, *asked, "-o", "json").rows()
    assert {row["workload"] for row in rows} == workloads


def test_yaml_and_csv_hold_what_json_holds(folder: Path) -> None:
    rows = slacktide("recommend", "--trace", folder, "-o", "json").rows()
    assert yaml.safe_load(slacktide("recommend", "--trace", folder, "-o", "yaml").out) == rows
    read = list(
        csv.DictReader(io.StringIO(slacktide("recommend", "--trace", folder, "-o", "csv").out))
    )
    assert [row["workload"] for row in read] == [row["workload"] for row in rows]


def test_krrs_readers_find_krrs_keys(folder: Path) -> None:
    report = json.loads(slacktide("recommend", "--trace", folder, "-o", "krr-json").out)
    assert set(report) >= {"scans", "score", "resources", "description", "strategy", "errors"}
    scans = {scan["object"]["name"]: scan for scan in report["scans"]}
    cart, newborn = scans["cart"], scans["newborn"]
    assert [pod["name"] for pod in cart["object"]["pods"]] == ["pod-0", "pod-1"]
    assert cart["object"]["allocations"]["requests"] == {"cpu": 2.0, "memory": 4 * GIB}
    assert cart["recommended"]["requests"]["cpu"] == {
        "value": 0.25,
        "severity": "CRITICAL",
    }
    assert cart["recommended"]["limits"]["cpu"] == {"value": None, "severity": "WARNING"}
    assert newborn["recommended"]["requests"]["cpu"] == {"value": "?", "severity": "UNKNOWN"}


def test_a_walk_stands_by_its_own_answers(tmp_path: Path) -> None:
    used = trace_of([Pod("grows", 1.0, cpu_request_cores=8.0)], days=18)
    cpu = used.usage.cpu_cores.copy()
    cpu[:, 15 * 48 :] *= 1.05  # noise
    cpu[:, 16 * 48 :] *= 2.0  # and growth
    write_trace(replace(used, usage=replace(used.usage, cpu_cores=cpu)), tmp_path / "walk")
    times = [day * DAY_S - 1_800 for day in (15, 16, 17)]
    asked = [part for at_s in times for part in ("--at", str(at_s))]
    rows = slacktide("recommend", "--trace", tmp_path / "walk", *asked, "-o", "json").rows()
    cores = [row["recommended_cpu_request_cores"] for row in rows]
    assert cores == pytest.approx([1.0, 1.0, 2.1])
    assert "CPU 1.050 cores" in rows[1]["reason"]
    assert "CPU stays at 1.000 cores: the new number lies within 10 % of it" in rows[1]["reason"]
    [alone] = slacktide(
        "recommend", "--trace", tmp_path / "walk", "--at", str(times[1]), "-o", "json"
    ).rows()
    assert alone["recommended_cpu_request_cores"] == pytest.approx(1.05)


def test_the_parquet_file_has_the_agreed_columns_for_every_time(
    folder: Path, tmp_path: Path
) -> None:
    out, times = tmp_path / "sizes.parquet", (LAST_S, LAST_S - 7_200)
    at = [part for ts_s in times for part in ("--at", str(ts_s))]
    told = slacktide("recommend", "--trace", folder, *at, "-o", "parquet", "--fileoutput", out)
    assert (told.code, told.out, told.err) == (0, "", f"{out}: written\n")
    table = pq.read_table(out)
    assert table.schema.equals(SCHEMA)
    assert set(table["ts_s"].to_pylist()) == set(times)
    newborn = [row for row in table.to_pylist() if row["workload"] == "newborn"]
    assert [row["cpu_request_cores"] for row in newborn] == [None, None]
    assert not list(tmp_path.glob(".*"))


def test_parquet_goes_into_a_pipe_too(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "piped.parquet"
    asked = ("recommend", "--trace", folder, "-o", "parquet")
    slacktide(*asked, "--fileoutput", out)
    from subprocess import run

    from tests.simulator.commanding import PROGRAM

    piped = run([*PROGRAM, *map(str, asked)], capture_output=True, check=True, timeout=120)
    assert piped.stdout == out.read_bytes()


def test_who_runs_unseen_is_told_on_stderr_and_never_counted(tmp_path: Path) -> None:
    pods = (Pod("cart", 0.25), Pod("cart", 0.25, first_sample_day=5))
    folder = written(tmp_path / "trace", pods, days=6)
    told = slacktide("recommend", "--trace", folder, "--at", str(4 * DAY_S), "-o", "json")
    assert [row["replicas"] for row in told.rows()] == [1]
    assert told.err == f"at {4 * DAY_S} s 1 pods run without any sample: shop/pod-1\n"
    assert slacktide("recommend", "--trace", folder).err == ""


@pytest.mark.parametrize("at_s", [3 * DAY_S, 14 * DAY_S + 7_200, 10 * DAY_S])
def test_deleting_the_future_changes_nothing(folder: Path, tmp_path: Path, at_s: int) -> None:
    past = tmp_path / "past"
    shutil.copytree(folder, past)
    usage = pq.read_table(past / "usage.parquet")
    pq.write_table(usage.filter(pc.field("ts_s") <= at_s), past / "usage.parquet")
    told = [
        slacktide("recommend", "--trace", trace, "--at", str(at_s), "-o", "json").rows()
        for trace in (folder, past)
    ]
    assert told[0] == told[1]


class _Page(HTMLParser):
    """The tags of a page and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_else_and_runs_no_ones_script(hostile: Path, tmp_path: Path) -> None:
    out = tmp_path / "sizes.html"
    assert slacktide("recommend", "--trace", hostile, "-o", "html", "--fileoutput", out).code == 0
    page = _Page()
    page.feed(out.read_text())
    assert page.tags.count("script") == 1  # the page's own, which its policy names by hash
    assert "script-src 'sha256-" in out.read_text()
    assert not {"src", "href", "onload", "onerror"} & set(page.attributes)
    assert "http" not in out.read_text().replace("http-equiv", "")
    assert HOSTILE in page.text
    assert page.tags.count("tr") == 1 + 4


def test_hostile_names_never_reach_a_file_name_or_a_command(hostile: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "patches"
    told = slacktide("recommend", "--trace", hostile, "-o", "patch", "--fileoutput", out)
    assert told.code == 0
    assert "3 containers left out" in told.err
    assert [path.name for path in out.iterdir()] == ["shop.deployment.tame.yaml"]


def test_hostile_names_are_shown_as_they_are(hostile: Path) -> None:
    assert HOSTILE in slacktide("recommend", "--trace", hostile).out
    names = {
        row["workload"] for row in slacktide("recommend", "--trace", hostile, "-o", "json").rows()
    }
    read = yaml.safe_load(slacktide("recommend", "--trace", hostile, "-o", "yaml").out)
    assert names == {row["workload"] for row in read}
    assert HOSTILE in names


def test_a_patch_asks_for_what_is_recommended_and_takes_the_cpu_limit_away(folder: Path) -> None:
    told = slacktide("recommend", "--trace", folder, "-o", "patch")
    documents = {one["metadata"]["name"]: one for one in yaml.safe_load_all(told.out)}
    assert "newborn" not in documents  # nothing to say about it
    cart = documents["cart"]
    assert (cart["apiVersion"], cart["kind"]) == ("apps/v1", "Deployment")
    [container] = cart["spec"]["template"]["spec"]["containers"]
    assert container == {
        "name": "app",
        "resources": {
            "requests": {"cpu": "250m", "memory": "659Mi"},
            "limits": {"cpu": None, "memory": "659Mi"},
        },
    }
    assert "fits" not in documents  # a twentieth is not worth a restart


def test_the_kustomize_component_holds_the_same_patches(folder: Path) -> None:
    component = yaml.safe_load(slacktide("recommend", "--trace", folder, "-o", "kustomize").out)
    assert component["kind"] == "Component"
    patches = slacktide("recommend", "--trace", folder, "-o", "patch").out
    inside = [yaml.safe_load(one["patch"]) for one in component["patches"]]
    assert inside == list(yaml.safe_load_all(patches))
    for one, body in zip(component["patches"], inside, strict=True):
        assert one["target"]["name"] == body["metadata"]["name"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl builds the overlay")
def test_kustomize_applies_the_component(folder: Path, tmp_path: Path) -> None:
    from subprocess import run

    (tmp_path / "sizes").mkdir()
    out = tmp_path / "sizes" / "kustomization.yaml"
    slacktide("recommend", "--trace", folder, "-o", "kustomize", "--fileoutput", out)
    limits = {"cpu": "4", "memory": "4Gi"}
    container = {"name": "app", "image": "shop/cart:1", "resources": {"limits": limits}}
    base = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    (tmp_path / "cart.yaml").write_text(yaml.safe_dump(base))
    overlay = {"resources": ["cart.yaml"], "components": ["sizes"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    built = run(["kubectl", "kustomize", tmp_path], capture_output=True, check=True, timeout=60)
    [made] = yaml.safe_load(built.stdout)["spec"]["template"]["spec"]["containers"]
    assert made["resources"] == {
        "limits": {"memory": "659Mi"},
        "requests": {"cpu": "250m", "memory": "659Mi"},
    }


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--at", str(LAST_S + 1)), f"the trace ends at {LAST_S}"),
        (("--at", "0", "--at", "1800"), "-o table shows one time"),
        (("--workload", "("), "no regular expression"),
        (("-n", "nowhere"), "namespaces there: back, shop; kinds: Deployment, StatefulSet"),
        (("-o", "csv", "--fileoutput", "/nowhere/at/all.csv"), "cannot be written"),
        (("-o", "patch", "--fileoutput", "/dev/null/patches"), "cannot be written"),
        (("--fileoutput", "sizes.txt"), "-o table is for a terminal"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    folder: Path, asked: tuple[str, ...], said: str
) -> None:
    assert said in slacktide("recommend", "--trace", folder, *asked).refusal()


def test_a_folder_that_is_no_trace_is_refused(tmp_path: Path) -> None:
    line = slacktide("recommend", "--trace", tmp_path / "missing").refusal()
    assert "missing: there is no such folder" in line


def test_nothing_that_runs_is_said(tmp_path: Path) -> None:
    late = written(tmp_path / "late", [Pod("late", 0.1, start_day=5)], days=6)
    assert "nothing runs" in slacktide("recommend", "--trace", late, "--at", "0").refusal()
