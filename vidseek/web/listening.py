"""Listening on an address, and running an application there until a signal.

with listen("127.0.0.1", 8765) as listener:
    run_app(app, settings, listener, on_stop=service.stop)
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from vidseek.core.errors import ServerError
from vidseek.web.protocol import protocol_for
from vidseek.web.settings import ServerSettings


class _Server(uvicorn.Server):
    """A server that cancels its work at the first signal, so that open requests end."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; at the second Ctrl-C at once."""
        self._on_stop()
        super().handle_exit(sig, frame)


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
        on_stop: called at the signal; it cancels the work of open requests.
    """
    try:
        _Server(server_config(app, settings), on_stop).run(sockets=[listener])
    except KeyboardInterrupt:
        return  # uvicorn raises the signal again once it has stopped


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
        limit_concurrency=limits.max_connections,
        timeout_keep_alive=int(limits.max_header_seconds),
        timeout_graceful_shutdown=limits.shutdown_seconds,
    )


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
