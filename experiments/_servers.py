"""The two servers that are compared, each in processes of its own, stopped by their own ids."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from data.errors import ZhikeError
from data.settings import CHECKOUT

WORKERS = 2
SERVE = ("-m", "serving", "serve", "--port", "0", "--workers", str(WORKERS), "--no-jobs")
PATIENCE = 300.0  # seconds until a server answers
GRACE = 30.0  # seconds to stop by itself
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Server:
    """A server that answers, and the process that started it."""

    port: int
    process: "subprocess.Popen[bytes]"

    def megabytes(self) -> list[float]:
        """Resident memory of its processes, those that hold a model: the largest ones."""
        held = sorted((_resident(pid) for pid in _family(self.process.pid)), reverse=True)
        return held[:WORKERS]


def environment(home: Path, database: str = "") -> dict[str, str]:
    """The environment of a process that works on a home."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(CHECKOUT),
        "ZHIKE_HOME": str(home),
        "ZHIKE_DATABASE_URL": database,
        "ZHIKE_TRACKING_URI": "",
        "ZHIKE_RATE_LIMIT": "1000000/second",
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


@contextmanager
def zhike(home: Path, database: str, log: Path) -> Iterator[Server]:
    """Our service with two workers."""
    with _started(SERVE, environment(home, database), log) as process:
        port = int(_told(process, log, r"http://127\.0\.0\.1:(\d+)"))
        _wait(process, f"http://127.0.0.1:{port}/healthz", log)
        yield Server(port, process)


@contextmanager
def mlflow(home: Path, model: str, log: Path) -> Iterator[Server]:
    """MLflow's own scoring server with two workers, for the champion of a model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = ("-m", "mlflow", "models", "serve", "-m", f"models:/{model}@champion",
               "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port),
               "--workers", str(WORKERS))  # fmt: skip
    with _started(command, environment(home), log) as process:
        _wait(process, f"http://127.0.0.1:{port}/ping", log)
        yield Server(port, process)


def run(home: Path, *command: str, database: str = "") -> str:
    """What a command of ours prints.

    Raises:
        ZhikeError: it failed.
    """
    ran = subprocess.run(
        [sys.executable, *command], env=environment(home, database), cwd=CHECKOUT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ran.returncode:
        raise ZhikeError(f"{' '.join(command)} failed: {ran.stderr[-500:]}")
    return ran.stdout


@contextmanager
def _started(
    command: Sequence[str], environment: dict[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as said:
        # A group of its own: a server is stopped with the workers that it started.
        process = subprocess.Popen(
            [sys.executable, *command], env=environment, cwd=CHECKOUT, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _told(process: "subprocess.Popen[bytes]", log: Path, pattern: str) -> str:
    """What a server prints when it listens."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(pattern, log.read_text()):
            return found[1]
        time.sleep(0.1)
    raise ZhikeError(f"the server did not start: {log.read_text()[-500:]}")


def _wait(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise ZhikeError(f"the server does not answer: {log.read_text()[-500:]}")


def _family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for told in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in told.read_text().split():
            found += _family(int(child))
    return found


def _resident(pid: int) -> float:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6
    return 0.0
