"""Run a server until it is told to stop.

serve(ServerSettings(library=folder), on_ready=print)
"""

from __future__ import annotations

from collections.abc import Callable

from vidseek.web.app import create_app
from vidseek.web.listening import address_of, listen, run_app
from vidseek.web.service import Service
from vidseek.web.settings import ServerSettings


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
    with listen(settings.host, settings.port) as listener:
        app = create_app(settings)
        service: Service = app.state.service
        on_ready(address_of(settings.host, listener.getsockname()[1]), service)
        run_app(app, settings, listener, on_stop=service.stop)
