"""``vidseek export``: write hits for other programs, or the vectors of a library to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.filters import with_filters
from vidseek.cli.jobs import ShellJob
from vidseek.cli.options import JsonOption, LibraryOption, open_library
from vidseek.cli.values import number_between, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vidseek.core.types import VideoFilter
    from vidseek.exports import ExportNote, Moment

STANDARD_INPUT = Path("-")
FORMAT_NAMES = ("json", "csv", "m3u", "html", "otio", "edl", "fcpxml", "fcp7")
ClipsOption = Annotated[
    Path | None,
    typer.Option(
        "--clips",
        metavar="DIR",
        help="Cut every moment into this folder, by stream copy: a clip begins with the keyframe "
        "before the moment.",
    ),
]
ExactOption = Annotated[
    bool,
    typer.Option("--exact", help="With --clips: encode again, to begin with the moment itself."),
]
HandlesOption = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        parser=number_between(0, 3600),
        help="Add this much before and after each moment.",
        show_default=False,
    ),
]


@with_filters
def export(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="HITS.json|OUT.parquet",
            readable=False,
            show_default=False,
            help="With --format, --out or --clips: JSON of `search` or `similar`; without or with "
            "-, standard input. Otherwise: the Parquet file to write or replace.",
        ),
    ] = None,
    *,
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="|".join(FORMAT_NAMES),
            parser=one_of(*FORMAT_NAMES),
            help="Default: by the suffix of --out.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="File to write or replace. Default: standard output.",
        ),
    ] = None,
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="Title of the list, timeline or page.")
    ] = "vidseek",
    handles: HandlesOption = 0.0,
    clips: ClipsOption = None,
    exact: ExactOption = False,
    frames: Annotated[
        bool,
        typer.Option("--frames", help="Vectors: a row per sampled frame. Default: a row per clip."),
    ] = False,
    where: VideoFilter,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Vectors of this model from `vidseek model list`. Default: the active model.",
        ),
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Write hits for other programs, or vectors to a Parquet file.

    Hits: reads what `search --json` or `similar --json` printed, and writes a table (csv, json), a
    playlist (m3u), a page (html), an edit list (edl, otio, fcpxml for Final Cut and Resolve, fcp7
    for Premiere) or clips. Moments whose file is gone are left out and named.

    Vectors: with a Parquet file only, writes the vectors of all clips or frames. The filters and
    --model are for vectors.

    \b
    Example: vidseek search "a dog" --json | vidseek export --out dogs.edl --handles 1
    """
    if format_name is None and out is None and clips is None:
        _check_parquet(file)
        assert file is not None
        _export_vectors(ctx, file, frames, where, model, library, json=json)
        return
    if frames or model is not None or not where.is_empty:
        raise typer.BadParameter("filters, --frames and --model are for vectors, not for hits")
    if exact and clips is None:
        raise typer.BadParameter("needs --clips", param_hint="--exact")
    if json and out is None and format_name is not None:
        raise typer.BadParameter("needs --out: standard output has the export", param_hint="--json")
    name = _format(format_name, out)
    _check_handles(name, handles)
    moments = _read_moments(file)
    report: dict[str, Any] = {"moments": len(moments)}
    if name is not None:
        report |= _write_list(moments, name, out, title, handles)
    if clips is not None:
        report |= cut(moments, clips, exact=exact, handles=handles)
    if json:
        output.print_json(report)
        return
    if out is not None:
        typer.echo(f"wrote {output.short_path(out.absolute())}")
    if clips is not None:
        say_clips(report["clips"], clips, aside=out is None and name is not None)


def _check_parquet(file: Path | None) -> None:
    from vidseek.exports.formats import format_of_suffix

    if file is None or file == STANDARD_INPUT or format_of_suffix(file.suffix) is not None:
        raise typer.BadParameter(
            "say what to write: --format or --out with the JSON of hits, or a Parquet file"
        )


def _format(format_name: str | None, out: Path | None) -> str | None:
    from vidseek.exports.formats import FORMATS, format_of_suffix

    if format_name is None and out is not None:
        format_name = format_of_suffix(out.suffix)
        if format_name is None:
            raise typer.BadParameter(
                f"the suffix of {output.printable(out.name)} names no format; give --format",
                param_hint="--out",
            )
    return None if format_name is None else FORMATS[format_name].name


def _check_handles(name: str | None, handles: float) -> None:
    from vidseek.exports import FORMATS

    if name is not None and handles and not FORMATS[name].takes_handles:
        raise typer.BadParameter(f"{name} takes no handles", param_hint="--handles")


def _read_moments(file: Path | None) -> list[Moment]:
    from vidseek.exports import parse_moments
    from vidseek.exports.moments import moments_of

    if file is None or file == STANDARD_INPUT:
        text = typer.get_binary_stream("stdin").read()
    else:
        text = file.read_bytes()
    return moments_of(parse_moments(text))


def _write_list(
    moments: list[Moment], name: str, out: Path | None, title: str, handles: float
) -> dict[str, Any]:
    from vidseek.exports import export_hits
    from vidseek.exports.files import write_atomically

    exported = export_hits(moments, name, title=title, handles_seconds=handles)
    if out is None:
        stdout = typer.get_binary_stream("stdout")
        stdout.write(exported.content)
        stdout.flush()
    else:
        write_atomically(out, exported.content)
    _say_notes(exported.notes)
    return {
        "path": None if out is None else str(out.absolute()),
        "format": name,
        "notes": _notes_json(exported.notes),
    }


def cut(moments: list[Moment], folder: Path, *, exact: bool, handles: float) -> dict[str, Any]:
    """Cut moments into a folder, with progress; returns what --json reports about it."""
    from vidseek.exports.cutting import cut_clips

    with ShellJob() as job:
        done = cut_clips(moments, folder, exact=exact, handles_seconds=handles, job=job)
    _say_notes(done.notes)
    return {"clips": [str(each) for each in done.files], "clip_notes": _notes_json(done.notes)}


def say_clips(files: list[str], folder: Path, *, aside: bool = False) -> None:
    """Say how many clips were written."""
    what = output.counted(len(files), "clip")
    typer.echo(f"wrote {what} to {output.short_path(folder.absolute())}", err=aside)


def _say_notes(notes: Iterable[ExportNote]) -> None:
    for note in notes:
        output.say_aside(f"vidseek: {output.short_path(note.path)}: {note.reason}")


def _notes_json(notes: Iterable[ExportNote]) -> list[dict[str, str]]:
    return [{"path": str(note.path), "reason": note.reason} for note in notes]


def _export_vectors(
    ctx: typer.Context,
    file: Path,
    frames: bool,
    where: VideoFilter,
    model: str | None,
    library: Path | None,
    *,
    json: bool,
) -> None:
    with open_library(ctx, library) as opened:
        vectors = opened.vectors("frames" if frames else "clips", where=where, model=model)
        with ShellJob() as job:
            rows = vectors.to_parquet(file, job=job)
    spec = vectors.spec
    if json:
        output.print_json(
            {
                "path": str(file.absolute()),
                "level": "frames" if frames else "clips",
                "rows": rows,
                "dimension": spec.dimension,
                "model": spec.source,
                "fingerprint": spec.fingerprint,
            }
        )
        return
    what = output.counted(rows, "frame" if frames else "clip")
    typer.echo(
        f"wrote vectors of {what}, {spec.dimension} numbers each by "
        f"{output.printable(spec.source)}, to {output.short_path(file.absolute())}"
    )
