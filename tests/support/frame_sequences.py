"""Frame sequences of videos that do not exist, with vectors that change like those of real ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidseek.search.copies.alignment.sequence import FrameSequence

DIMENSION = 128
KNOT_SECONDS = 2.0


class SyntheticVideo:
    """A descriptor that wanders: a new random direction every two seconds, and between them."""

    def __init__(self, seed: int, seconds: float) -> None:
        knots = int(seconds / KNOT_SECONDS) + 2
        random = np.random.default_rng(seed)
        self.knots = unit_vectors(random.standard_normal((knots, DIMENSION)))
        self.seconds = seconds

    def at(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        place = np.clip(seconds / KNOT_SECONDS, 0, len(self.knots) - 1.001)
        before, share = place.astype(int), (place % 1)[:, None]
        return (1 - share) * self.knots[before] + share * self.knots[before + 1]

    def frames(
        self, start: float = 0.0, end: float | None = None, *, rate: float = 2.0, noise: float = 0.0
    ) -> FrameSequence:
        end = self.seconds if end is None else end
        times = np.arange(start, end, 1 / rate)
        return shown(self.at(times), times, noise=noise)


def unit_vectors(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def shown(
    vectors: NDArray[np.float64], times: NDArray[np.float64], *, noise: float = 0.0, seed: int = 7
) -> FrameSequence:
    """Unit vectors, moved by noise of this length: 0.5 leaves a cosine of about 0.9."""
    random = np.random.default_rng(seed)
    grain = noise * unit_vectors(random.standard_normal(vectors.shape))
    return FrameSequence(unit_vectors(unit_vectors(vectors) + grain).astype(np.float32), times)
