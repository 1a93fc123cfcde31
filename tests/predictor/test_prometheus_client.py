"""One question over the wire: whole, in time, within the limit, and the token to nobody else."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from predictor.adapters.prometheus import AnswerFailed, PrometheusClient, Server
from predictor.core.collect_pace import Failure
from predictor.core.collect_queries import Query
from predictor.core.collect_settings import CollectSettings
from slacktide.errors import BadInput
from slacktide.testing.prometheus import Asked, FakePrometheus, Reply, vector

UP = Query("query", {"query": "up"})
WELL = vector(({"pod": "web"}, 300, "0.5"))
NARROW = CollectSettings(most_bytes=100_000, query_timeout_s=1)


def failure(reply: Reply, settings: CollectSettings = NARROW) -> AnswerFailed:
    with (
        FakePrometheus(lambda _: reply) as fake,
        PrometheusClient(Server(fake.url), settings) as client,
        pytest.raises(AnswerFailed) as why,
    ):
        client.ask(UP)
    return why.value


def asked(tmp_path: Path, token: str | None = None, tenant: str | None = None) -> Asked:
    """What the server got to see."""
    file = None
    if token is not None:
        file = tmp_path / "token"
        file.write_text(token)
    with FakePrometheus(lambda _: WELL) as fake:
        server = Server(f"{fake.url}/prometheus/", tenant, file)
        with PrometheusClient(server, CollectSettings()) as client:
            assert client.ask(UP).labels[0] == {"pod": "web"}
    return fake.asked[0]


def test_it_says_who_it_is_and_asks_for_whole_answers(tmp_path: Path) -> None:
    seen = asked(tmp_path, "s3cret\n", tenant="shop")
    assert seen.path == "/prometheus/api/v1/query"
    assert seen.headers["authorization"] == "Bearer s3cret"
    assert seen.headers["x-scope-orgid"] == "shop"
    assert seen.params["partial_response"] == "false"
    assert "authorization" not in asked(tmp_path).headers


def test_a_rotated_token_is_used(tmp_path: Path) -> None:
    token = tmp_path / "token"
    with (
        FakePrometheus(lambda _: WELL) as fake,
        PrometheusClient(Server(fake.url, token_file=token), CollectSettings()) as client,
    ):
        for word in ("old", "new"):
            token.write_text(word)
            client.ask(UP)
    assert [one.headers["authorization"] for one in fake.asked] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_told_and_not_followed(tmp_path: Path, status: int) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    with FakePrometheus(lambda _: WELL) as elsewhere:
        moved = Reply(status, headers={"location": f"{elsewhere.url}/api/v1/query"})
        with (
            FakePrometheus(lambda _: moved) as fake,
            PrometheusClient(Server(fake.url, token_file=token), NARROW) as client,
            pytest.raises(BadInput, match=f"redirects to {elsewhere.url}") as why,
        ):
            client.ask(UP)
    assert elsewhere.asked == []
    assert "s3cret" not in str(why.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_one_clear_line_and_final(status: int) -> None:
    with (
        FakePrometheus(lambda _: Reply(status, b"no\nsuch " + b"x" * 9_000_000)) as fake,
        PrometheusClient(Server(fake.url), NARROW) as client,
        pytest.raises(BadInput, match=rf"refuses \({status}\): no such x+$") as why,
    ):
        client.ask(UP)
    assert len(str(why.value)) < 300
    assert len(fake.asked) == 1


def test_a_server_that_does_not_answer_is_given_up_by_the_deadline() -> None:
    never = threading.Event()
    why = failure(Reply(hold=never))
    never.set()
    assert why.failure is Failure.OVERLOADED
    assert "no whole answer in 1 s" in str(why)


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_above_the_limit_is_refused_while_it_arrives(*, packed: bool) -> None:
    body = b" " * 5_000_000
    bomb = Reply(200, gzip.compress(body), {"content-encoding": "gzip"})
    why = failure(bomb if packed else Reply(200, body))
    assert why.failure is Failure.TOO_LARGE
    assert "over 100,000 bytes" in str(why)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(200, WELL.body, promised_bytes=9_999), "peer closed connection"),
        (Reply(200, WELL.body[:-5]), "cut off"),
        (Reply(200, b""), "cut off"),
        (Reply(200, b"no gzip", {"content-encoding": "gzip"}), "incorrect header"),
        (Reply(500, b"disk full"), "status 500 disk full"),
    ],
)
def test_what_did_not_arrive_whole_may_be_asked_again(reply: Reply, said: str) -> None:
    why = failure(reply)
    assert why.failure is Failure.BROKEN
    assert said in str(why)


@pytest.mark.parametrize(("header", "expected"), [("7", 7.0), ("soon", None), ("-1", None)])
def test_the_server_may_say_when_to_come_back(header: str, expected: float | None) -> None:
    why = failure(Reply(429, b"", {"retry-after": header}))
    assert (why.failure, why.retry_after_s) == (Failure.BUSY, expected)


def test_nobody_there_is_worth_another_try() -> None:
    with FakePrometheus(lambda _: WELL) as gone:
        url = gone.url
    with (
        PrometheusClient(Server(url), NARROW) as client,
        pytest.raises(AnswerFailed, match="refused") as why,
    ):
        client.ask(UP)
    assert why.value.failure is Failure.BROKEN


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("prometheus:9090", "give http"),
        ("ftp://prometheus", "give http"),
        ("http://", "give http"),
        ("http://me:secret@prometheus", "--token-file"),
        ("http://prometheus/?a=b", "give http"),
        ("http://pro metheus", "address|give http"),
        ("http://prometheus", "the token can be read on the way"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as why:
        PrometheusClient(Server(url, token_file=tmp_path / "token"), NARROW)
    assert "secret" not in str(why.value)


@pytest.mark.parametrize("content", [None, b"", b"two words", b"a\r\nX-Evil: 1", b"\xff"])
def test_a_token_file_without_a_token_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with (
        PrometheusClient(Server("http://localhost", token_file=file), NARROW) as client,
        pytest.raises(BadInput, match="token"),
    ):
        client.ask(UP)


def test_a_ca_file_without_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for file in ("ca.pem", "missing.pem"):
        with pytest.raises(BadInput, match="no certificates can be read"):
            PrometheusClient(Server("https://prometheus", ca_file=tmp_path / file), NARROW)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate that it signed itself, in one file."""
    pem = tmp_path_factory.mktemp("tls") / "both.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    named = ["-nodes", "-days", "2", "-subj", "/CN=fake", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*made, *named, "-keyout", pem, "-out", pem.with_suffix(".crt")],
        check=True,
        capture_output=True,
    )
    pem.write_text(pem.read_text() + pem.with_suffix(".crt").read_text())
    return pem


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_given_ca_is_trusted_and_no_other(tmp_path: Path, certificate: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    with FakePrometheus(lambda _: WELL, certificate=certificate) as fake:
        ca_file = certificate.with_suffix(".crt")
        with PrometheusClient(Server(fake.url, None, token, ca_file), NARROW) as client:
            assert len(client.ask(UP).labels) == 1
        with (
            PrometheusClient(Server(fake.url, None, token), NARROW) as client,
            pytest.raises(AnswerFailed, match="certificate verify failed"),
        ):
            client.ask(UP)
    assert len(fake.asked) == 1
