"""Checks of what an encoder returns, which may be the caller's own.

vectors = text_vectors(encoder, ["a dog catching a frisbee"])

A wrong shape would otherwise surface as an error of the index or the database, and vectors of other
lengths than 1 as a silently wrong order of hits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import EncoderError
from vidseek.core.types import EncoderSpec, FrameFeatures
from vidseek.encoders.base import Encoder

LENGTH_TOLERANCE = 0.01
"""Lengths this close to 1 are left alone: the rounding of float16 and bfloat16 is smaller."""


def text_vectors(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Encode texts.

    Returns:
        (len(texts), D) float32, L2-normalised.

    Raises:
        EncoderError: the encoder returned another shape, or a value that is not finite.
    """
    return unit_vectors(encoder.encode_text(texts), len(texts), encoder.spec, "encode_text")


def frame_features(encoder: Encoder, frames: NDArray[np.uint8]) -> FrameFeatures:
    """Encode frames.

    Args:
        encoder: the encoder.
        frames: (N, H, W, 3) uint8 RGB.

    Raises:
        EncoderError: the encoder returned another shape, or a value that is not finite.
    """
    features = encoder.encode_frames(frames)
    if not isinstance(features, FrameFeatures):
        raise EncoderError(
            f"{encoder.spec.source}: encode_frames returned {type(features).__name__}, not "
            "FrameFeatures"
        )
    vectors = unit_vectors(features.vectors, len(frames), encoder.spec, "encode_frames")
    return features if vectors is features.vectors else replace(features, vectors=vectors)


def clip_vectors(
    encoder: Encoder,
    frames: FrameFeatures,
    pts_seconds: NDArray[np.float64],
    clips: Sequence[slice],
) -> NDArray[np.float32]:
    """Encode clips; arguments as for ``Encoder.encode_clips``.

    Returns:
        (len(clips), D) float32, L2-normalised.

    Raises:
        EncoderError: the encoder returned another shape, or a value that is not finite.
    """
    found = encoder.encode_clips(frames, pts_seconds, clips)
    return unit_vectors(found, len(clips), encoder.spec, "encode_clips")


def unit_vectors(
    vectors: NDArray[np.float32], count: int, spec: EncoderSpec, method: str
) -> NDArray[np.float32]:
    """Check an encoder's vectors, and normalise them if it did not.

    Args:
        vectors: what a method of the encoder returned.
        count: how many vectors it was asked for.
        spec: the encoder's.
        method: its name, for messages.

    Returns:
        (count, D) float32; the same array if nothing had to change. A vector of zeros stays.

    Raises:
        EncoderError: another shape, or a value that is not finite.
    """
    array = np.asarray(vectors)
    expected = (count, spec.dimension)
    if array.shape != expected:
        raise EncoderError(f"{spec.source}: {method} returned shape {array.shape}, not {expected}")
    if array.dtype != np.float32:
        array = array.astype(np.float32)
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise EncoderError(f"{spec.source}: {method} returned a value that is not finite")
    if (np.abs(lengths - 1) > LENGTH_TOLERANCE).any():
        array = (array / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return array
