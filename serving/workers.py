"""Several worker processes on one socket: one that dies is replaced at once, until too many have.

Every worker is a process of its own, started anew. One more stands by, everything loaded, and
takes the place of a worker that dies: loading takes seconds. A worker hangs on a line to its
supervisor: it tells that it is loaded and that it serves, and stops when the supervisor is gone.
"""

import logging
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from prometheus_client import multiprocess

from data.database import Database
from data.errors import ZhikeError
from data.settings import CHECKOUT, settings
from serving.logs import start_logging
from serving.metrics import SHARED
from serving.releases import Served
from serving.service import opened, serve
from serving.warming import warm

_log = logging.getLogger(__name__)

MOST_DEATHS = 5  # within
PERIOD = 60.0  # seconds
_STOPS = (signal.SIGTERM, signal.SIGINT)
LOADED, SERVING, GO = b"l", b"s", b"g"


class Stopped(ZhikeError):
    """Workers die again and again."""


@dataclass
class _Worker:
    """A process and its line."""

    process: subprocess.Popen[bytes]
    line: socket.socket
    loaded: bool = False
    serves: bool = False
    called: bool = False

    def call(self) -> None:
        """Let it serve."""
        self.called = True
        self.line.send(GO)


def supervise(
    listener: socket.socket,
    count: int,
    options: Sequence[str],
    ready: Callable[[], None],
    *,
    program: Sequence[str] = ("-m", "serving", "worker"),
) -> None:
    """Keep workers serving until SIGTERM or SIGINT; then let them finish.

    Args:
        options: words of the command line that every worker gets as well.
        ready: called once, when all of them serve.
        program: what Python runs as a worker; it gets the descriptors of socket and line.

    Raises:
        Stopped: a worker could not start, or too many died within a minute.
    """
    start_logging()
    folder = tempfile.mkdtemp(prefix="zhike-metrics-")
    try:
        _Supervisor(listener, count, (program, options), folder, ready).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class _Supervisor:
    listener: socket.socket
    count: int
    words: tuple[Sequence[str], Sequence[str]]
    counts: str
    ready: Callable[[], None]
    workers: list[_Worker] = field(default_factory=list)
    deaths: deque[float] = field(default_factory=deque)
    stopping: bool = False
    told: bool = False
    _events: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def run(self) -> None:
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(woken.fileno())
        kept = {number: signal.signal(number, self._stop) for number in _STOPS}
        self._events.register(wake, selectors.EVENT_READ)
        try:
            self._start()  # alone: what it compiles, the others find
            while not self.stopping:
                self._turn(wake)
        finally:
            self._end()
            signal.set_wakeup_fd(-1)
            for number, handler in kept.items():
                signal.signal(number, handler)
            self._events.close()
            for end in (wake, woken):
                end.close()

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _turn(self, wake: socket.socket) -> None:
        for key, _ in self._events.select():
            if key.data is None:
                wake.recv(64)
            else:
                self._hear(key.data)
        if not self.stopping:
            self._fill()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        ends = (self.listener.fileno(), theirs.fileno())
        program, options = self.words
        command = [sys.executable, "-P", *program, *map(str, ends), *options]
        path = os.pathsep.join(filter(None, (str(CHECKOUT), os.environ.get("PYTHONPATH"))))
        process = subprocess.Popen(
            command,
            pass_fds=ends,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, SHARED: self.counts},
        )
        theirs.close()
        worker = _Worker(process, ours)
        self.workers.append(worker)
        self._events.register(ours, selectors.EVENT_READ, worker)

    def _hear(self, worker: _Worker) -> None:
        try:
            said = worker.line.recv(16)
        except ConnectionError:
            said = b""
        if not said:
            self._bury(worker)
        worker.loaded |= LOADED in said
        worker.serves |= SERVING in said

    def _bury(self, worker: _Worker) -> None:
        self._events.unregister(worker.line)
        worker.line.close()
        worker.process.wait()
        self.workers.remove(worker)
        multiprocess.mark_process_dead(worker.process.pid, self.counts)  # type: ignore[no-untyped-call]
        if self.stopping:
            return
        _log.error("a worker ended with status %d", worker.process.returncode)
        now = time.monotonic()
        self.deaths.append(now)
        while self.deaths[0] < now - PERIOD:
            self.deaths.popleft()
        if not self.told and not worker.loaded:
            raise Stopped("stopped: a worker could not start; its reason stands above.")
        if len(self.deaths) >= MOST_DEATHS:
            raise Stopped(
                f"stopped: {len(self.deaths)} workers died within {PERIOD:.0f} seconds;"
                " their last words stand above."
            )

    def _fill(self) -> None:
        """Let workers that are loaded serve where some are missing, and start what is missing."""
        if any(worker.loaded for worker in self.workers) or self.told:
            while len(self.workers) <= self.count:
                self._start()
        missing = self.count - sum(worker.called for worker in self.workers)
        for worker in [one for one in self.workers if one.loaded and not one.called][:missing]:
            worker.call()
        if not self.told and sum(worker.serves for worker in self.workers) == self.count:
            self.told = True
            self.ready()

    def _end(self) -> None:
        """Let all finish; end those that do not."""
        self.stopping = True
        self.listener.close()
        for worker in self.workers:
            worker.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + settings().stop_seconds + 5
        for worker in self.workers:
            try:
                worker.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            worker.line.close()


def work(
    listener: int, line: int, load: Callable[[Database], Served], *, jobs: bool = True
) -> None:
    """Be a worker: load, wait to be called, serve until stopped or left alone.

    Args:
        listener: descriptor of the socket to serve on.
        line: descriptor of the line to the supervisor.
        load: gives what scores, loaded and tried on its golden rows.
        jobs: whether it works jobs off as well.
    """
    start_logging()
    served, supervisor = socket.socket(fileno=listener), socket.socket(fileno=line)
    database = opened(served)
    releases = load(database)
    warm(releases.current, database)
    supervisor.send(LOADED)
    if not supervisor.recv(1):
        return
    threading.Thread(target=_hang_on, args=(supervisor,), daemon=True).start()
    serve(served, releases, database, jobs=jobs, ready=lambda: supervisor.sendall(SERVING))


def _hang_on(line: socket.socket) -> None:
    """Stop as if told to, once the supervisor is gone."""
    try:
        while line.recv(1):
            pass
    except ConnectionError:
        pass
    os.kill(os.getpid(), signal.SIGTERM)
