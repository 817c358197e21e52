"""``vidseek explain``: say why a moment matches a text."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.jobs import ShellJob
from vidseek.cli.session import Session, with_session
from vidseek.cli.values import parse_instant

if TYPE_CHECKING:
    from vidseek.core.types import Explanation

_SUFFIXES = (".png", ".json")


def _parse_out(text: str) -> Path:
    path = Path(text).expanduser()
    if path.suffix.lower() not in _SUFFIXES:
        raise typer.BadParameter(f"{text!r} ends neither with .png nor with .json")
    return path


@with_session
def explain(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="The text to explain, such as that of a search.")
    ],
    video: Annotated[
        str,
        typer.Argument(
            metavar="VIDEO[@TIME]",
            help="A video of the library, and the time of a frame or a part, such as 1:05 or "
            "1:00-1:10. Default: its best frame.",
        ),
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", parser=_parse_out, help="Write a picture (.png) or all numbers (.json)."
        ),
    ] = None,
    session: Session,
) -> None:
    """Show why a moment matches a text.

    Shows where in the frame each word looks, how the score changes over the video, and how much
    each frame of the clip weighs.

    \b
    Example: vidseek explain "a dog on a beach" holiday.mp4@1:05 --out why.png
    """
    path, when = parse_instant(video)
    with session.open() as (library, model), ShellJob() as job:
        found = library.explain(text, path, when, model=model, job=job)
    if out is not None:
        _write(found, out)
    session.show(lambda: _document(found), lambda: _print(found, out), warnings=found.warnings)


def _document(found: Explanation) -> Any:
    from vidseek.exports.explanation import explanation_document

    return explanation_document(found)


def _write(found: Explanation, out: Path) -> None:
    from vidseek.core.errors import FileAccessError
    from vidseek.exports.explanation import explanation_picture
    from vidseek.exports.files import write_atomically

    if out.suffix.lower() == ".png":
        content = explanation_picture(found)
    else:
        content = json_format.dumps(_document(found), indent=2).encode()
    try:
        write_atomically(out, content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise FileAccessError(f"{out} cannot be written: {reason}", path=out) from error


def _print(found: Explanation, out: Path | None) -> None:
    span = output.span_clock(found.clip.start_seconds, found.clip.end_seconds)
    name = output.short_path(found.video.path)
    typer.echo(f"{name}  {found.seconds:.2f} s: score {found.score:.3f}")
    for each in found.maps:
        x, y = each.peak
        place = f"{x:.0%} from the left, {y:.0%} from the top"
        typer.echo(f"  {each.score:+.3f}  {output.printable(each.word)}: {place}")
    typer.echo(f"clip {span}: score {found.clip_score:.3f}")
    for frame in found.frames:
        heads = f", multi-head {sum(frame.heads) / len(frame.heads):.3f}" if frame.heads else ""
        typer.echo(
            f"  {frame.seconds:7.2f} s  score {frame.score:+.3f}, additive {frame.additive:+.3f}, "
            f"dot product {frame.dot_product:.3f}{heads}"
        )
    if out is not None:
        typer.echo(f"wrote {output.short_path(out)}")
