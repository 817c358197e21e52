"""Videos and clips made up of a seed: the same numbers in every process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import (
    EncodedClip,
    EncoderSpec,
    FrameFeatures,
    TimeSpan,
    Video,
    VideoState,
)

DIMENSION = 32
LABEL_TABLES = ("captions", "clip_labels", "label_classifiers", "label_examples", "labels")
"""Tables of formats 0009 and 0010, in an order in which they can be dropped."""


def encoder_spec(name: str = "sample", *, dimension: int = DIMENSION) -> EncoderSpec:
    return EncoderSpec(
        source=name,
        revision="1",
        dimension=dimension,
        image_size=224,
        tokens_per_frame=2,
        token_dimension=8,
        vision_hash="0" * 64,
        preprocessing="none",
    )


SPEC = encoder_spec()


def unit_vectors(count: int, seed: int, *, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """(count, dimension), as the database gives them back: rounded to float16."""
    vectors = np.random.default_rng(seed).standard_normal((count, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32)


def video(
    path: str,
    *,
    content_hash: str | None = None,
    state: VideoState = VideoState.INDEXED,
    duration_seconds: float = 10.0,
    height: int = 480,
    modified_ns: int = 1_700_000_000_000_000_000,
    damaged: bool = False,
    failure: str | None = None,
) -> Video:
    return Video(
        id=0,
        path=Path(path),
        content_hash=content_hash or f"{abs(hash_of(path)):064x}",
        size_bytes=1000 + len(path),
        modified_ns=modified_ns,
        duration_seconds=duration_seconds,
        frame_rate=25.0,
        width=640,
        height=height,
        codec="h264",
        state=state,
        damaged=damaged,
        failure=failure,
    )


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode("utf-8", "surrogateescape")[-20:] or b"0", "big")


def clips(count: int, seed: int, *, frames: int = 2, spec: EncoderSpec = SPEC) -> list[EncodedClip]:
    vectors = unit_vectors(count, seed, dimension=spec.dimension)
    random = np.random.default_rng(seed + 1)
    made = []
    for position in range(count):
        features = FrameFeatures(
            unit_vectors(frames, seed + position, dimension=spec.dimension),
            random.integers(-50, 50, (frames, spec.tokens_per_frame, spec.token_dimension)).astype(
                np.float32
            ),
        )
        made.append(
            EncodedClip(
                span=TimeSpan(2.0 * position, 2.0 * position + 2),
                frame_seconds=tuple(2.0 * position + 0.5 * frame for frame in range(frames)),
                vector=vectors[position],
                frames=features,
            )
        )
    return made
