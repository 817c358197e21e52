"""``vidseek ask``: answer a question about a video."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.jobs import ShellJob
from vidseek.cli.session import Session, with_session
from vidseek.cli.values import parse_moment, whole_number

if TYPE_CHECKING:
    from vidseek.core.types import VideoAnswer


@with_session
def ask(
    video: Annotated[
        str,
        typer.Argument(
            metavar="VIDEO[@START-END]", help="A video of the library, or a part of it."
        ),
    ],
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="What to ask, in a sentence.")
    ],
    *,
    captioner: Annotated[
        str,
        typer.Option(
            "--captioner",
            metavar="NAME",
            help="Answer with this image-text-to-text model: hf:ORG/NAME or a folder.",
        ),
    ],
    frames: Annotated[
        int,
        typer.Option(
            "--frames", metavar="N", parser=whole_number(1), help="Frames to look at, at most."
        ),
    ] = 8,
    session: Session,
) -> None:
    """Answer a question about a video.

    Looks at the frames that are most like the question, and lists those that the answer rests on.

    \b
    Example: vidseek ask lobby.mp4 "how many people are there?" --captioner hf:ORG/NAME
    """
    path, span = parse_moment(video)
    with session.open() as (library, model):
        answerer = library.load_captioner(captioner)
        with ShellJob() as job:
            found = library.ask(
                path, question, answerer, span=span, frames=frames, model=model, job=job
            )
    session.show(lambda: _document(found), lambda: _print(found))


def _document(found: VideoAnswer) -> dict[str, Any]:
    return {
        "path": str(found.video.path),
        "question": found.question,
        "answer": found.text,
        "votes": round(found.votes, 4),
        "model": found.source,
        "frames": [
            {"seconds": round(frame.seconds, 3), "score": round(frame.score, 4)}
            for frame in found.frames
        ],
    }


def _print(found: VideoAnswer) -> None:
    typer.echo(output.printable(found.text))
    times = ", ".join(output.clock(frame.seconds) for frame in found.frames)
    typer.echo(f"  by {found.votes:.0%} of the frames looked at, at {times}")
