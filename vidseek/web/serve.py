"""Run a server until it is told to stop.

serve(ServerSettings(library=folder), on_ready=print)
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from vidseek.core.errors import ServerError
from vidseek.web.app import create_app
from vidseek.web.protocol import protocol_for
from vidseek.web.service import Service
from vidseek.web.settings import ServerSettings


class _Server(uvicorn.Server):
    """A server that cancels its work at the first signal, so that open requests end."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; at the second Ctrl-C at once."""
        self._service.stop()
        super().handle_exit(sig, frame)


def serve(settings: ServerSettings, *, on_ready: Callable[[str, Service], None]) -> None:
    """Serve a library until SIGINT or SIGTERM.

    Args:
        settings: the library and the address; port 0 takes a free one.
        on_ready: called with the address of the page and the service once the port is open.

    Raises:
        ServerError: the address cannot be used.
        LibraryError: the library cannot be opened.
        PathNotFoundError: a media root is not a folder.
    """
    with _listen(settings.host, settings.port) as listener:
        app = create_app(settings)
        config = server_config(app, settings)
        on_ready(page_address(settings.host, listener.getsockname()[1]), app.state.service)
        server = _Server(config, app.state.service)
        try:
            server.run(sockets=[listener])
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


def page_address(host: str, port: int) -> str:
    """The address of the page, for a browser on this machine.

    >>> page_address("::1", 80), page_address("0.0.0.0", 8765)
    ('http://[::1]:80/', 'http://127.0.0.1:8765/')
    """
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    if ":" in shown and not shown.startswith("["):
        shown = f"[{shown}]"
    return f"http://{shown}:{port}/"


def _listen(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        # Restarting must not wait for the closed connections of the last run.
        return socket.create_server(address[:2], family=family, backlog=2048)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ServerError(f"cannot listen on {host}, port {port}: {reason}") from error
