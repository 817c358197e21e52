"""``vidseek open``: play a hit of the last search."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli import output
from vidseek.cli.last_search import last_hits
from vidseek.cli.options import JsonOption, LibraryOption, open_library
from vidseek.cli.values import whole_number

if TYPE_CHECKING:
    from vidseek.exports import Moment

_VLC_PLACES = {
    "darwin": Path("/Applications/VLC.app/Contents/MacOS/VLC"),
    "win32": Path("C:/Program Files/VideoLAN/VLC/vlc.exe"),
}
_OPENERS = {"darwin": "open", "linux": "xdg-open"}


def open_hit(
    ctx: typer.Context,
    number: Annotated[
        int,
        typer.Argument(
            metavar="HIT", parser=whole_number(1), help="Its number in the last search, from 1."
        ),
    ],
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Play a hit of the last search.

    Starts mpv or VLC, whichever is installed, at the second where the hit begins; otherwise the
    default player, which begins with the video.

    \b
    Example: vidseek open 3
    """
    from vidseek.core.errors import PathNotFoundError

    with open_library(ctx, library) as opened:
        hits = last_hits(opened.folder)
    if not hits:
        raise typer.BadParameter(
            "there is no last search of this library; search first", param_hint="HIT"
        )
    if number > len(hits):
        what = output.counted(len(hits), "hit")
        raise typer.BadParameter(f"the last search showed {what}", param_hint="HIT")
    moment = hits[number - 1]
    if not moment.path.exists():
        raise PathNotFoundError(f"{moment.path} does not exist", path=moment.path)
    command = player_command(moment)
    subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if json:
        output.print_json({**moment.to_json(), "player": command[0]})
        return
    at = output.clock(moment.start_seconds)
    typer.echo(f"playing {output.short_path(moment.path)} at {at} with {Path(command[0]).name}")


def player_command(moment: Moment) -> list[str]:
    """The command that plays a moment.

    Raises:
        FileAccessError: there is no player.
    """
    from vidseek.core.errors import FileAccessError, Hint

    start = f"{moment.start_seconds:.3f}"
    if mpv := shutil.which("mpv"):
        return [mpv, f"--start={start}", "--", str(moment.path)]
    vlc = shutil.which("vlc")
    place = _VLC_PLACES.get(sys.platform)
    if vlc is None and place is not None and place.exists():
        vlc = str(place)
    if vlc is not None:
        return [vlc, f"--start-time={start}", str(moment.path)]
    if os.name == "nt":
        return ["explorer", str(moment.path)]
    if opener := shutil.which(_OPENERS.get(sys.platform, "xdg-open")):
        return [opener, str(moment.path)]
    raise FileAccessError("no program to play videos is installed", hint=Hint("install_player"))
