"""Questions that a command asks on stderr, and refuses to guess without a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer


def download_question(*, yes: bool) -> Callable[[str, int], bool]:
    """What asks, on stderr, whether a model may be downloaded.

    Without a terminal it raises typer.BadParameter: nobody is there to answer.
    """

    def ask(repository: str, size_bytes: int) -> bool:
        if yes:
            return True
        question = f"Download the model {repository}, {size_bytes:,} bytes?"
        if not sys.stdin.isatty():
            raise typer.BadParameter(f"{question} Nobody can answer here; add --yes")
        return typer.confirm(question, err=True)

    return ask


def confirm(question: str) -> None:
    """Ask on stderr; without a terminal, refuse.

    Raises:
        typer.BadParameter: nobody is there to answer.
        typer.Abort: the answer is no.
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} Nobody can answer here; add --yes")
    typer.confirm(question, abort=True, err=True)
