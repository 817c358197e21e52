"""Moments as whole frames of their files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vidseek.core.errors import ExportError, PathNotFoundError, VideoError
from vidseek.exports.media import Media, probe_media
from vidseek.exports.moments import ExportNote, Moment


@dataclass(frozen=True)
class Cut:
    """A moment in frames of its file."""

    media: Media
    first_frame: int
    """Counted from the file's first frame."""
    frames: int
    """At least 1."""
    moment: Moment


def cuts_of(
    moments: Sequence[Moment], handles_seconds: float
) -> tuple[list[Cut], list[ExportNote]]:
    """Find the frames of moments, with handles as far as the files have them.

    Returns:
        Cuts in the order of the moments, and notes about those without one.

    Raises:
        ExportError: not one of the files can be used.
    """
    cuts: list[Cut] = []
    notes: list[ExportNote] = []
    known: dict[Path, Media | str] = {}
    for moment in moments:
        if moment.path not in known:
            known[moment.path] = _probe(moment.path)
        media = known[moment.path]
        if isinstance(media, str):
            notes.append(ExportNote(moment.path, media))
            continue
        first = media.frame_at(moment.start_seconds - handles_seconds)
        end = media.frame_at(moment.end_seconds + handles_seconds)
        length = media.duration_frames
        if media.frame_at(moment.start_seconds) >= length:
            notes.append(ExportNote(moment.path, "the file ends before the moment begins"))
            continue
        if round(moment.end_seconds * media.rate) > length + 1:
            notes.append(ExportNote(moment.path, "the moment was cut where the file ends"))
        cuts.append(Cut(media, first, max(1, end - first), moment))
    if not cuts:
        raise ExportError(
            f"no moment can be exported; the first: {notes[0].path}: {notes[0].reason}",
            path=notes[0].path,
        )
    return cuts, notes


def _probe(path: Path) -> Media | str:
    try:
        return probe_media(path)
    except PathNotFoundError:
        return "the file is gone"
    except VideoError as error:
        return error.reason


def common_rate(cuts: Sequence[Cut]) -> tuple[Fraction, bool]:
    """The most frequent frame rate, and whether its timecode drops frames; at a tie the first."""
    kinds = Counter((cut.media.rate, cut.media.drop_frame) for cut in cuts)
    return kinds.most_common(1)[0][0]
