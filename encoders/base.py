"""The protocol of encoders: from frames and sentences to vectors in a shared space.

    encoder = create_encoder("builtin")
    features = encoder.encode_frames(batch.data)
    vectors = encoder.encode_clips(features, batch.pts_seconds, [slice(0, 4), slice(4, 9)])
    query = encoder.encode_text(["a dog catching a frisbee"])
    scores = vectors @ query[0]

A subclass needs ``spec``, ``encode_frames`` and ``encode_text``; the rest has defaults.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import CellFeatures, EncoderSpec, FrameFeatures, TimeAttention
from vidseek.encoders.hubness import HubnessCorrection


@runtime_checkable
class Encoder(Protocol):
    """A visual and a text encoder of a shared space, and a re-ranking head.

    Use your own with ``Library.open(folder, encoder=...)``. It is called from several threads if
    the library is searched from several threads.
    """

    @property
    @abstractmethod
    def spec(self) -> EncoderSpec:
        """Identity of this encoder; the same object or an equal one each time."""

    @property
    def reranks(self) -> bool:
        """True if ``rerank`` changes the first stage's scores; by default False.

        If not, a search skips it: reading the frames of a hundred clips for it would cost more than
        the rest of the query.
        """
        return False

    @property
    def hubness(self) -> HubnessCorrection | None:
        """Corrects the scores of hub clips, which match every query; by default None.

        Raises:
            EncoderError: it cannot be read.
        """
        return None

    def load(self) -> None:
        """Load the parts that encode videos now instead of at first use; by default nothing.

        Raises:
            EncoderError: the weights cannot be used.
        """
        return

    @abstractmethod
    def encode_frames(self, frames: NDArray[np.uint8]) -> FrameFeatures:
        """Encode frames, each by itself.

        Args:
            frames: (N, H, W, 3) uint8 RGB, any size; N may be 0.

        Returns:
            N frame vectors, and N x M tokens if ``spec`` has any.

        Raises:
            TypeError: ``frames`` is not an array.
            ValueError: it has another shape or type.
        """

    def encode_clips(
        self,
        frames: FrameFeatures,
        pts_seconds: NDArray[np.float64],
        clips: Sequence[slice],
    ) -> NDArray[np.float32]:
        """Encode clips from their frames; by default the normalised mean of the frame vectors.

        Args:
            frames: features of the N frames of one video.
            pts_seconds: (N,) their presentation times, ascending.
            clips: for each clip a non-empty slice of the frames.

        Returns:
            (len(clips), D) float32, L2-normalised.
        """
        means = np.zeros((len(clips), frames.vectors.shape[1]), np.float32)
        for mean, clip in zip(means, clips, strict=True):
            mean[:] = frames.vectors[clip].mean(axis=0)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        means /= np.where(lengths > 0, lengths, 1)
        return means

    @abstractmethod
    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode sentences; over-long sentences are cut with a warning.

        Returns:
            (len(texts), D) float32, L2-normalised.

        Raises:
            TypeError: ``texts`` is a single string.
        """

    def rerank(
        self,
        text: str,
        clips: Sequence[FrameFeatures],
        first_stage_scores: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Score candidate clips against a sentence once more; by default unchanged.

        Args:
            text: the query.
            clips: K candidates' stored frame features.
            first_stage_scores: (K,) float32, cosine of clip and text vector; part of the result.

        Returns:
            (K,) float32 scores on the scale of ``first_stage_scores``; equal to them if the
            encoder has no head.
        """
        return first_stage_scores


@runtime_checkable
class MonolingualEncoder(Protocol):
    """Additional members of an ``Encoder`` that understands English only."""

    def understands(self, text: str) -> bool:
        """False for a text in another script, which it would read letter by letter."""


@runtime_checkable
class LimitedTextEncoder(Protocol):
    """Additional members of an ``Encoder`` that cuts long texts."""

    def reads_whole(self, text: str) -> bool:
        """False if ``encode_text`` uses only the beginning of the text."""


@runtime_checkable
class RevisedEncoder(Protocol):
    """Additional members of an ``Encoder`` that can replace earlier revisions of itself."""

    def earlier(self, fingerprint: str) -> Encoder | None:
        """The earlier revision of that fingerprint; None if it cannot compute that."""


class Captioner(Protocol):
    """A model that puts pictures into words; bring your own to ``Library.describe`` and ``ask``."""

    @property
    def source(self) -> str:
        """Name of the model, which is stored with its captions."""

    @property
    def pictures_at_once(self) -> int:
        """How many pictures of a moment it sees together."""

    def caption(self, frames: NDArray[np.uint8]) -> str:
        """Describe a moment in a sentence.

        Args:
            frames: (N, H, W, 3) uint8 RGB, in order of time; N from 1 to ``pictures_at_once``.

        Raises:
            EncoderError: it cannot write captions.
        """

    def answer(self, frames: NDArray[np.uint8], question: str) -> str:
        """Answer a question about pictures, as ``caption``.

        Raises:
            EncoderError: it cannot answer questions.
        """


@runtime_checkable
class CellEncoder(Protocol):
    """Additional members of an ``Encoder`` that can locate something in a frame."""

    def encode_cells(self, frames: NDArray[np.uint8]) -> CellFeatures | None:
        """Encode the cells of frames, each frame by itself.

        Args:
            frames: (N, H, W, 3) uint8 RGB, N at least 1.

        Returns:
            Vectors comparable with texts; None if this model has no cells.

        Raises:
            EncoderError: the weights cannot be used.
        """


@runtime_checkable
class TimeAttentionEncoder(Protocol):
    """Additional members of an ``Encoder`` whose ``encode_clips`` attends over time."""

    def attend_over_time(
        self, frames: FrameFeatures, pts_seconds: NDArray[np.float64]
    ) -> TimeAttention | None:
        """How ``encode_clips`` makes the vector of a clip of all these frames.

        Args:
            frames: features of the F frames of a clip, F at least 1.
            pts_seconds: (F,) their presentation times, ascending.

        Returns:
            None if this model is of a form whose attention cannot be read.

        Raises:
            EncoderError: the weights cannot be used.
        """


@runtime_checkable
class FrameSharingEncoder(Protocol):
    """Additional members of an ``Encoder`` with the frame vectors and tokens of another one.

    A library then computes its clip vectors from the stored frames, without decoding.
    """

    def shares_frames(self, fingerprint: str) -> bool:
        """True if the encoder of that fingerprint differs in ``encode_clips`` alone."""


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
