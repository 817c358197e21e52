"""The protocol of encoders: from frames and sentences to vectors in a shared space.

encoder = create_encoder("builtin")
features = encoder.encode_frames(batch.data)
vectors = encoder.encode_clips(features, batch.pts_seconds, [slice(0, 4), slice(4, 9)])
query = encoder.encode_text(["a dog catching a frisbee"])
scores = vectors @ query[0]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import EncoderSpec, FrameFeatures
from vidseek.encoders.hubness import HubnessCorrection


@runtime_checkable
class Encoder(Protocol):
    """A visual and a text encoder of a shared space, and a re-ranking head."""

    @property
    def spec(self) -> EncoderSpec:
        """Identity of this encoder."""

    @property
    def reranks(self) -> bool:
        """True if ``rerank`` changes the first stage's scores.

        If not, a search skips it: reading the frames of a hundred clips for it would cost more than
        the rest of the query.
        """

    @property
    def hubness(self) -> HubnessCorrection | None:
        """Corrects the scores of hub clips, which match every query; None if the model has none.

        Raises:
            EncoderError: it cannot be read.
        """

    def load(self) -> None:
        """Load the parts that encode videos now instead of at first use.

        Raises:
            EncoderError: the weights cannot be used.
        """

    def encode_frames(self, frames: NDArray[np.uint8]) -> FrameFeatures:
        """Encode frames, each by itself.

        Args:
            frames: (N, H, W, 3) uint8 RGB, any size; N may be 0.

        Returns:
            N frame vectors and N x M tokens.
        """

    def encode_clips(
        self,
        frames: FrameFeatures,
        pts_seconds: NDArray[np.float64],
        clips: Sequence[slice],
    ) -> NDArray[np.float32]:
        """Encode clips from their frames by attention over time.

        Args:
            frames: features of the N frames of one video.
            pts_seconds: (N,) their presentation times, ascending.
            clips: for each clip a non-empty slice of the frames.

        Returns:
            (len(clips), D) float32, L2-normalised.
        """

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode sentences; over-long sentences are cut with a warning.

        Returns:
            (len(texts), D) float32, L2-normalised.
        """

    def rerank(
        self,
        text: str,
        clips: Sequence[FrameFeatures],
        first_stage_scores: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Score candidate clips against a sentence by attention over their frame tokens.

        Args:
            text: the query.
            clips: K candidates' stored frame features.
            first_stage_scores: (K,) float32, cosine of clip and text vector; part of the result.

        Returns:
            (K,) float32 scores on the scale of ``first_stage_scores``; equal to them if the
            encoder has no head.
        """


@runtime_checkable
class MonolingualEncoder(Protocol):
    """What an ``Encoder`` has besides if it understands English only."""

    def understands(self, text: str) -> bool:
        """False for a text in another script, which it would read letter by letter."""


@runtime_checkable
class VideoEncoder(Protocol):
    """Additional members of an ``Encoder`` that must see the pictures of a clip together.

    ``encoders.pipeline`` stores the pictures until the video is cut into clips.
    """

    @property
    def pictures_per_clip(self) -> int:
        """How many pictures it sees together."""

    def fit(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pictures (N, h, w, 3) to keep of frames (N, H, W, 3) uint8.

        ``h`` and ``w`` are always the same, and ``encode_frames`` takes the pictures as well.
        """

    def encode_pictures(self, clips: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Encode clips from (``pictures_per_clip``, h, w, 3) each, taken a few at a time.

        Returns:
            (number of clips, D) float32, L2-normalised, comparable with frames and texts.
        """
