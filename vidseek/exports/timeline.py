"""OTIO, CMX 3600 EDL and Final Cut Pro 7 XML, by OpenTimelineIO."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from vidseek.core.errors import Hint, MissingExtraError
from vidseek.exports.cuts import Cut, common_rate
from vidseek.exports.formats import one_line
from vidseek.exports.media import Media
from vidseek.exports.moments import ExportNote

if TYPE_CHECKING:
    from opentimelineio.opentime import TimeRange
    from opentimelineio.schema import Clip, Timeline

REEL_CHARACTERS = 8
MAX_EDL_EVENTS = 999


def to_otio(cuts: Sequence[Cut], title: str) -> tuple[str, list[ExportNote]]:
    """An OpenTimelineIO timeline in JSON; each clip keeps the rate of its file."""
    return _write(_timeline(cuts, title, sound=True), "otio_json"), []


def to_fcp7(cuts: Sequence[Cut], title: str) -> tuple[str, list[ExportNote]]:
    """Final Cut Pro 7 XML (xmeml), which Premiere reads."""
    return _write(_timeline(cuts, title, sound=True), "fcp_xml"), []


def to_edl(cuts: Sequence[Cut], title: str) -> tuple[str, list[ExportNote]]:
    """A CMX 3600 EDL. It has one frame rate: the most frequent one of the files.

    The adapter labels every frame at 29.97 and 59.94 with drop-frame timecode. Timecode that drops
    none is the label of the same frame at 30 and 60, so that such lists are written at these.
    """
    rate, drops = common_rate(cuts)
    notes = [
        ExportNote(
            cut.media.path,
            f"its frame rate is {float(cut.media.rate):.5g}, and the EDL's {float(rate):.5g}: "
            "its times are rounded to frames of the EDL",
        )
        for cut in _first_of_each_file(cuts)
        if cut.media.rate != rate
    ]
    if len(cuts) > MAX_EDL_EVENTS:
        reason = f"some programs read the first {MAX_EDL_EVENTS} events of an EDL only"
        notes.append(ExportNote(cuts[MAX_EDL_EVENTS].media.path, reason))
    label_rate = rate if drops else Fraction(round(rate)) if _is_2997(rate) else rate
    cuts = [_at_rate(cut, rate, label_rate) for cut in cuts]
    timeline = _timeline(cuts, title, sound=False)
    reels = _reels(cuts)
    for clip, cut in zip(timeline.tracks[0], cuts, strict=True):
        clip.metadata["cmx_3600"] = {"reel": reels[cut.media]}
    text = _write(timeline, "cmx_3600", reelname_len=None)
    mode = "DROP FRAME" if drops else "NON-DROP FRAME"
    heading, _, events = text.partition("\n\n")
    return f"{heading}\nFCM: {mode}\n\n{events}", notes


def _is_2997(rate: Fraction) -> bool:
    return rate in (Fraction(30_000, 1001), Fraction(60_000, 1001))


def _first_of_each_file(cuts: Sequence[Cut]) -> list[Cut]:
    return list({cut.media.path: cut for cut in reversed(cuts)}.values())[::-1]


def _at_rate(cut: Cut, rate: Fraction, label_rate: Fraction) -> Cut:
    """The cut in frames of another rate, of which the frames are labelled at a third."""
    media = cut.media
    if media.rate != rate:
        scale = rate / media.rate
        first = round(cut.first_frame * scale)
        end = round((cut.first_frame + cut.frames) * scale)
        cut = replace(cut, first_frame=first, frames=max(1, end - first))
        media = replace(
            media,
            start_frame=round(media.start_frame * scale),
            duration_frames=max(1, round(media.duration_frames * scale)),
        )
    return replace(cut, media=replace(media, rate=label_rate))


def _reels(cuts: Sequence[Cut]) -> dict[Media, str]:
    """A reel name of at most 8 letters and digits for each file; no two files share one."""
    reels: dict[Media, str] = {}
    for cut in cuts:
        if cut.media in reels:
            continue
        name = cut.media.reel or cut.media.path.stem
        stem = re.sub(r"[^A-Za-z0-9]", "", name)[:REEL_CHARACTERS] or "AX"
        reel, number = stem, 2
        while reel in reels.values():
            reel = f"{stem[: REEL_CHARACTERS - len(str(number))]}{number}"
            number += 1
        reels[cut.media] = reel
    return reels


def _timeline(cuts: Sequence[Cut], title: str, *, sound: bool) -> Timeline:
    otio = _otio()
    timeline = otio.schema.Timeline(title)
    picture = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    picture.extend([_clip(cut) for cut in cuts])
    timeline.tracks.append(picture)
    if sound and any(cut.media.audio_channels for cut in cuts):
        track = otio.schema.Track("A1", kind=otio.schema.TrackKind.Audio)
        track.extend([_clip(cut) if cut.media.audio_channels else _gap(cut) for cut in cuts])
        timeline.tracks.append(track)
    return timeline


def _clip(cut: Cut) -> Clip:
    otio = _otio()
    media = cut.media
    reference = otio.schema.ExternalReference(
        target_url=media.path.as_uri(),
        available_range=_range(media, 0, media.duration_frames),
    )
    reference.name = one_line(media.path.name)
    if media.drop_frame:
        reference.metadata["fcp_xml"] = {
            "timecode": {
                "rate": {"timebase": str(round(media.rate)), "ntsc": "TRUE"},
                "displayformat": "DF",
            }
        }
    clip = otio.schema.Clip(
        one_line(media.path.name),
        media_reference=reference,
        source_range=_range(media, cut.first_frame, cut.frames),
    )
    moment = cut.moment
    clip.metadata["vidseek"] = {
        key: value
        for key, value in moment.to_json().items()
        if value is not None and key not in ("path", "thumbnail")
    }
    return clip


def _gap(cut: Cut) -> Any:
    otio = _otio()
    duration = otio.opentime.RationalTime(cut.frames, float(cut.media.rate))
    return otio.schema.Gap(duration=duration)


def _range(media: Media, first_frame: int, frames: int) -> TimeRange:
    opentime = _otio().opentime
    rate = float(media.rate)
    return opentime.TimeRange(
        opentime.RationalTime(media.start_frame + first_frame, rate),
        opentime.RationalTime(frames, rate),
    )


def _write(timeline: Timeline, adapter: str, **options: Any) -> str:
    otio = _otio()
    try:
        return str(otio.adapters.write_to_string(timeline, adapter, **options))
    except otio.exceptions.NotSupportedError as error:
        raise _missing("an adapter of OpenTimelineIO") from error


def _otio() -> Any:
    try:
        import opentimelineio
    except ImportError as error:
        raise _missing("OpenTimelineIO") from error
    return opentimelineio


def _missing(package: str) -> MissingExtraError:
    return MissingExtraError(
        f"{package} is not installed, which writes this format",
        hint=Hint("install_extra", {"extra": "export"}),
    )
