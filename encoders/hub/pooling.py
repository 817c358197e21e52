"""Reranking without training: pool a clip's frames, weighted by how well each fits the text.

X-Pool's attention without its learned matrices: a softmax over the frames' cosines with the text
weights their vectors, and the score is the cosine of the pooled vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import FrameFeatures

TEMPERATURE = 0.01
"""X-Pool's own."""
SHARE = 0.5
"""Of the pooled score in the result; the rest is the first stage's."""


def pooled_scores(
    text: NDArray[np.float32],
    clips: Sequence[FrameFeatures],
    first_stage_scores: NDArray[np.float32],
    *,
    temperature: float = TEMPERATURE,
    share: float = SHARE,
) -> NDArray[np.float32]:
    """Blend of the text-weighted and the first stage's score.

    Args:
        text: (D,) float32, L2-normalised.
        clips: K candidates' frame features, each of at least one frame.
        first_stage_scores: (K,) float32 cosines.
        temperature: of the softmax; a small value uses the best frame only.
        share: 0 gives the first stage's scores, 1 the pooled scores.

    Returns:
        (K,) float32 on the scale of cosines.
    """
    results = np.array(first_stage_scores, np.float32)
    for place, clip in enumerate(clips):
        cosines = clip.vectors @ text
        weights = np.exp((cosines - cosines.max()) / temperature)
        pooled = (weights / weights.sum()) @ clip.vectors
        score = float(pooled @ text) / max(float(np.linalg.norm(pooled)), 1e-12)
        results[place] = (1 - share) * results[place] + share * score
    return results
