"""Videos as clips and vectors, and scenes of them as queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import Clip, TimeSpan
from vidseek.encoders.base import Encoder


@dataclass(frozen=True)
class Film:
    """The clips of a video and their stored vectors."""

    clips: list[Clip]
    """Their ``video_id`` is the film's position in its list."""
    vectors: NDArray[np.float32]
    """(C, D) clip vectors."""
    frames: list[NDArray[np.float32]]
    """For each clip (F, D) frame vectors."""
    corrections: NDArray[np.float32]
    """(C,) hubness corrections, added to the clips' cosines."""

    def scores(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """(C,) scores by which a search ranks the clips."""
        scores: NDArray[np.float32] = self.vectors @ query + self.corrections
        return scores


def hub_corrections(encoder: Encoder, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(C,) hubness corrections of (C, D) clip vectors; 0 if the encoder has none."""
    hubness = encoder.hubness
    return np.zeros(len(vectors), np.float32) if hubness is None else hubness.corrections(vectors)


@dataclass(frozen=True)
class Scene:
    """A scene and the sentence that describes it."""

    film: int
    span: TimeSpan
    query: NDArray[np.float32]
    """(D,) vector of the sentence."""
