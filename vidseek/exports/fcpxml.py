"""FCPXML 1.9, which Final Cut Pro and DaVinci Resolve read.

Written here, because the adapter of OpenTimelineIO (1.0.0) has no frame duration for 23.976 and
29.97, and rounds times at these rates. Every time is an exact fraction of a second on a frame
boundary, as Apple's reference asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from vidseek.exports.cuts import Cut, common_rate
from vidseek.exports.formats import one_line
from vidseek.exports.media import Media
from vidseek.exports.moments import ExportNote


def to_fcpxml(cuts: Sequence[Cut], title: str) -> tuple[str, list[ExportNote]]:
    """A project with the cuts one after the other, at the most frequent frame rate."""
    rate, drops = common_rate(cuts)
    first = next(
        cut.media for cut in cuts if (cut.media.rate, cut.media.drop_frame) == (rate, drops)
    )
    document = Element("fcpxml", version="1.9")
    resources = _Resources(SubElement(document, "resources"))
    timeline_format = resources.format_of(first)
    for cut in cuts:
        resources.asset_of(cut.media)
    project = SubElement(document, "project", name=title)
    sequence = SubElement(
        project, "sequence", format=timeline_format, tcStart="0s", tcFormat=_tc_format(drops)
    )
    spine = SubElement(sequence, "spine")
    position = 0
    for cut in cuts:
        frames = max(1, round(cut.frames * rate / cut.media.rate))
        SubElement(
            spine,
            "asset-clip",
            name=one_line(cut.media.path.name),
            ref=resources.asset_of(cut.media),
            offset=_seconds(position, rate),
            start=_seconds(cut.media.start_frame + cut.first_frame, cut.media.rate),
            duration=_seconds(frames, rate),
            format=resources.format_of(cut.media),
            tcFormat=_tc_format(cut.media.drop_frame),
        )
        position += frames
    sequence.set("duration", _seconds(position, rate))
    ElementTree.indent(document, space="    ")
    text = ElementTree.tostring(document, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{text}\n', []


class _Resources:
    """The formats and files of a project."""

    def __init__(self, element: Element) -> None:
        self._element = element
        self._formats: dict[tuple[Fraction, int, int], str] = {}
        self._assets: dict[Media, str] = {}

    def format_of(self, media: Media) -> str:
        """The identifier of a file's frame rate and size."""
        key = media.rate, media.width, media.height
        if key not in self._formats:
            self._formats[key] = f"f{len(self._formats) + 1}"
            SubElement(
                self._element,
                "format",
                id=self._formats[key],
                frameDuration=f"{media.rate.denominator}/{media.rate.numerator}s",
                width=str(media.width),
                height=str(media.height),
            )
        return self._formats[key]

    def asset_of(self, media: Media) -> str:
        """The identifier of a file."""
        if media not in self._assets:
            format_id = self.format_of(media)
            self._assets[media] = f"a{len(self._assets) + 1}"
            asset = SubElement(
                self._element,
                "asset",
                id=self._assets[media],
                name=one_line(media.path.name),
                src=media.path.as_uri(),
                start=_seconds(media.start_frame, media.rate),
                duration=_seconds(media.duration_frames, media.rate),
                hasVideo="1",
                format=format_id,
            )
            if media.audio_channels:
                asset.set("hasAudio", "1")
                asset.set("audioSources", "1")
                asset.set("audioChannels", str(media.audio_channels))
                asset.set("audioRate", str(media.audio_rate))
        return self._assets[media]


def _seconds(frames: int, rate: Fraction) -> str:
    """A frame's time as a fraction of a second: ``1001/24000s``."""
    if frames == 0:
        return "0s"
    return f"{frames * rate.denominator}/{rate.numerator}s"


def _tc_format(drops: bool) -> str:
    return "DF" if drops else "NDF"
