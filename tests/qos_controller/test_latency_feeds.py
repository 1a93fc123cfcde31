"""Services that tell of themselves, over real sockets; and what the law hears of it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import prometheus_client
import pytest

from qos_controller.adapters.latency.datagram import PACKETS, Datagrams
from qos_controller.adapters.latency.probes import Probes, with_host
from qos_controller.adapters.latency.prometheus import metric_of, read_buckets, slow_and_all
from qos_controller.adapters.latency.services import Services
from qos_controller.adapters.latency.slo import parse_feed
from qos_controller.adapters.latency.web import Failed, get
from qos_controller.core.pods import Feed, Pod, Slo


def pod(name: str, *, ips: tuple[str, ...] = (), bound_s: float = 0.03, **more: object) -> Pod:
    fields = {"batch": False, "slo": Slo(bound_s=bound_s), **more}
    return Pod(uid=f"uid-{name}", namespace="shop", name=name, ips=ips, **fields)  # type: ignore[arg-type]  # test's own words


class Ears:
    """The services and the sockets of one node."""

    def __init__(self, *pods: Pod) -> None:
        self.services = Services()
        self.datagrams = Datagrams(self.services)
        self.services.follow(pods)
        self.datagrams.follow(pods)


@pytest.fixture
def ears(tmp_path: Path) -> Iterator[Ears]:
    made = Ears(
        pod("web"),
        pod("api", bound_s=0.1),
        pod("far", ips=("127.0.0.2",)),
        pod("job", ips=("127.0.0.3",), batch=True),
    )
    made.datagrams.listen_unix(str(tmp_path / "latency.sock"))
    yield made
    made.datagrams.close()


def send(ears: Ears, *packets: bytes, source: str = "127.0.0.1") -> None:
    port = ears.datagrams.listen_udp(port=0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        for packet in packets:
            sender.sendto(packet, ("127.0.0.1", port))


def test_pushed_latencies_become_requests_and_slow_ones(ears: Ears) -> None:
    send(ears, b"slacktide shop/web 10,20,50", b"slacktide uid-api 90")
    ears.datagrams.read()
    heard = ears.services.take(1.0)
    assert (heard.requests, heard.slow, heard.latency_s) == (4, 1, 0.09)
    assert ears.services.take(1.1).services == ()


def test_a_small_service_is_heard_beside_a_big_one(ears: Ears) -> None:
    send(ears, b"slacktide uid-api 0/100000", b"slacktide uid-web 5/6")
    ears.datagrams.read()
    told = {it.service: it for it in ears.services.take(1.0).services}
    assert (told["uid-web"].slow_requests, told["uid-web"].requests) == (5, 6)
    assert (told["uid-api"].slow_requests, told["uid-api"].requests) == (0, 100_000)
    assert told["uid-web"].bound_s == 0.03
    assert "uid-far" not in told


def test_a_pod_is_known_by_the_address_it_sends_from(ears: Ears) -> None:
    send(ears, b"slacktide - 50", source="127.0.0.2")
    ears.datagrams.read()
    assert ears.services.take(1.0).slow == 1


def test_nobody_speaks_in_anothers_name(ears: Ears) -> None:
    send(ears, b"slacktide shop/web 5000", source="127.0.0.3")
    ears.datagrams.read()
    assert ears.services.take(1.0).requests is None
    assert ears.datagrams.counts["liars"] == 1


def test_lies_strangers_and_nonsense_are_counted_and_left_out(ears: Ears) -> None:
    send(ears, b"slacktide uid-web nan,-3,inf,5", b"slacktide uid-job 9", b"?", b"x" * 5000)
    ears.datagrams.read()
    heard = ears.services.take(1.0)
    assert (heard.requests, heard.slow) == (1, 0)
    counts = ears.datagrams.counts
    assert (counts["nonsense"], counts["strangers"], counts["too long"]) == (4, 1, 1)


def test_a_flood_is_sampled_and_the_next_tick_hears_of_now(ears: Ears) -> None:
    send(ears, *[b"slacktide uid-web 500"] * 200)
    ears.datagrams.read()
    assert ears.datagrams.counts["packets"] == PACKETS
    assert ears.datagrams.counts["flooded"] == 200 - PACKETS
    ears.services.take(1.0)
    ears.datagrams.read()
    assert ears.services.take(1.1).requests == 0


def test_one_packet_of_endless_values_is_cut(ears: Ears) -> None:
    send(ears, b"slacktide uid-web " + b",".join([b"1"] * 1500), b"slacktide uid-web 1")
    ears.datagrams.read()
    assert ears.services.take(1.0).requests == 129
    assert ears.datagrams.counts["flooded"] == 1500 - 128


def test_a_feed_that_stops_is_stale_and_not_fast(ears: Ears) -> None:
    send(ears, b"slacktide uid-web 1")
    ears.datagrams.read()
    assert ears.services.take(1.0).requests == 1
    assert ears.services.take(3.0).requests == 0
    assert ears.services.take(7.0).requests is None


def test_who_is_not_managed_is_not_heard() -> None:
    services = Services()
    services.follow((pod("a", managed=False), pod("b", batch=True), pod("c")))
    assert [services.get(f"uid-{name}") is None for name in "abc"] == [True, True, False]


def test_who_stays_keeps_his_standing_and_a_new_promise_begins_anew() -> None:
    services = Services()
    services.follow((pod("a"), pod("b")))
    services.follow((pod("a"), pod("b", bound_s=0.5)))
    assert services.get("uid-b") is not None
    assert len(services) == 2
    services.follow(())
    assert services.get("uid-a") is None


@pytest.fixture
def unix_ears(tmp_path: Path) -> Iterator[tuple[Ears, str]]:
    made = Ears(pod("web"))
    path = str(tmp_path / "s.sock")
    made.datagrams.listen_unix(path)
    yield made, path
    made.datagrams.close()
    assert not Path(path).exists()


def hear(ears: Ears, *, at_least: int) -> tuple[int, int]:
    """Requests and slow ones once so many were told; real senders take their time."""
    service = ears.services.get("uid-web")
    assert service is not None
    deadline = time.monotonic() + 20
    while service.requests < at_least:
        assert time.monotonic() < deadline, f"only {service.requests} requests were told"
        ears.datagrams.read()
        threading.Event().wait(0.005)
    heard = ears.services.take(1.0)
    return heard.requests or 0, heard.slow


NGINX = """
daemon off; pid {0}/pid; error_log stderr; worker_processes 1; user root;
events {{}}
http {{
  client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f;
  uwsgi_temp_path {0}/u; scgi_temp_path {0}/c;
  log_format slacktide 'slacktide shop/web ${{request_time}}s';
  log_format upstream 'slacktide shop/web upstream $upstream_response_time';
  server {{
    listen unix:{0}/front; root {0};
    access_log syslog:server=unix:{1},nohostname,tag=slacktide slacktide;
    location /back {{
      proxy_pass http://unix:{0}/front:/page;
      access_log syslog:server=unix:{1},nohostname,tag=slacktide upstream;
    }}
  }}
}}
"""


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_a_real_nginx_tells_each_requests_time(unix_ears: tuple[Ears, str], tmp_path: Path) -> None:
    ears, path = unix_ears
    (tmp_path / "page").write_text("hello")
    (tmp_path / "conf").write_text(NGINX.format(tmp_path, path))
    command = ["nginx", "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "conf")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as server:
        try:
            for target in (b"/page", b"/page", b"/back"):
                assert b" 200 " in ask(str(tmp_path / "front"), target)
            # `/back` is told twice: as it was asked for, and as nginx asked itself.
            assert hear(ears, at_least=4) == (4, 0)
            assert ears.datagrams.counts["nonsense"] == 0
        finally:
            server.terminate()
            server.wait(10)


def ask(path: str, target: bytes) -> bytes:
    deadline = time.monotonic() + 20
    while True:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(path)
            except OSError:
                assert time.monotonic() < deadline, "nginx did not come up"
                threading.Event().wait(0.01)
                continue
            client.sendall(b"GET " + target + b" HTTP/1.0\r\n\r\n")
            return client.makefile("rb").read()


class Page(BaseHTTPRequestHandler):
    """Fast, slow or broken, as the path says."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            threading.Event().wait(0.05)
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def web() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def probed(
    ears: Ears, path: str, where: str, *, at_least: int
) -> tuple[tuple[int, int], Counter[str]]:
    """What a feed that is asked tells over the socket."""
    feed = parse_feed(where)
    assert isinstance(feed, Feed)

    async def run() -> tuple[tuple[int, int], Counter[str]]:
        probes = Probes(path, interval_s=0.02)
        probes.follow([pod("web", ips=("127.0.0.1",), feed=feed)])
        try:
            return await asyncio.to_thread(hear, ears, at_least=at_least), probes.counts
        finally:
            await probes.close()

    return asyncio.run(run())


@pytest.mark.parametrize(("page", "all_slow"), [("ok", False), ("slow", True)])
def test_a_probe_tells_how_long_the_service_took(
    unix_ears: tuple[Ears, str], web: int, page: str, *, all_slow: bool
) -> None:
    ears, path = unix_ears
    # A loaded machine may make any answer slow, but not by seconds.
    ears.services.follow((pod("web", bound_s=0.04 if all_slow else 15.0),))
    (requests, slow), counts = probed(ears, path, f"http://:{web}/{page}", at_least=3)
    assert slow == (requests if all_slow else 0)
    assert counts["answered"] >= requests


def test_a_refused_or_broken_answer_is_no_latency(web: int) -> None:
    with pytest.raises(Failed, match="Connect call failed"):
        asyncio.run(get("http://127.0.0.1:1/", deadline_s=5))
    with pytest.raises(Failed, match="no HTTP"):
        asyncio.run(answered_by(b"hello"))
    with pytest.raises(TimeoutError):
        asyncio.run(get(f"http://127.0.0.1:{web}/slow", deadline_s=0.01))
    assert asyncio.run(get(f"http://127.0.0.1:{web}/broken", deadline_s=5)).status == 500


async def answered_by(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await get(f"http://127.0.0.1:{port}/", deadline_s=5)


def test_a_real_histogram_tells_the_share_of_slow_requests(unix_ears: tuple[Ears, str]) -> None:
    ears, path = unix_ears
    registry = prometheus_client.CollectorRegistry()
    histogram = prometheus_client.Histogram(
        "took_seconds", "t", ["page"], buckets=[0.01, 0.03, 0.1], registry=registry
    )
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1", registry)
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.002):
            histogram.labels("/buy").observe(0.05)
            histogram.labels("/look").observe(0.001)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        where = f'prometheus://:{server.server_port}/metrics#took_seconds{{page="/buy"}}'
        (requests, slow), _ = probed(ears, path, where, at_least=10)
        assert slow == requests
        where = f"prometheus://:{server.server_port}/metrics#took_seconds"
        (requests, slow), _ = probed(ears, path, where, at_least=10)
        assert slow == pytest.approx(requests / 2, abs=2)
    finally:
        stop.set()
        worker.join()
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_counter_that_fell_begins_anew_and_a_hostile_page_is_empty() -> None:
    line = 'x_bucket{{le="0.03"}} {}\nx_bucket{{le="+Inf"}} {}\n'
    slo, metric = Slo(bound_s=0.03), metric_of("x")

    def scraped(fast: int, all_: int) -> dict[tuple[str, float], float]:
        return read_buckets(line.format(fast, all_), metric)

    assert slow_and_all(scraped(5, 8), scraped(9, 20), slo) == (8, 12)
    assert slow_and_all(scraped(9, 20), scraped(1, 2), slo) == (0, 0)
    assert slow_and_all({}, scraped(9, 20), slo) == (0, 0)
    hostile = 'x_bucket{le="NaN"} 1\nx_bucket{le="1"} NaN\nx_bucket{ 1\nx_bucket{le="+Inf"} -1\n'
    assert read_buckets(hostile, metric) == {}


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://:80/x", "http://10.0.0.9:80/x"),
        ("http:///x", "http://10.0.0.9/x"),
        ("http://web:80/x", "http://web:80/x"),
    ],
)
def test_without_a_host_the_pod_itself_is_asked(url: str, asked: str) -> None:
    assert with_host(url, "10.0.0.9") == asked
    assert with_host("http://:80/", "fd00::1") == "http://[fd00::1]:80/"


def test_a_socket_left_by_a_killed_agent_is_made_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
        left.bind(path)
    ears = Ears(pod("web"))
    ears.datagrams.listen_unix(path)
    assert Path(path).stat().st_mode & 0o777 == 0o666
    ears.datagrams.close()
