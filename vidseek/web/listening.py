"""Listening on an address, and running an application there until a signal.

with listen("127.0.0.1", 8765) as listener:
    run_app(app, settings, listener, on_stop=service.stop)
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from vidseek.core.errors import ServerError
from vidseek.web.protocol import protocol_for
from vidseek.web.settings import ServerSettings

MAX_SELECTED = 480
"""Connections on Windows, where a server waits for 512 at once."""


class _Server(uvicorn.Server):
    """A server that cancels its work when it stops, so that open requests end.

    After a signal its process ends as one that has done its work; uvicorn would raise the signal
    again.
    """

    should_exit: bool
    force_exit: bool

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; at the second Ctrl-C at once."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        else:
            self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; not in the handler of the signal, which may not wait for a lock."""
        self._on_stop()
        await super().shutdown(sockets)


def run_app(
    app: ASGIApp,
    settings: ServerSettings,
    listener: socket.socket,
    *,
    on_stop: Callable[[], None],
) -> None:
    """Run an application until SIGINT or SIGTERM.

    Args:
        app: the application.
        settings: the limits of requests.
        listener: of ``listen``.
        on_stop: called after the signal; it cancels the work of open requests.
    """
    _Server(server_config(app, settings), on_stop).run(sockets=[listener])


def server_config(app: ASGIApp, settings: ServerSettings) -> uvicorn.Config:
    """How uvicorn runs the app: within the limits, and without logs of its own."""
    limits = settings.request_limits
    return uvicorn.Config(
        app,
        http=protocol_for(limits),
        ws="none",
        lifespan="on",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=most_connections(limits.max_connections),
        timeout_keep_alive=int(limits.max_header_seconds),
        timeout_graceful_shutdown=limits.shutdown_seconds,
    )


def most_connections(wanted: int) -> int:
    """How many connections a server may have: half of the files that the process may have open.

    Args:
        wanted: raises the limit of open files as far as that is allowed.
    """
    if sys.platform == "win32":
        return min(wanted, MAX_SELECTED)
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    raised = 2 * wanted if hard == resource.RLIM_INFINITY else min(2 * wanted, hard)
    if raised > soft:
        with suppress(OSError, ValueError):  # macOS has a lower limit than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    return min(wanted, soft // 2)


def address_of(host: str, port: int) -> str:
    """The address of a server, for a browser on this machine.

    >>> address_of("::1", 80), address_of("0.0.0.0", 8765)
    ('http://[::1]:80/', 'http://127.0.0.1:8765/')
    """
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    if ":" in shown and not shown.startswith("["):
        shown = f"[{shown}]"
    return f"http://{shown}:{port}/"


def listen(host: str, port: int) -> socket.socket:
    """Open a port; 0 takes a free one.

    Raises:
        ServerError: the address cannot be used.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        # Restarting must not wait for the closed connections of the last run.
        return socket.create_server(address[:2], family=family, backlog=2048)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ServerError(f"cannot listen on {host}, port {port}: {reason}") from error
