"""How sharp the library's copies of a picture are, compared with each other.

    sharpness = Sharpness(store)
    sharpness.is_softer((blurred.id, span), (original.id, other_span))

More pixels are worth nothing if they were made by enlarging, and a large file may be a blurred
encode. Thumbnails of the same moments show it: the variance of the Laplacian (Pech-Pacheco et al.
2000), divided by the variance of the picture so that contrast does not count. In ten films of
640 x 360, blurring with a sigma of two pixels, or shrinking to a width of 160 and enlarging, left
0.15 to 0.47 of it; H.264 at CRF 40, a crop to 56 %, brightness, letterbox, 240 lines and noise left
0.50 or more, and none of them raised it to more than 1.72. Detail finer than a thumbnail cannot be
compared: a film of 480 lines and the same film enlarged to 1080 are equally sharp here. Nor can a
GIF: the dots by which it mixes its 256 colours look like detail, so nothing is softer than a GIF.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidseek.core.spacing import evenly_spaced
from vidseek.core.types import Clip, TimeSpan, Video
from vidseek.storage.store import LibraryStore

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SOFTER_SHARE = 0.5
"""A copy with less than this share of the other's sharpness is softer."""
SIDES = (240, 160, 120, 80, 40)
"""Pictures are compared at the largest of these sizes that both have: square roots of areas, in
pixels. A thumbnail of 320 x 180 has 240."""
MAX_PICTURES = 5
"""Thumbnails of a stretch that are compared."""
MIN_CONTRAST = 4.0
"""Variance, in squared grey levels, below which a picture is flat and counts nothing."""

DITHERED_CODECS = frozenset({"gif"})
"""Codecs that mix colours by dots, which measure as detail."""

_EDGE = 2
"""Pixels cut off on each side: the ends of bars are sharp whatever they frame."""

Stretch = tuple[int, Sequence[TimeSpan]]
"""The id of a video, and parts of it."""


class Sharpness:
    """Compares copies; each thumbnail is read once."""

    def __init__(self, store: LibraryStore) -> None:
        self._store = store
        self._videos: dict[int, Video | None] = {}
        self._pictures: dict[int, _Picture | None] = {}
        """By clip; None without a thumbnail, or if that is too small."""

    def is_softer(self, copy: Stretch, other: Stretch) -> bool:
        """Whether a stretch is clearly less sharp than another that shows the same.

        False if the library has no thumbnails of one of them, or if the other is a GIF.
        """
        sharper = self._video(other[0])
        if sharper is None or sharper.codec in DITHERED_CODECS:
            return False
        ours, theirs = self._shown(copy), self._shown(other)
        if not ours or not theirs:
            return False
        level = max(_usual_level(ours), _usual_level(theirs))
        return _sharpness(ours, level) < MAX_SOFTER_SHARE * _sharpness(theirs, level)

    def _video(self, video_id: int) -> Video | None:
        if video_id not in self._videos:
            self._videos[video_id] = self._store.videos.get(video_id)
        return self._videos[video_id]

    def _shown(self, stretch: Stretch) -> list[_Picture]:
        video_id, spans = stretch
        clips = [clip for span in spans for clip in self._clips(video_id, span)]
        chosen = (self._picture(clips[row]) for row in evenly_spaced(len(clips), MAX_PICTURES))
        return [picture for picture in chosen if picture is not None]

    def _clips(self, video_id: int, span: TimeSpan) -> list[Clip]:
        clips = self._store.videos.clips_within(video_id, span)
        inside = [
            clip
            for clip in clips
            if span.start_seconds <= clip.middle_frame_seconds <= span.end_seconds
        ]
        return inside or clips

    def _picture(self, clip: Clip) -> _Picture | None:
        if clip.id not in self._pictures:
            video = self._video(clip.video_id)
            thumbnail = (
                None
                if video is None
                else self._store.read_thumbnail(video.content_hash, clip.middle_frame_seconds)
            )
            self._pictures[clip.id] = None if thumbnail is None else _picture_of(thumbnail)
        return self._pictures[clip.id]


@dataclass(frozen=True)
class _Picture:
    """A thumbnail without bars, in grey."""

    grey: Image
    level: int
    """The largest of ``SIDES`` that it has."""
    _measured: dict[int, tuple[float, float]] = field(default_factory=dict)

    def variances(self, level: int) -> tuple[float, float]:
        """Variance of the Laplacian and of the picture at one of ``SIDES``; 0 if it is flat."""
        if level not in self._measured:
            self._measured[level] = self._measure(SIDES[level])
        return self._measured[level]

    def _measure(self, wanted_side: int) -> tuple[float, float]:
        from PIL import Image

        width, height = self.grey.size
        scale = min(1.0, wanted_side / (width * height) ** 0.5)
        size = max(3, round(width * scale)), max(3, round(height * scale))
        pixels = np.asarray(self.grey.resize(size, Image.Resampling.BOX), np.float32)
        contrast = float(pixels.var())
        if contrast < MIN_CONTRAST:
            return 0.0, 0.0
        neighbours = pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:]
        return float((neighbours - 4 * pixels[1:-1, 1:-1]).var()), contrast


def _picture_of(thumbnail: NDArray[np.uint8]) -> _Picture | None:
    from PIL import Image

    from vidseek.video.bars import without_bars

    shown = without_bars(thumbnail[None])[0][_EDGE:-_EDGE, _EDGE:-_EDGE]
    height, width = shown.shape[:2]
    side = (max(width, 0) * max(height, 0)) ** 0.5 + 2 * _EDGE
    level = next((level for level, wanted in enumerate(SIDES) if wanted <= side), None)
    return None if level is None else _Picture(Image.fromarray(shown).convert("L"), level)


def _usual_level(pictures: Sequence[_Picture]) -> int:
    return sorted(picture.level for picture in pictures)[len(pictures) // 2]


def _sharpness(pictures: Sequence[_Picture], level: int) -> float:
    """Of the pictures that have that size together; bright and busy pictures count most."""
    measured = [picture.variances(level) for picture in pictures if picture.level <= level]
    contrast = sum(contrast for _, contrast in measured)
    return sum(laplacian for laplacian, _ in measured) / contrast if contrast > 0 else 0.0


def sharpness_of(picture: NDArray[np.uint8]) -> float | None:
    """How sharp a picture is: comparable among pictures of one size.

    Args:
        picture: (H, W, 3) uint8 RGB.

    Returns:
        Variance of the Laplacian divided by that of the picture; None if it is flat or too small.
    """
    shown = _picture_of(picture)
    if shown is None:
        return None
    laplacian, contrast = shown.variances(shown.level)
    return laplacian / contrast if contrast > 0 else None
