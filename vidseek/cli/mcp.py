"""``vidseek mcp``: the library as tools of an assistant."""

from __future__ import annotations

import gc
from importlib.util import find_spec
from typing import Annotated

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


def mcp(
    ctx: typer.Context,
    root: RootOption = None,
    allow_write: Annotated[
        bool,
        typer.Option("--allow-write", help="Offer the tools that index videos and write captions."),
    ] = False,
    http: Annotated[
        bool,
        typer.Option("--http", help="Serve several assistants over HTTP, at --host and --port."),
    ] = False,
    host: HostOption = "127.0.0.1",
    port: PortOption = 8766,
    token: TokenOption = None,
    allow_host: AllowHostOption = None,
    captioner: CaptionerOption = None,
    yes: YesOption = False,
    library: LibraryOption = None,
) -> None:
    """Offer the library to assistants (Model Context Protocol).

    The assistant starts it and talks to it through standard input and output, or, with --http,
    reaches it at an address. See docs/how-to/use-from-an-assistant.md.

    \b
    Example: vidseek mcp --root ~/Movies
    """
    _check_extra()
    from vidseek.cli.hints import shell_hint
    from vidseek.core.paths import absolute_path
    from vidseek.mcp.server import serve_http, serve_stdio
    from vidseek.web.settings import ServerSettings

    gc.freeze()  # imported modules live until the process ends
    gc.enable()
    folder = library_folder(ctx, library)
    roots = tuple(absolute_path(each) for each in root or ())
    fetch_captioner(captioner, yes=yes)
    if not http:
        _refuse_addresses(ctx)
        settings = ServerSettings(library=folder, roots=roots, captioner=captioner)
        serve_stdio(settings, allow_write=allow_write, word_hint=shell_hint)
        return
    token, is_new_token = access_token(host, token)

    def tell(address: str) -> None:
        typer.echo(f"vidseek: assistants reach {output.short_path(folder)} at {address}")
        if is_new_token:
            typer.echo(f"vidseek: the token is {token}")

    settings = ServerSettings(
        library=folder,
        roots=roots,
        host=host,
        port=port,
        token=token,
        allowed_hosts=tuple(allow_host or ()),
        captioner=captioner,
    )
    serve_http(settings, allow_write=allow_write, word_hint=shell_hint, on_ready=tell)


def _refuse_addresses(ctx: typer.Context) -> None:
    """Refuse options that would change nothing."""
    for name in ("host", "port", "token", "allow_host"):
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter("needs --http", param_hint=option)


def _check_extra() -> None:
    from vidseek.core.errors import Hint, MissingExtraError

    for module in ("mcp", "uvicorn"):
        if find_spec(module) is None:
            raise MissingExtraError(
                f"the server for assistants needs the package {module}, which is not installed",
                hint=Hint("install_extra", {"extra": "mcp"}),
            )
