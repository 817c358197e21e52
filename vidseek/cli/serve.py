"""``vidseek serve``: the web page and the HTTP API of a library."""

from __future__ import annotations

import secrets
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli import output
from vidseek.cli.options import LibraryOption, RootOption, library_folder
from vidseek.cli.values import whole_number

if TYPE_CHECKING:
    from vidseek.web.service import Service

MIN_TOKEN_CHARACTERS = 16


def serve(
    ctx: typer.Context,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on. Any but a loopback address needs a token.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", parser=whole_number(0), help="Port; 0 takes a free one.")
    ] = 8765,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            envvar="VIDSEEK_TOKEN",
            show_envvar=False,
            help="Secret that every request must bring. Default: VIDSEEK_TOKEN; without it, none "
            "on a loopback address, else a new one that is printed.",
            show_default=False,
        ),
    ] = None,
    root: RootOption = None,
    uploads: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            readable=False,
            help="Folder inside a root for uploads that are checked and added.",
            show_default=False,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="Another name by which browsers reach this server. May be repeated.",
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Refuse everything that changes the library.")
    ] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    library: LibraryOption = None,
) -> None:
    """Serve the web page and the HTTP API.

    It listens on this machine only, until Ctrl-C. See docs/reference/http-api.md.

    \b
    Example: vidseek serve --root ~/Movies --open
    """
    _check_extra()
    from vidseek.core.paths import absolute_path
    from vidseek.web.serve import serve as run
    from vidseek.web.settings import ServerSettings, is_loopback

    made = None
    if token is not None and not token.strip():
        raise typer.BadParameter("is empty", param_hint="--token")
    if token is None and not is_loopback(host):
        token = made = secrets.token_urlsafe(24)
    elif token is not None and len(token) < MIN_TOKEN_CHARACTERS and not is_loopback(host):
        output.say_aside(f"vidseek: a token under {MIN_TOKEN_CHARACTERS} characters can be guessed")
    settings = ServerSettings(
        library=library_folder(ctx, library),
        roots=tuple(absolute_path(folder) for folder in root or ()),
        uploads=None if uploads is None else absolute_path(uploads),
        host=host,
        port=port,
        token=token,
        allowed_hosts=tuple(allow_host or ()),
        read_only=read_only,
    )

    def tell(address: str, service: Service) -> None:
        typer.echo(f"vidseek: serving {output.short_path(service.library.folder)} at {address}")
        for folder in service.roots.folders:
            typer.echo(f"vidseek: media in {output.short_path(folder)}")
        if made is not None:
            typer.echo(f"vidseek: the token is {made}")
        if open_page:
            webbrowser.open(address)

    run(settings, on_ready=tell)


def _check_extra() -> None:
    from vidseek.core.errors import Hint, MissingExtraError

    for module in ("fastapi", "uvicorn", "jinja2", "python_multipart", "prometheus_client"):
        if find_spec(module) is None:
            raise MissingExtraError(
                f"a server needs the package {module}, which is not installed",
                hint=Hint("install_extra", {"extra": "web"}),
            )
