"""The formats of an export, and the function that writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vidseek.core import arguments
from vidseek.core.errors import ExportError
from vidseek.core.types import SearchHit
from vidseek.exports.moments import ExportNote, Moment, moments_of


@dataclass(frozen=True)
class Exported:
    """A written export."""

    content: bytes
    notes: tuple[ExportNote, ...] = ()
    """Moments that were left out or changed, and why."""


@dataclass(frozen=True)
class ExportFormat:
    """A format of an export."""

    name: str
    label: str
    """For people, such as ``Final Cut Pro XML``."""
    suffix: str
    """With the dot."""
    media_type: str
    takes_handles: bool
    """True if moments can be lengthened by handles."""
    write: Callable[[Sequence[Moment], str, float], Exported]
    """Takes moments, a title and handles in seconds."""


def _json(moments: Sequence[Moment], title: str, handles_seconds: float) -> Exported:
    from vidseek.exports.tables import to_json

    return Exported(to_json(moments))


def _csv(moments: Sequence[Moment], title: str, handles_seconds: float) -> Exported:
    from vidseek.exports.tables import to_csv

    return Exported(to_csv(moments))


def _m3u(moments: Sequence[Moment], title: str, handles_seconds: float) -> Exported:
    from vidseek.exports.tables import to_m3u

    return Exported(to_m3u(moments, title, handles_seconds))


def _html(moments: Sequence[Moment], title: str, handles_seconds: float) -> Exported:
    from vidseek.exports.contact_sheet import SheetRow, render_contact_sheet

    page = render_contact_sheet(title=title, rows=[SheetRow(title, moments)])
    return Exported(page.encode("utf-8", "replace"))


def _otio(moments: Sequence[Moment], title: str, handles_seconds: float) -> Exported:
    from vidseek.exports.timeline import to_otio

    return _written(moments, title, handles_seconds, to_otio)


def _edl(moments: Sequence[Moment], title: str, handles_seconds: float) -> Exported:
    from vidseek.exports.timeline import to_edl

    return _written(moments, title, handles_seconds, to_edl)


def _fcp7(moments: Sequence[Moment], title: str, handles_seconds: float) -> Exported:
    from vidseek.exports.timeline import to_fcp7

    return _written(moments, title, handles_seconds, to_fcp7)


def _fcpxml(moments: Sequence[Moment], title: str, handles_seconds: float) -> Exported:
    from vidseek.exports.fcpxml import to_fcpxml

    return _written(moments, title, handles_seconds, to_fcpxml)


def _written(
    moments: Sequence[Moment],
    title: str,
    handles_seconds: float,
    write: Callable[..., tuple[str, list[ExportNote]]],
) -> Exported:
    from vidseek.exports.cuts import cuts_of

    cuts, notes = cuts_of(moments, handles_seconds)
    text, more = write(cuts, one_line(title))
    return Exported(text.encode("utf-8", "replace"), (*notes, *more))


def one_line(text: str) -> str:
    """``text`` on one line and in valid Unicode, with other characters escaped."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


FORMATS: dict[str, ExportFormat] = {
    each.name: each
    for each in (
        ExportFormat("json", "JSON", ".json", "application/json", False, _json),
        ExportFormat("csv", "CSV", ".csv", "text/csv; charset=utf-8", False, _csv),
        ExportFormat("m3u", "M3U playlist", ".m3u8", "audio/x-mpegurl", True, _m3u),
        ExportFormat(
            "html", "HTML contact sheet", ".html", "text/html; charset=utf-8", False, _html
        ),
        ExportFormat("otio", "OpenTimelineIO", ".otio", "application/json", True, _otio),
        ExportFormat("edl", "CMX 3600 EDL", ".edl", "text/plain; charset=utf-8", True, _edl),
        ExportFormat("fcpxml", "Final Cut Pro XML", ".fcpxml", "application/xml", True, _fcpxml),
        ExportFormat("fcp7", "Final Cut Pro 7 XML", ".xml", "application/xml", True, _fcp7),
    )
}
"""By name. Premiere reads ``fcp7``; Final Cut Pro and Resolve read ``fcpxml``."""
MAX_HANDLES_SECONDS = 86_400.0
_SUFFIXES = {each.suffix: name for name, each in FORMATS.items()} | {".m3u": "m3u", ".htm": "html"}


def format_of_suffix(suffix: str) -> str | None:
    """The format of a file name's suffix, or None if it says nothing."""
    return _SUFFIXES.get(suffix.lower())


def export_hits(
    hits: Iterable[SearchHit | Moment],
    format: str,
    *,
    title: str = "vidseek",
    handles_seconds: float = 0.0,
) -> Exported:
    """Write hits or moments in a format.

    Args:
        hits: in the order of the export; a ``SearchResult``, or moments.
        format: a key of ``FORMATS``.
        title: of the playlist, timeline or page.
        handles_seconds: seconds to add before and after each moment, within its video.

    Returns:
        The file's bytes, and notes about moments that were left out: their file is gone, cannot be
        read or is shorter.

    Raises:
        ExportError: there is no moment, none of them can be used, or the format is unknown.
        MissingExtraError: a package for the format is not installed.
    """
    if format not in FORMATS:
        raise ExportError(f"unknown format {format!r}; known: {', '.join(FORMATS)}")
    handles_seconds = min(
        arguments.duration(handles_seconds, "handles_seconds"), MAX_HANDLES_SECONDS
    )
    return FORMATS[format].write(moments_of(hits), arguments.text(title, "title"), handles_seconds)
