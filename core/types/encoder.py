"""What encoders make, and which encoder made it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, fields
from pathlib import PurePath
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types.time import TimeSpan


@dataclass(frozen=True)
class FrameFeatures:
    """What an encoder makes of N frames: everything that is kept of them."""

    vectors: NDArray[np.float32]
    """(N, D) float32, L2-normalised: one vector a frame in the shared space of text and video."""
    tokens: NDArray[np.float32]
    """(N, M, T) float32: M tokens a frame for the cross-modal head to attend over; M may be 0."""

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.tokens.ndim != 3:
            raise ValueError(
                f"FrameFeatures needs (N, D) and (N, M, T), got {self.vectors.shape} and "
                f"{self.tokens.shape}"
            )
        if len(self.vectors) != len(self.tokens):
            raise ValueError(f"{len(self.vectors)} frame vectors but {len(self.tokens)} token rows")

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: slice | NDArray[np.intp]) -> FrameFeatures:
        return FrameFeatures(self.vectors[index], self.tokens[index])


@dataclass(frozen=True)
class EncodedClip:
    """A clip with all that an encoder made of it, ready to be stored."""

    span: TimeSpan
    frame_seconds: tuple[float, ...]
    vector: NDArray[np.float32]
    """(D,) float32, L2-normalised."""
    frames: FrameFeatures
    """F = len(frame_seconds) rows."""

    @property
    def middle_frame_seconds(self) -> float:
        """Time of the middle sampled frame, whose thumbnail the library stores."""
        return self.frame_seconds[len(self.frame_seconds) // 2]


@dataclass(frozen=True)
class EncoderSpec:
    """Which encoder made a vector. Vectors of different fingerprints never meet in one index."""

    name: str
    """A registered name, or the absolute path of the folder that holds the model."""
    revision: str
    dimension: int
    """D: length of clip, frame and text vectors."""
    image_size: int
    """Side in pixels of the square picture that the visual encoder sees."""
    tokens_per_frame: int
    """M: tokens a frame kept for the cross-modal head; 0 if there is none."""
    token_dimension: int
    """T: length of such a token."""
    vision_hash: str
    """SHA-256 of the visual weights; what a stored vector depends on."""
    preprocessing: str
    """How a frame becomes the encoder's input, in words that change when it changes."""
    confidence_scale: float | None = None
    confidence_bias: float | None = None
    """confidence = sigmoid(scale * score + bias), Platt-fitted; None where not calibrated."""
    head_hash: str | None = None
    """SHA-256 of a head that was trained on a model of others, and changes scores but no vector."""
    fingerprint: str = field(init=False)
    """16 hexadecimal digits over all that determines stored vectors. The text and cross-modal parts
    are not among it: they may be revised without re-encoding a library."""

    def __post_init__(self) -> None:
        others = ("fingerprint", "revision", "confidence_scale", "confidence_bias", "head_hash")
        determining = {
            one.name: getattr(self, one.name) for one in fields(self) if one.name not in others
        }
        if PurePath(self.name).is_absolute():
            # The same model wherever it lies: a folder that is moved changes no vector.
            determining["name"] = "folder"
        canonical = json.dumps(determining, sort_keys=True).encode()
        object.__setattr__(self, "fingerprint", hashlib.sha256(canonical).hexdigest()[:16])


CalibrationMethod = Literal["queries", "captions"]


@dataclass(frozen=True)
class Calibration:
    """What makes a confidence of a score in one library: sigmoid(scale * score + bias)."""

    scale: float
    """Above 0: a better score is never less sure."""
    bias: float
    method: CalibrationMethod
    """From bundled queries without labels, or from captions."""
    clips: int
    """Clips that could be searched when it was made: of more, the best one scores higher."""
    encoder_revision: str
    """``EncoderSpec.revision``, or its head: the fingerprint tells neither whether the text part is
    the same nor whether the head is."""
    hubness: bytes | None = field(default=None, repr=False)
    """The hubness correction, as ``encoders.hubness.HubnessCorrection`` serialises it, or None.
    Scale and bias were fitted to corrected scores, so all three are stored and deleted together."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0 and math.isfinite(self.bias)):
            raise ValueError(
                f"Calibration needs a finite bias and a scale above 0, got {self.scale} and "
                f"{self.bias}"
            )
