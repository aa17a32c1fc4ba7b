"""The HTTP protocol of the server: Uvicorn's, with deadlines, limits, and its refusals in JSON."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from headstart.deploy.server._access import HEADERS, error_response
from headstart.deploy.server._body import BUSY

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

# Time for the head of a request. Idle connections are kept as long.
HEAD_SECONDS = 10.0
# Time from the head of a request until its answer, and then for the client to receive it.
REQUEST_SECONDS = 60.0
MOST_CONNECTIONS = 512
LARGEST_HEAD_BYTES = 1 << 16
# Requests of one connection that wait for the answer to an earlier one.
MOST_PIPELINED = 16
_STATUS_LINES = {
    400: b"HTTP/1.1 400 Bad Request\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
}
_NOT_HTTP = (400, "the request is not valid HTTP/1.1.", "Use an HTTP client, such as curl.")
_LONG_HEAD = (
    431,
    f"the head of the request is longer than {LARGEST_HEAD_BYTES >> 10} KiB.",
    "Send the image as the body, and only the headers that are needed.",
)


class _RefusedError(Exception):
    """The parser calls back for something that is not accepted."""


class Protocol(HttpToolsProtocol):
    """The HTTP protocol of Uvicorn with deadlines and limits.

    Uvicorn itself has no deadline for a head that arrives slowly, or for a response that a client
    does not read. With httptools, it has no limit for the length of a head or of trailers, or for
    the number of requests that a client sends without waiting for answers.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._served_app = self.app
        self._refusal = _NOT_HTTP
        self._last_cycle: RequestResponseCycle | None = None
        self._earlier_cycle = self.cycle  # of the request before that of `self.cycle`
        # Bytes that came since the last part of a body or end of a head.
        self._head_bytes = 0
        self._has_advanced = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._timer = self.loop.call_later(1.0, self._check_deadline)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._has_advanced = False
        super().data_received(data)
        if self.cycle is not self._last_cycle:
            self._since, self._last_cycle = self.loop.time(), self.cycle

        self._head_bytes = 0 if self._has_advanced else self._head_bytes + len(data)
        if self._head_bytes > LARGEST_HEAD_BYTES and not self.transport.is_closing():
            self._refusal = _LONG_HEAD
            self.send_400_response("")

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MOST_PIPELINED:
            raise _RefusedError  # the connection ends after the answers
        self._has_advanced = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._has_advanced = True
        if self._count_head_bytes() > LARGEST_HEAD_BYTES:  # it may have come in one read
            self._refusal = _LONG_HEAD
            raise _RefusedError
        self._earlier_cycle = self.cycle
        is_full = max(len(self.connections), len(self.tasks)) >= MOST_CONNECTIONS
        self.app = _refuse_as_busy if is_full else self._served_app
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._has_advanced = True
        super().on_body(body)

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser does not accept, and end the connection.

        Requests that arrived completely before it are answered first. Then the connection ends
        without a refusal.
        """
        if self.pipeline and self.cycle.more_body:
            # Its body is what is refused. It is dropped, because it would be answered after these.
            self.pipeline.popleft()
            self.cycle = self._earlier_cycle
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        status, error, hint = self._refusal
        refusal = error_response(status, error, hint, {"connection": "close"})
        headers = [*refusal.raw_headers, *HEADERS]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self.transport.write(b"".join([_STATUS_LINES[status], *lines, b"\r\n", refusal.body]))
        self.transport.close()

    def _count_head_bytes(self) -> int:
        separators = len(": \r\n") * len(self.headers)
        headers = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.url) + headers + separators

    def _check_deadline(self) -> None:
        """End the connection if it takes too long. Called once per second until it has ended.

        A connection that is closing ends only when the client has received what is left for it.
        """
        is_answering = self.cycle is not None and not self.cycle.response_complete
        is_busy = is_answering or self.transport.get_write_buffer_size() > 0
        limit = REQUEST_SECONDS if is_busy else HEAD_SECONDS
        if self.loop.time() - self._since > limit:
            self.transport.abort()
            return
        self._timer = self.loop.call_later(1.0, self._check_deadline)


async def _refuse_as_busy(scope: Scope, receive: Receive, send: Send) -> None:
    refusal = error_response(503, *BUSY, {"retry-after": "1", "connection": "close"})
    refusal.raw_headers += HEADERS
    await refusal(scope, receive, send)
