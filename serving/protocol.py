"""HTTP at the socket: the deadlines and limits that uvicorn has none of, and what is refused unread.

A client that is slow to send a request's head or body, or to take an answer, is cut off. Heads
are bounded, and a request that two programs could read differently is answered 400 and closed.
"""

import asyncio
import resource
from dataclasses import dataclass
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from data.settings import Settings

_LINGER = 1.0  # seconds to swallow the rest of a body that nobody wants, so the answer is read
_RESERVED = 40  # open files that are not connections
_TITLES = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


@dataclass(frozen=True)
class Limits:
    """What a client may do at the socket; times in seconds."""

    hosts: frozenset[bytes]
    header_seconds: float
    body_seconds: float
    write_seconds: float
    connections: int
    head_bytes: int = 32 * 1024
    head_fields: int = 100

    @classmethod
    def of(cls, chosen: Settings) -> "Limits":
        """The limits of the settings, and of the files that this process may open."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        room = chosen.connections if files == resource.RLIM_INFINITY else files - _RESERVED
        hosts = {host.strip().lower().encode() for host in chosen.allowed_hosts.split(",")}
        return cls(
            frozenset(hosts - {b""}),
            chosen.header_seconds,
            chosen.body_seconds,
            chosen.write_seconds,
            max(1, min(chosen.connections, room)),
        )


class _Refused(Exception):
    """A head that is not answered by the application."""


def guarded(limits: Limits) -> type[HttpToolsProtocol]:
    """The protocol of every connection, within limits."""

    class Bound(Guarded):
        pass

    Bound.limits = limits
    return Bound


class Guarded(HttpToolsProtocol):
    """A connection that is closed at its deadlines and that reads bounded, unequivocal heads."""

    limits: ClassVar[Limits]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._reading_head = True
        self._head_bytes = self._head_read = 0
        self._status = 400

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(503)
        else:
            self._arm(self.limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._stop_taking()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._deadline is None and not self._answering:
            self._arm(self.limits.header_seconds)
        super().data_received(data)
        if self._reading_head and not self.transport.is_closing():
            self._head_read += len(data)  # the parser tells no field before its end
            if self._head_read > self.limits.head_bytes:
                self._refuse(431)

    @property
    def _answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading_head, self._head_bytes, self._head_read = True, 0, 0
        if self._deadline is None:
            self._arm(self.limits.header_seconds)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def _count(self, length: int) -> None:
        self._head_bytes += length
        if self._head_bytes > self.limits.head_bytes or len(self.headers) > self.limits.head_fields:
            self._status = 431
            raise _Refused

    def on_headers_complete(self) -> None:
        self._reading_head = False
        if not self._unequivocal():
            raise _Refused
        self._arm(self.limits.body_seconds)
        super().on_headers_complete()

    def _unequivocal(self) -> bool:
        """One host that is ours, a plain path, one length: no other program reads it otherwise."""
        fields: dict[bytes, list[bytes]] = {b"host": [], b"content-length": []}
        coded: list[bytes] = fields.setdefault(b"transfer-encoding", [])
        for name, value in self.headers:
            if name in fields:
                fields[name].append(value.strip().lower())
        hosts, lengths = fields[b"host"], fields[b"content-length"]
        return (
            self.url.startswith(b"/")
            and len(hosts) == 1
            and _name(hosts[0]) in self.limits.hosts
            and len(lengths) + len(coded) <= 1
            and all(length.isdigit() for length in lengths)
            and coded in ([], [b"chunked"])
        )

    def on_message_complete(self) -> None:
        self._disarm()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self._arm(_LINGER)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_taking()
        self._taking = self.loop.call_later(self.limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_taking()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._status)

    def _late(self) -> None:
        self._deadline = None
        self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Answer without the application, and close."""
        self._disarm()
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.more_body and cycle.response_complete:
            self.transport.close()
            return
        if self.pipeline or (cycle is not None and self._answering and cycle.response_started):
            self.transport.abort()
            return
        if cycle is not None:
            cycle.disconnected = True
        self.transport.write(_answer(status))
        self.transport.close()

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, self._late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_taking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None


def _name(host: bytes) -> bytes:
    """A host without its port."""
    name, colon, port = host.rpartition(b":")
    return name if colon and port.isdigit() else host


def _answer(status: int) -> bytes:
    title = _TITLES[status]
    detail = b'{"type":"about:blank","title":"%s","status":%d,"detail":"%s"}' % (
        title.encode(), status, title.lower().encode(),
    )  # fmt: skip
    again = b"retry-after: 1\r\n" if status == 503 else b""
    return (
        b"HTTP/1.1 %d %s\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n"
        b"cache-control: no-store\r\nx-content-type-options: nosniff\r\n%sconnection: close\r\n\r\n%s"
    ) % (status, title.encode(), len(detail), again, detail)
