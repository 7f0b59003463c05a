"""Workers and their supervisor: killed ones are replaced, too many end it, a stop loses nothing."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from data.database import Database
from serving.access.keys import make_key
from serving.service import listen
from serving.workers import MOST_DEATHS, Stopped, supervise

CHECKOUT = Path(__file__).resolve().parents[2]
LOADS_AND_DIES = """
import socket, sys
line = socket.socket(fileno=int(sys.argv[2]))
line.sendall(b"l")
line.recv(1)
line.sendall(b"s")
"""


def test_f47_a_crash_loop_ends(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Stopped, match=f"stopped: {MOST_DEATHS} workers died"):
        supervise(listen("127.0.0.1", 0), 2, [], lambda: None, program=["-c", LOADS_AND_DIES])
    assert capfd.readouterr().err.count("a worker ended") == MOST_DEATHS


def test_f47_a_worker_that_cannot_start_ends_it_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Stopped, match="could not start"):
        supervise(
            listen("127.0.0.1", 0), 2, [], lambda: None, program=["-c", "raise SystemExit(2)"]
        )
    assert capfd.readouterr().err.count("a worker ended") == 1


class Service:
    """A service of two workers on an empty bank, and its supervisor's process."""

    def __init__(self, home: Path) -> None:
        port = home.parent / "port"
        environment = {**os.environ, "ZHIKE_HOME": str(home), "PYTHONPATH": str(CHECKOUT)}
        program = Path(__file__).with_name("supervised.py")
        self.errors = home.parent / "errors"
        with self.errors.open("wb") as errors:
            # Few files: more clients than that are refused, and nothing breaks.
            self.process = subprocess.Popen(
                ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", sys.executable, program, port],
                env=environment, stderr=errors,
            )  # fmt: skip
        for _ in range(1200):
            if port.exists() or self.process.poll() is not None:
                break
            time.sleep(0.1)
        assert port.exists(), self.errors.read_text()
        self.where = "127.0.0.1", int(port.read_text())
        self.address = f"http://127.0.0.1:{self.where[1]}"

    def workers(self) -> list[int]:
        of = self.process.pid
        return [*map(int, Path(f"/proc/{of}/task/{of}/children").read_text().split())]


def asked(line: socket.socket) -> bytes:
    """The first words of the answer over a connection; none if it was closed."""
    try:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return line.recv(12)
    except OSError:
        return b""


@pytest.fixture
def service(home: Path, store: Database) -> Iterator[Service]:
    started = Service(home)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.terminate()
            started.process.wait(60)


@pytest.mark.slow
def test_f47_f48_f49_workers_are_replaced_files_run_out_and_a_stop_finishes_what_runs(
    service: Service, store: Database
) -> None:
    """One story, since a service takes seconds to start."""
    key = {"Authorization": f"Bearer {make_key(store, 'a test')}"}
    served = service.workers()[:2]
    os.kill(served[0], signal.SIGKILL)
    for _ in range(20):
        assert httpx2.get(f"{service.address}/healthz", timeout=60).status_code == 200
    for _ in range(600):
        if len(service.workers()) == 3 and served[0] not in service.workers():
            break
        time.sleep(0.1)
    assert len(service.workers()) == 3
    counted = httpx2.get(f"{service.address}/metrics", timeout=60).text
    assert 'route="/healthz",status="200"} 20.0' in counted

    lines = [socket.create_connection(service.where, timeout=60) for _ in range(120)]
    answers = {asked(line) for line in lines}
    assert b"HTTP/1.1 200" in answers
    assert answers <= {b"HTTP/1.1 200", b"HTTP/1.1 503", b""}
    for line in lines:
        line.close()
    assert httpx2.get(f"{service.address}/v1/openapi.json", headers=key, timeout=60).is_success

    failed: list[Exception] = []
    stopping = threading.Event()

    def keep_asking() -> None:
        with httpx2.Client(timeout=60, headers=key) as client:
            while True:
                asked_before = not stopping.is_set()
                try:
                    client.get(f"{service.address}/v1/openapi.json").raise_for_status()
                except httpx2.ConnectError:
                    return  # new connections are refused
                except httpx2.TransportError as error:
                    if asked_before and not stopping.is_set():
                        failed.append(error)
                    return

    askers = [threading.Thread(target=keep_asking) for _ in range(4)]
    for asker in askers:
        asker.start()
    time.sleep(0.5)
    stopping.set()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(60) == 0
    for asker in askers:
        asker.join(60)
    assert failed == []
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{service.address}/healthz", timeout=60)
