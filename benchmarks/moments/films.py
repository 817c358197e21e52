"""Videos as clips and vectors, and scenes of them as queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import Clip, TimeSpan
from vidseek.encoders.base import Encoder


@dataclass(frozen=True)
class Film:
    """The clips of a video and the vectors that are kept of them."""

    clips: list[Clip]
    """Their ``video_id`` is the film's position in its list."""
    vectors: NDArray[np.float32]
    """(C, D) of the clips."""
    frames: list[NDArray[np.float32]]
    """(F, D) of each clip's frames."""
    corrections: NDArray[np.float32]
    """(C,) added to the clips' cosines, for hubs."""

    def scores(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """(C,) by which search orders the clips."""
        scores: NDArray[np.float32] = self.vectors @ query + self.corrections
        return scores


def hub_corrections(encoder: Encoder, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(C,) of (C, D) clip vectors; 0 where the encoder knows no hubs."""
    hubness = encoder.hubness
    return np.zeros(len(vectors), np.float32) if hubness is None else hubness.corrections(vectors)


@dataclass(frozen=True)
class Scene:
    """What a sentence describes."""

    film: int
    span: TimeSpan
    query: NDArray[np.float32]
    """(D,) of the sentence."""
