"""Questions asked on stderr; without a terminal to answer them, they are errors."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer


def download_question(*, yes: bool) -> Callable[[str, int], bool]:
    """Make the question, asked on stderr, whether a model may be downloaded.

    Args:
        yes: agree without asking.

    Returns:
        Takes a repository and a size in bytes. Without a terminal it raises typer.BadParameter.
    """

    def ask(repository: str, size_bytes: int) -> bool:
        if yes:
            return True
        question = f"Download the model {repository}, {size_bytes:,} bytes?"
        if not sys.stdin.isatty():
            raise typer.BadParameter(
                f"{question} There is no terminal to ask on; add --yes to agree"
            )
        return typer.confirm(question, err=True)

    return ask


def confirm(question: str) -> None:
    """Ask on stderr whether to go on.

    Raises:
        typer.BadParameter: there is no terminal to ask on.
        typer.Abort: the answer is no.
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} No terminal to ask on; add --yes to agree")
    typer.confirm(question, abort=True, err=True)
