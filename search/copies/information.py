"""How much of a video a stretch of it is, counted in what it shows instead of in seconds.

    information = Information.of_frames(sequence)
    information.share([TimeSpan(0, 100)])       # of a card of 100 s before 18 s of film: 0.18

A card that stays for 100 s says no more than a card that stays for four: a picture counts for at
most ``STILL_SECONDS``, however long and however often it is shown. Flat frames have no descriptor
and count nothing, and neither does time in which a file with a broken clock has no frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.core.spacing import evenly_spaced
from vidseek.core.types import TimeSpan
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.search.copies.alignment.stretch import (
    MAX_STILL_DISTINCT,
    MIN_STILL_FRAMES,
    alikeness,
)
from vidseek.search.copies.boilerplate import merged

STILL_SECONDS = 4.0
"""The time that a single picture counts for at most."""
MAX_FRAMES = 512
"""Evenly spaced frames of a longer video that are compared with each other."""


@dataclass(frozen=True)
class Information:
    """What each second of a video counts for."""

    times: NDArray[np.float64]
    """(K,) ascending seconds between which the weights are constant."""
    seconds: NDArray[np.float64]
    """(K,) weighted seconds before each time."""
    shown: NDArray[np.float64]
    """(K,) seconds with frames before each time."""
    distinct: NDArray[np.float64]
    """(K,) distinct frames before each time."""

    @classmethod
    def of_frames(cls, sequence: FrameSequence) -> Information:
        """The information of a video with these descriptors."""
        rows = evenly_spaced(len(sequence), MAX_FRAMES)
        at, vectors = sequence.seconds[rows], sequence.vectors[rows]
        if len(at) == 0:
            return cls(*(np.zeros(1) for _ in range(4)))
        gaps = np.diff(at)
        # A frame stands for the time until halfway to its neighbours, unless they are far away.
        usual = float(np.median(gaps)) if len(gaps) else STILL_SECONDS
        reach = max(STILL_SECONDS, usual) / 2
        before = np.minimum(np.append(min(at[0], usual / 2), gaps / 2), reach)
        after = np.minimum(np.append(gaps / 2, usual / 2), reach)
        lengths = before + after
        alike = alikeness(vectors)
        weights = np.minimum(1.0, STILL_SECONDS / np.maximum(alike @ lengths, 1e-9))
        distinct = 1 / alike.sum(axis=1)
        times = np.stack([at - before, at + after], axis=1).ravel()

        def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
            steps = np.stack([np.zeros(len(values)), values], axis=1).ravel()
            return np.cumsum(steps)

        return cls(times, total(weights * lengths), total(lengths), total(distinct))

    def counted_seconds(self, spans: Sequence[TimeSpan]) -> float:
        """Seconds of these stretches, of each picture at most ``STILL_SECONDS``."""
        return self._within(self.seconds, spans)

    def share(self, spans: Sequence[TimeSpan]) -> float:
        """The share of the video's information in these stretches, 0 to 1."""
        whole = float(self.seconds[-1])
        return min(1.0, self.counted_seconds(spans) / whole) if whole > 0 else 0.0

    def is_still(self, spans: Sequence[TimeSpan]) -> bool:
        """True if these stretches show a single picture, or next to nothing of the video."""
        return (
            len(self.times) >= 2 * MIN_STILL_FRAMES
            and self._within(self.distinct, spans) <= MAX_STILL_DISTINCT
        )

    @property
    def shown_seconds(self) -> float:
        """The seconds that have frames other than flat ones."""
        return float(self.shown[-1])

    def _within(self, sums: NDArray[np.float64], spans: Sequence[TimeSpan]) -> float:
        ends = np.array([(span.start_seconds, span.end_seconds) for span in merged(list(spans))])
        if len(ends) == 0:
            return 0.0
        return float(np.diff(np.interp(ends, self.times, sums), axis=1).sum())
