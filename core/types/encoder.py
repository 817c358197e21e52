"""Vectors that encoders compute, and the identity of an encoder."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import PurePath
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types.time import TimeSpan


def _no_tokens() -> NDArray[np.float32]:
    return np.empty((0, 0, 0), np.float32)


@dataclass(frozen=True)
class FrameFeatures:
    """What an encoder computes for N frames, and a library stores of them."""

    vectors: NDArray[np.float32]
    """(N, D) float32, L2-normalised: a vector per frame in the shared space of text and video."""
    tokens: NDArray[np.float32] = field(default_factory=_no_tokens)
    """(N, M, T) float32: M tokens per frame for the cross-modal head to attend over; M may be 0.
    Without tokens, (N, 0, 0)."""

    def __post_init__(self) -> None:
        if self.tokens.shape == (0, 0, 0):
            without = np.empty((len(self.vectors), 0, 0), np.float32)
            object.__setattr__(self, "tokens", without)
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

    def without_tokens(self) -> FrameFeatures:
        """The vectors alone; M is 0."""
        return FrameFeatures(self.vectors, self.tokens[:, :0])


@dataclass(frozen=True)
class EncodedClip:
    """A clip with its vectors, ready to be stored."""

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


EncoderKind = Literal["builtin", "trained", "third-party", "custom"]
"""``trained`` is a model that vidseek's training wrote, ``custom`` an encoder of the caller's."""

_THIRD_PARTY = "hub:"
"""Prefix of the stored name of a third-party model; the family follows."""


@dataclass(frozen=True)
class EncoderSpec:
    """Identity of an encoder. Vectors of different fingerprints never share an index."""

    source: str
    """What ``create_encoder`` makes this encoder from: ``builtin``, the absolute path of a folder,
    ``hf:ORG/NAME@COMMIT``, ``open_clip:ARCHITECTURE/PRETRAINED@COMMIT``. A free name for a custom
    encoder."""
    revision: str
    """Revision of the weights; the commit for a repository, empty for a folder that states none."""
    dimension: int
    """D: length of clip, frame and text vectors."""
    image_size: int
    """Side in pixels of the square picture that the visual encoder sees."""
    tokens_per_frame: int
    """M: tokens stored per frame for the cross-modal head; 0 if the model has none."""
    token_dimension: int
    """T: length of a token."""
    vision_hash: str
    """SHA-256 of the visual weights, which stored vectors depend on."""
    preprocessing: str
    """How a frame becomes the encoder's input, in words that change when it changes."""
    confidence_scale: float | None = None
    confidence_bias: float | None = None
    """confidence = sigmoid(scale * score + bias), Platt-fitted; None if not calibrated."""
    head_hash: str | None = None
    """SHA-256 of a head that was trained on a third-party model. It changes scores, not vectors."""
    kind: EncoderKind = "custom"
    family: str | None = None
    """Architecture of a third-party model (``clip``, ``siglip``, ...); None for other kinds."""
    fingerprint: str = field(init=False)
    """16 hexadecimal digits over everything that determines stored vectors. The text part, the
    cross-modal part and the source are left out: they may change without re-encoding a library."""

    def __post_init__(self) -> None:
        if (self.kind == "third-party") != (self.family is not None):
            raise ValueError(f"a {self.kind} encoder cannot have the family {self.family}")
        name = self._stored_name
        document = {
            # The path of a model's folder does not change its vectors.
            "name": "folder" if PurePath(name).is_absolute() else name,
            "dimension": self.dimension,
            "image_size": self.image_size,
            "tokens_per_frame": self.tokens_per_frame,
            "token_dimension": self.token_dimension,
            "vision_hash": self.vision_hash,
            "preprocessing": self.preprocessing,
        }
        canonical = json.dumps(document, sort_keys=True).encode()
        object.__setattr__(self, "fingerprint", hashlib.sha256(canonical).hexdigest()[:16])

    @classmethod
    def custom(
        cls, name: str, *, dimension: int, version: str = "1", image_size: int = 224
    ) -> Self:
        """The spec of an encoder of your own, without a re-ranking head.

        Args:
            name: a free name, but no path: how the library's list of models shows the encoder.
            dimension: D, the length of its vectors.
            version: change it whenever the encoder gives other vectors for the same frame: vectors
                of two versions are never compared.
            image_size: frames are scaled down to this short side, in pixels, and never up.

        Raises:
            ValueError: the name is empty, a path or the name of another kind of model.
        """
        if not name.strip() or name.startswith((_THIRD_PARTY, "hf:", "open_clip:", "~")):
            raise ValueError(f"{name!r} cannot name an encoder of your own")
        if name == "builtin" or PurePath(name).is_absolute():
            raise ValueError(f"{name!r} names another kind of model")
        if dimension < 1 or image_size < 1:
            raise ValueError(
                f"dimension and image_size must be at least 1, got {dimension} and {image_size}"
            )
        return cls(
            source=name,
            revision=version,
            dimension=dimension,
            image_size=image_size,
            tokens_per_frame=0,
            token_dimension=0,
            vision_hash=hashlib.sha256(f"{name} {version}".encode()).hexdigest(),
            preprocessing="custom",
        )

    def __str__(self) -> str:
        revision = f"{self.revision}, " if self.revision and self.kind != "third-party" else ""
        return f"{self.source} ({revision}{self.fingerprint}, vectors of {self.dimension})"

    @property
    def _stored_name(self) -> str:
        return self.source if self.family is None else f"{_THIRD_PARTY}{self.family}"

    def to_document(self) -> dict[str, Any]:
        """Convert to the form that libraries store, unchanged since vidseek 0.1.0.

        It has two fields that depend on the kind: ``name`` is ``hub:FAMILY`` for a third-party
        model, otherwise the source; ``revision`` is the source of a third-party model, otherwise
        the revision.
        """
        document = asdict(self)
        for derived in ("fingerprint", "source", "kind", "family"):
            del document[derived]
        is_third_party = self.kind == "third-party"
        document["name"] = self._stored_name
        document["revision"] = self.source if is_third_party else self.revision
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read the result of ``to_document``; fields added by a newer vidseek are ignored.

        Raises:
            KeyError: a field is missing.
            TypeError: a field is missing.
        """
        known = {each.name for each in fields(cls) if each.init}
        values = {name: value for name, value in document.items() if name in known}
        name = document["name"]
        if name.startswith(_THIRD_PARTY):
            source = document["revision"]
            values |= {
                "source": source,
                "revision": "" if PurePath(source).is_absolute() else source.partition("@")[2],
                "kind": "third-party",
                "family": name.removeprefix(_THIRD_PARTY),
            }
        else:
            kind = "trained" if PurePath(name).is_absolute() else "custom"
            values |= {"source": name, "kind": "builtin" if name == "builtin" else kind}
        return cls(**values)


CalibrationMethod = Literal["queries", "captions"]


@dataclass(frozen=True)
class Calibration:
    """Maps scores to confidence in one library: sigmoid(scale * score + bias)."""

    scale: float
    """Above 0: a better score is never less sure."""
    bias: float
    method: CalibrationMethod
    """From bundled queries without labels, or from captions."""
    clips: int
    """Clips that could be searched when it was made: of more, the best one scores higher."""
    encoder_revision: str
    """``EncoderSpec.revision`` of the encoder that gave the scores: the fingerprint does not tell
    whether the text part is the same."""
    head_hash: str | None = None
    """``EncoderSpec.head_hash`` of that encoder, likewise."""
    hubness: bytes | None = field(default=None, repr=False)
    """The hubness correction, as ``encoders.hubness.HubnessCorrection`` serialises it, or None.
    Scale and bias were fitted to corrected scores, so all three are stored and deleted together."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0 and math.isfinite(self.bias)):
            raise ValueError(
                f"Calibration needs a finite bias and a scale above 0, got {self.scale} and "
                f"{self.bias}"
            )
