"""``vidseek serve``: the web page and the HTTP API of a library."""

from __future__ import annotations

import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli import output
from vidseek.cli.options import (
    AllowHostOption,
    CaptionerOption,
    HostOption,
    LibraryOption,
    PortOption,
    RootOption,
    TokenOption,
    YesOption,
    access_token,
    fetch_captioner,
    library_folder,
)

if TYPE_CHECKING:
    from vidseek.web.service import Service


def serve(
    ctx: typer.Context,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8765,
    token: TokenOption = None,
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
    allow_host: AllowHostOption = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Refuse everything that changes the library.")
    ] = False,
    captioner: CaptionerOption = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    yes: YesOption = False,
    library: LibraryOption = None,
) -> None:
    """Serve the web page and the HTTP API.

    Only this machine can reach it, unless --host says otherwise. Ctrl-C ends it. See
    docs/reference/http-api.md.

    \b
    Example: vidseek serve --root ~/Movies --open
    """
    _check_extra()
    from vidseek.core.paths import absolute_path
    from vidseek.web.serve import serve as run
    from vidseek.web.settings import ServerSettings

    token, is_new_token = access_token(host, token)
    settings = ServerSettings(
        library=library_folder(ctx, library),
        roots=tuple(absolute_path(folder) for folder in root or ()),
        uploads=None if uploads is None else absolute_path(uploads),
        host=host,
        port=port,
        token=token,
        allowed_hosts=tuple(allow_host or ()),
        read_only=read_only,
        captioner=captioner,
    )
    fetch_captioner(captioner, yes=yes)

    def tell(address: str, service: Service) -> None:
        typer.echo(f"vidseek: serving {output.short_path(service.library.folder)} at {address}")
        for folder in service.roots.folders:
            typer.echo(f"vidseek: media in {output.short_path(folder)}")
        if is_new_token:
            typer.echo(f"vidseek: the token is {token}")
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
