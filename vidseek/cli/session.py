"""What commands on stored vectors share: opening the library, the model, warnings and JSON.

@with_session
def related(..., *, session: Session) -> None:
    with session.open() as (library, model), ShellJob() as job:
        found = library.related(..., model=model, job=job)
    session.show(lambda: [_json(each) for each in found], lambda: _print(found))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vidseek.cli import output
from vidseek.cli.expanded import Command, expand_parameter
from vidseek.cli.hints import with_hint
from vidseek.cli.options import (
    JsonOption,
    LibraryOption,
    SearchModelOption,
    YesOption,
    open_library,
)

if TYPE_CHECKING:
    from vidseek.core.types import SearchWarning
    from vidseek.encoders.base import Encoder
    from vidseek.library import Library


@dataclass(frozen=True)
class Session:
    """The library and the model that a command names, and how it prints."""

    ctx: typer.Context
    model: str | None
    yes: bool
    folder: Path | None
    json: bool

    @contextmanager
    def open(self, *, loads_model: bool = True) -> Iterator[tuple[Library, str | Encoder | None]]:
        """Open the library.

        Args:
            loads_model: load the model now, before any progress is shown, since it may have to ask
                a question; False where the model's name is enough.

        Returns:
            The library, and the model for its methods.
        """
        with open_library(self.ctx, self.folder, yes=self.yes) as library:
            yield library, library.models.encoder_for(self.model) if loads_model else self.model

    def show(
        self,
        document: Callable[[], Any],
        show: Callable[[], None],
        *,
        warnings: Iterable[SearchWarning] = (),
    ) -> None:
        """Print the warnings to stderr, and the result to stdout.

        Args:
            document: makes the result as JSON.
            show: prints it otherwise.
            warnings: of the result.
        """
        for warning in warnings:
            output.say_aside(f"vidseek: {with_hint(warning.message, warning.hint)}")
        if self.json:
            output.print_json(document())
        else:
            show()


def make_session(
    *,
    ctx: typer.Context,
    model: SearchModelOption = None,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> Session:
    """Make a session from the options of the command line."""
    return Session(ctx, model, yes, library, json)


def with_session(command: Command) -> Command:
    """Replace a command's parameter ``session`` by the options of ``make_session``."""
    return expand_parameter(command, "session", make_session)
