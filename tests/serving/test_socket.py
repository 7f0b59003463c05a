"""What happens at the socket: slow, oversized and crooked requests are cut off, others served."""

import socket
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from data.database import Database
from data.settings import Settings
from serving.api.app import application
from serving.protocol import Limits
from serving.scoring import Scorer
from tests.serving.running import Address, heard, running, told

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /v1/scores HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
OK, BAD, LARGE = b"HTTP/1.1 200 ", b"HTTP/1.1 400 ", b"HTTP/1.1 431 "


@pytest.fixture
def address(store: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """A service whose clients have half a second for everything."""
    for name in ("HEADER", "BODY", "WRITE"):
        monkeypatch.setenv(f"ZHIKE_{name}_SECONDS", "0.5")
    with running(application(Scorer({}, {}), store)) as found:
        yield found


def test_f38_hundreds_of_half_sent_requests_are_closed_and_others_served(address: Address) -> None:
    halves = [b"", b"GET", HEAD, HEAD + b"X-A: 1\r\n", POST + b"Content-Length: 9\r\n\r\n{"]
    lines = [socket.create_connection(address, timeout=60) for _ in range(300)]
    for number, line in enumerate(lines):
        line.sendall(halves[number % len(halves)])
    assert told(address, HEAD + b"Connection: close\r\n\r\n").startswith(OK)
    answers = {heard(line)[:12] for line in lines}
    assert b"HTTP/1.1 408" in answers
    assert answers <= {b"HTTP/1.1 408", b"HTTP/1.1 401", b"HTTP/1.1 503"}
    for line in lines:
        line.close()


def test_f38_a_head_that_drips_after_an_answer_is_closed(address: Address) -> None:
    with socket.create_connection(address, timeout=60) as line:
        line.sendall(HEAD + b"\r\n")
        assert line.recv(65536).startswith(OK)
        line.sendall(b"\r\n")
        assert heard(line).startswith((b"HTTP/1.1 408", b"{"))


def test_f38_who_does_not_take_the_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large answers, asked for and never read."""

    ended: list[bool] = []

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200})
            for _ in range(400):
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        finally:
            ended.append(True)

    monkeypatch.setenv("ZHIKE_WRITE_SECONDS", "0.2")
    with running(large) as at, socket.create_connection(at, timeout=60) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(HEAD + b"\r\n")
        # The rest of the answer goes nowhere: the end of the block waits for no client.
    assert ended


def test_f37_a_body_without_end_is_refused_and_closed(address: Address) -> None:
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
    with socket.create_connection(address, timeout=60) as line:
        line.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                line.sendall(chunk)
        except OSError:
            pass  # closed by the service


@pytest.mark.parametrize("length", [b"99999999999", b"64"])
def test_f37_a_length_that_is_never_reached_is_closed(address: Address, length: bytes) -> None:
    answer = told(address, POST + b"Content-Length: " + length + b"\r\n\r\n{}")
    assert answer.startswith((b"HTTP/1.1 401", b"HTTP/1.1 408"))


CROOKED = {
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "a host of somebody else": b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "a host that begins like ours": b"GET /healthz HTTP/1.1\r\nHost: localhost.evil\r\n\r\n",
    "two hosts": HEAD + b"Host: localhost\r\n\r\n",
    "user and host": b"GET /healthz HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n",
    "an absolute address": b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an address of ours": b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an authority": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "@evil": b"GET @evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no such method": b"FETCH /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "length and chunks": POST
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    "chunks and length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}",
    "two equal lengths": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "chunks, spelt oddly": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunks twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "a blank before the colon": POST + b"Content-Length : 2\r\n\r\n{}",
    "a folded line": HEAD + b"X-A: 1\r\n Content-Length: 9\r\n\r\n",
    "a bare line feed in a value": HEAD + b"X-A: 1\nX-B: 2\r\x00\r\n\r\n",
    "NUL": HEAD + b"X-A: \x00\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00",
}


@pytest.mark.parametrize("what", CROOKED)
def test_f41_what_two_programs_could_read_differently_is_400(address: Address, what: str) -> None:
    answer = told(address, CROOKED[what])
    assert answer.startswith(BAD)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"evil" not in answer


def test_f41_a_method_that_no_route_takes_is_405(address: Address) -> None:
    answer = told(address, HEAD.replace(b"GET", b"TRACE") + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 405")


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X-A: " + b"a" * 40_000 + b"\r\n\r\n",
        HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(150)) + b"\r\n",
        b"GET /healthz?" + b"a" * 40_000,
    ],
    ids=["long", "many", "endless line"],
)
def test_f37_a_head_beyond_the_limits_is_431(address: Address, head: bytes) -> None:
    assert told(address, head).startswith(LARGE)


def test_more_connections_than_allowed_are_told_503(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHIKE_CONNECTIONS", "2")
    with running(application(Scorer({}, {}), store)) as at:
        held = [socket.create_connection(at, timeout=60) for _ in range(2)]
        for line in held:
            line.sendall(HEAD + b"\r\n")
            assert line.recv(65536).startswith(OK)
        answer = told(at)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in answer
        held[0].close()
        for line in held[1:]:
            line.sendall(HEAD + b"\r\n")
            assert line.recv(65536).startswith(OK)
            line.close()


def test_f49_there_are_fewer_connections_than_files() -> None:
    import resource

    kept = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, kept[1]))
    try:
        assert Limits.of(Settings()).connections == 216
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, kept)
