"""HTTP/1.1 with a time limit for the headers of a request.

Without it, a client that sends a byte of a header now and then ("slow loris") holds a connection
for ever; uvicorn limits only the pause between two requests.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from vidseek.web.settings import RequestLimits

_TIMEOUT = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/problem+json\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%s"
)
_PROBLEM = (
    b'{"type": "urn:vidseek:problem:too_slow", "title": "Request Timeout", "status": 408, '
    b'"detail": "the request headers came too slowly", "code": "too_slow", "request_id": ""}'
)


class TimedProtocol(H11Protocol):
    """A connection that is closed if the headers of a request take too long."""

    max_header_seconds = RequestLimits.max_header_seconds

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._has_begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read on; the clock stops when the headers are complete."""
        self._has_begun = True
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Start the clock of the next request."""
        super().on_response_complete()
        self._has_begun = False
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_clock()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.max_header_seconds, self._give_up)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if self._has_begun:
            self.transport.write(_TIMEOUT % (len(_PROBLEM), _PROBLEM))
        self.transport.close()


def protocol_for(limits: RequestLimits) -> type[TimedProtocol]:
    """The protocol with the limits of a server."""

    class Limited(TimedProtocol):
        max_header_seconds = limits.max_header_seconds

    return Limited
