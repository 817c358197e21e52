"""The application: global options, how errors end a run, and the list of commands."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from vidseek import __version__
from vidseek.cli import (
    ask,
    calibrate,
    check,
    classify,
    describe,
    doctor,
    duplicates,
    evaluate,
    explain,
    export,
    failed,
    index,
    info,
    label,
    list_videos,
    mcp,
    model,
    models,
    oneshot,
    open_hit,
    outliers,
    related,
    relocate,
    remove,
    search,
    serve,
    similar,
    summary,
    train,
)
from vidseek.cli.errors import report_failure
from vidseek.cli.exit_codes import EXIT_INTERRUPTED
from vidseek.cli.output import say_aside
from vidseek.cli.priority import process_is_a_command


@dataclass(frozen=True)
class Settings:
    """The options given before the command."""

    library: Path | None = None
    """Folder of the library; None for the default."""
    debug: bool = False
    """Show tracebacks and the full log."""


class Commands(TyperGroup):
    """The commands; every error ends in one line on stderr and an exit code."""

    def main(self, args: Sequence[str] | None = None, *positional: Any, **options: Any) -> Any:
        """Run a command, and report the error that ends it."""
        words = sys.argv[1:] if args is None else list(args)
        options["standalone_mode"] = False
        try:
            code = super().main(args, *positional, **options)
        except BrokenPipeError:
            raise  # the reader closed the pipe
        except (Exception, KeyboardInterrupt) as error:
            code = report_failure(error, json=_asks_for_json(words))
        sys.exit(code or 0)


def _asks_for_json(words: Sequence[str]) -> bool:
    """Whether the command line has --json, also where it cannot be parsed."""
    end = words.index("--") if "--" in words else len(words)
    return "--json" in words[:end]


class Command(TyperCommand):
    """A command whose help lists arguments by the name that the usage line shows."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Build the usage line with ``TEXT``; newer versions of typer write ``{TEXT}``."""
        return [
            piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)
        ]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options."""
        arguments, options = [], []
        for param in self.get_params(ctx):
            if param.param_type_name == "argument":
                arguments.append((param.metavar, param.help))  # type: ignore[attr-defined]
            elif (record := param.get_help_record(ctx)) is not None:
                options.append(record)
        for heading, records in (("Arguments", arguments), ("Options", options)):
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


class _StderrLog(logging.Handler):
    """Writes to the current sys.stderr, which a progress display replaces while it runs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        say_aside(f"vidseek: {self.format(record)}")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vidseek {__version__}")
        raise typer.Exit()


def _start(
    ctx: typer.Context,
    library: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            readable=False,
            envvar="VIDSEEK_LIBRARY",
            help="Folder of the library. May also be given after the command.",
        ),
    ] = None,
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar="VIDSEEK_DEBUG", help="Show the full log and tracebacks."),
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Find moments in your videos by text, picture or example video, and detect copies.

    Index a folder once, then search it. Nothing leaves this machine.

    Exit codes: 0 success, 1 error, 2 wrong usage, 3 not found, 4 library locked, 5 disk, 10 copy
    found (check), 70 internal error, 130 interrupted. With --json an error is a document on stdout.
    """
    ctx.obj = Settings(library, debug)
    handler = _StderrLog()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger = logging.getLogger("vidseek")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)


def _make_app() -> typer.Typer:
    # Plain help and errors: importing rich takes longer than running a command.
    application = typer.Typer(
        cls=Commands,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.callback()(_start)
    commands: dict[str, Callable[..., None]] = {
        "index": index.index,
        "search": search.search,
        "similar": similar.similar,
        "related": related.related,
        "summary": summary.summary,
        "outliers": outliers.outliers,
        "oneshot": oneshot.oneshot,
        "open": open_hit.open_hit,
        "explain": explain.explain,
        "check": check.check,
        "classify": classify.classify,
        "describe": describe.describe,
        "ask": ask.ask,
        "duplicates": duplicates.duplicates,
        "calibrate": calibrate.calibrate,
        "evaluate": evaluate.evaluate,
        "export": export.export,
        "list": list_videos.list_videos,
        "info": info.info,
        "failed": failed.failed,
        "remove": remove.remove,
        "relocate": relocate.relocate,
        "models": models.models,
        "train": train.train,
        "serve": serve.serve,
        "mcp": mcp.mcp,
        "doctor": doctor.doctor,
    }
    for name, command in commands.items():
        application.command(name, cls=Command)(command)
    application.add_typer(_make_model_app(), name="model")
    application.add_typer(_make_label_app(), name="label")
    return application


def _make_model_app() -> typer.Typer:
    group = typer.Typer(
        cls=TyperGroup,
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Add, switch, drop and list the models of a library.",
    )
    group.command("add", cls=Command)(model.add)
    group.command("switch", cls=Command)(model.switch)
    group.command("drop", cls=Command)(model.drop)
    group.command("list", cls=Command)(model.list_models)
    return group


def _make_label_app() -> typer.Typer:
    group = typer.Typer(
        cls=TyperGroup,
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Label moments, and teach the library to recognise the labels.",
    )
    group.command("add", cls=Command)(label.add)
    group.command("remove", cls=Command)(label.remove)
    group.command("train", cls=Command)(label.train)
    group.command("list", cls=Command)(label.list_labels)
    return group


app = _make_app()


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # Collecting garbage during the imports takes a tenth of a cold query and finds none.
    # `open_library` turns the collector on again, once the imports are done.
    gc.disable()
    process_is_a_command()
    for stream in (sys.stdout, sys.stderr):
        # A file name that the terminal cannot show must not end a run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="vidseek")
    except KeyboardInterrupt:
        os._exit(EXIT_INTERRUPTED)
