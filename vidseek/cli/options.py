"""Options shared by several commands, and opening the library that they name."""

from __future__ import annotations

import gc
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli.questions import download_question
from vidseek.cli.values import whole_number

if TYPE_CHECKING:
    from vidseek.library import Library


def library_folder(ctx: typer.Context, folder: Path | None) -> Path:
    """The library's folder: given after the command, before it, in VIDSEEK_LIBRARY, or default."""
    from vidseek.core.paths import absolute_path
    from vidseek.library import default_library_folder

    chosen = folder or ctx.obj.library
    return default_library_folder() if chosen is None else absolute_path(chosen)


def open_library(
    ctx: typer.Context,
    folder: Path | None,
    *,
    create: bool = False,
    model: str | None = None,
    yes: bool = False,
) -> Library:
    """Open the library; with ``yes`` it may download its model without asking."""
    import vidseek

    try:
        return vidseek.open(
            library_folder(ctx, folder),
            create=create,
            encoder=model,
            confirm_download=download_question(yes=yes),
        )
    finally:
        gc.freeze()  # imported modules live until the process ends
        gc.enable()


def fetch_captioner(name: str | None, *, yes: bool) -> None:
    """Download a server's captioner, if it is not there, before the server starts.

    Args:
        name: as it was given; None for none.
        yes: download it without asking.
    """
    if name is not None:
        from vidseek.encoders.hub.captioner import fetch_captioner

        fetch_captioner(name, download_question(yes=yes))


MIN_TOKEN_CHARACTERS = 16


def access_token(host: str, token: str | None) -> tuple[str | None, bool]:
    """The token of a server, and whether it was made now, so that the user must be told.

    Raises:
        typer.BadParameter: an empty token.
    """
    from vidseek.cli import output
    from vidseek.web.settings import is_loopback

    if token is not None and not token.strip():
        raise typer.BadParameter("is empty", param_hint="--token")
    if is_loopback(host):
        return token, False
    if token is None:
        return secrets.token_urlsafe(24), True
    if len(token) < MIN_TOKEN_CHARACTERS:
        output.say_aside(f"vidseek: a token under {MIN_TOKEN_CHARACTERS} characters can be guessed")
    return token, False


HostOption = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", help="Address to listen on. Any but a loopback address needs a token."
    ),
]
PortOption = Annotated[
    int, typer.Option(metavar="PORT", parser=whole_number(0), help="Port; 0 takes a free one.")
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        envvar="VIDSEEK_TOKEN",
        show_envvar=False,
        help="Secret that every request must bring. Default: VIDSEEK_TOKEN; without it, none "
        "on a loopback address, else a new one that is printed.",
        show_default=False,
    ),
]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="NAME",
        help="Another name by which clients reach this server. May be repeated.",
    ),
]
CaptionerOption = Annotated[
    str | None,
    typer.Option(
        "--captioner",
        metavar="NAME",
        help="Write captions and answer questions with this model: hf:ORG/NAME or a folder. "
        "Clients cannot change it. Default: none.",
    ),
]
RootOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--root",
        metavar="DIR",
        readable=False,
        help="Folder of media; nothing outside is indexed, read or shown. May be repeated. "
        "Default: the folders of the library's videos.",
    ),
]
LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="DIR",
        readable=False,
        help="Folder of the library. Default: VIDSEEK_LIBRARY, or the user's data folder.",
        show_default=False,
    ),
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Download a missing model without asking.")
]
SearchModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Search with this model from `vidseek model list`: a name or fingerprint. "
        "Default: the active model.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        parser=whole_number(1),
        help="Decoding processes. Default: by the number of cores.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CountOption = Annotated[
    int,
    typer.Option("-k", metavar="N", parser=whole_number(1), help="Number of moments to return."),
]
PerVideoOption = Annotated[
    int | None,
    typer.Option(
        "--per-video", metavar="N", parser=whole_number(1), help="At most N moments per video."
    ),
]
CopiesOption = Annotated[
    bool,
    typer.Option("--copies", help="List every copy of a moment. Default: copies are one hit."),
]
