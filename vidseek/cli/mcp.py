"""``vidseek mcp``: the library as tools of an assistant."""

from __future__ import annotations

import gc
from importlib.util import find_spec
from typing import Annotated

import typer

from vidseek.cli.options import LibraryOption, RootOption, library_folder


def mcp(
    ctx: typer.Context,
    root: RootOption = None,
    allow_write: Annotated[
        bool, typer.Option("--allow-write", help="Offer the tool that indexes videos.")
    ] = False,
    library: LibraryOption = None,
) -> None:
    """Offer the library to an assistant, over the Model Context Protocol.

    The assistant starts it and talks to it through standard input and output. See
    docs/how-to/use-from-an-assistant.md.

    \b
    Example: vidseek mcp --root ~/Movies
    """
    _check_extra()
    from vidseek.cli.hints import shell_hint
    from vidseek.core.paths import absolute_path
    from vidseek.mcp.server import serve_stdio

    gc.freeze()  # imported modules live until the process ends
    gc.enable()
    serve_stdio(
        library_folder(ctx, library),
        [absolute_path(folder) for folder in root or ()],
        allow_write=allow_write,
        word_hint=shell_hint,
    )


def _check_extra() -> None:
    from vidseek.core.errors import Hint, MissingExtraError

    for module in ("mcp", "fastapi"):
        if find_spec(module) is None:
            raise MissingExtraError(
                f"the server for assistants needs the package {module}, which is not installed",
                hint=Hint("install_extra", {"extra": "mcp"}),
            )
