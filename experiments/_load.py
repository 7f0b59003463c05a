"""A load generator: many connections to one server of this machine, closed or open loop."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import cast

import numpy as np
import numpy.typing as npt
import uvloop

PATIENCE = 10.0  # seconds for the last answers; what comes later counts as an error
SHED = (429, 503)
LOST = 0  # the status of a request whose connection broke or whose answer never came


@dataclass(frozen=True)
class Plan:
    """What to send where.

    Attributes:
        requests: whole HTTP requests as bytes, sent in turns.
        rate: requests a second of an open loop; without one each connection asks again at once.
    """

    port: int
    requests: Sequence[bytes]
    connections: int
    seconds: float
    rate: float = 0.0


@dataclass
class Measured:
    """What came back; a request of an open loop waits from the moment at which it was due.

    Attributes:
        due: (n,) seconds from the start.
        status: (n,) HTTP status, 0 where none came.
        waited: (n,) seconds.
        busy: share of one processor that the generator itself took.
    """

    due: npt.NDArray[np.float64]
    status: npt.NDArray[np.int64]
    waited: npt.NDArray[np.float64]
    seconds: float
    busy: float

    @property
    def a_second(self) -> float:
        """Requests that were answered with 200 in a second."""
        return float((self.status == 200).sum() / self.seconds)

    @property
    def errors(self) -> int:
        """Requests that were neither answered nor shed."""
        return int((~np.isin(self.status, (200, *SHED))).sum())

    @property
    def shed(self) -> float:
        """Share of requests that were turned away with 429 or 503."""
        return float(np.isin(self.status, SHED).mean()) if len(self.status) else 0.0

    @property
    def statuses(self) -> dict[int, int]:
        """Status -> requests."""
        return dict(sorted(Counter(self.status.tolist()).items()))

    def milliseconds(self, percentile: float, *statuses: int) -> float:
        """A percentile of the waits of requests that ended in some statuses, by default 200."""
        some = self.waited[np.isin(self.status, statuses or (200,))]
        return float(np.percentile(some, percentile) * 1e3) if len(some) else float("nan")


def drive(plan: Plan) -> Measured:
    """Send what the plan says; returns when the last answer is there or out of patience."""
    began = time.process_time()
    found = uvloop.run(_Driver(plan).run())
    found.busy = (time.process_time() - began) / found.seconds
    return found


@dataclass
class _Driver:
    plan: Plan
    idle: list["_Connection"] = field(default_factory=list)
    waiting: deque[float] = field(default_factory=deque)
    told: list[tuple[float, int, float]] = field(default_factory=list)
    opened: set["_Connection"] = field(default_factory=set)
    asking: int = 0
    started: bool = False
    ending: bool = False

    def __post_init__(self) -> None:
        self.requests = cycle(self.plan.requests)

    async def run(self) -> Measured:
        self.loop = asyncio.get_running_loop()
        first = self.plan.connections if not self.plan.rate else min(16, self.plan.connections)
        await asyncio.gather(*(self._open() for _ in range(first)))
        start, self.started = time.perf_counter(), True
        if self.plan.rate:
            await self._pace(start)
        else:
            for connection in self._all_idle():
                connection.ask(next(self.requests), time.perf_counter())
            await asyncio.sleep(self.plan.seconds)
        self.ending = True
        seconds = time.perf_counter() - start
        await self._last()
        told = np.array(self.told, np.float64).reshape(-1, 3)
        return Measured(told[:, 0] - start, told[:, 1].astype(np.int64), told[:, 2], seconds, 0.0)

    async def _pace(self, start: float) -> None:
        for number in range(int(self.plan.rate * self.plan.seconds)):
            due = start + number / self.plan.rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            if self.idle:
                self.idle.pop().ask(next(self.requests), due)
            else:
                self.waiting.append(due)
                if len(self.opened) < self.plan.connections:
                    await self._open()

    async def _last(self) -> None:
        deadline = time.perf_counter() + PATIENCE
        while (self.asking or self.waiting) and time.perf_counter() < deadline:
            await asyncio.sleep(0.01)
        now = time.perf_counter()
        late = [c.since for c in self.opened if c.busy]
        self.told += [(since, LOST, now - since) for since in (*late, *self.waiting)]
        for connection in list(self.opened):
            connection.transport.abort()

    def _all_idle(self) -> list["_Connection"]:
        taken, self.idle = self.idle, []
        return taken

    async def _open(self) -> None:
        await self.loop.create_connection(lambda: _Connection(self), "127.0.0.1", self.plan.port)

    def free(self, connection: "_Connection") -> None:
        """What a connection does next."""
        if self.waiting:
            connection.ask(next(self.requests), self.waiting.popleft())
        elif self.plan.rate or self.ending:
            self.idle.append(connection)
        else:
            connection.ask(next(self.requests), time.perf_counter())


class _Connection(asyncio.Protocol):
    """One connection that is kept alive; it asks, waits for the whole answer, and asks again."""

    transport: asyncio.Transport

    def __init__(self, driver: _Driver) -> None:
        self.driver, self.came, self.since, self.busy = driver, b"", 0.0, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.driver.opened.add(self)
        if self.driver.started:
            self.driver.free(self)
        else:
            self.driver.idle.append(self)

    def ask(self, request: bytes, since: float) -> None:
        self.since, self.busy = since, True
        self.driver.asking += 1
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.came = self.came + data if self.came else data
        if len(self.came) < _whole(self.came):
            return
        status, self.came = int(self.came[9:12]), b""
        self._done(status)
        if not self.transport.is_closing():
            self.driver.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.driver.opened.discard(self)
        if self in self.driver.idle:
            self.driver.idle.remove(self)
        if self.busy and not self.driver.ending:
            self._done(LOST)
        if not self.driver.ending:
            self.driver.loop.create_task(self.driver._open())

    def _done(self, status: int) -> None:
        self.busy = False
        self.driver.asking -= 1
        self.driver.told.append((self.since, status, time.perf_counter() - self.since))


def _whole(came: bytes) -> int:
    """How long an answer is of which this came; more than that where it cannot be told yet."""
    end = came.find(b"\r\n\r\n")
    if end < 0:
        return len(came) + 1
    head = came[:end].lower()
    place = head.find(b"content-length:")
    if place < 0:
        raise ValueError("an answer without Content-Length")
    return end + 4 + int(head[place + 15 :].split(b"\r\n", 1)[0])
