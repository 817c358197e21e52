"""The revisions before this one, for libraries that were encoded with them.

    encoder = BuiltinEncoder().earlier(fingerprint)       # None for any other model

All have the same text encoder, so a sentence finds in such a library what it found before. Revision
5 was trained towards the frame vectors of revision 4, so that the vectors of both can be compared:
new videos are encoded with the weights of revision 5, until the library is encoded again. Revision
4 had added names of classes to the frame vectors of revision 3, and attention over time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import CellFeatures, EncoderSpec, FrameFeatures, TimeAttention
from vidseek.encoders.base import Encoder
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.manifest import EarlierRevision

if TYPE_CHECKING:
    from vidseek.encoders.builtin.encoder import BuiltinEncoder


class _Earlier(Encoder):
    """Texts and calibration of an earlier revision, computed with the weights of this one."""

    def __init__(self, current: BuiltinEncoder, earlier: EarlierRevision) -> None:
        """Load nothing yet.

        Args:
            current: the current revision.
            earlier: what the manifest says of the earlier one.
        """
        self._current, self._earlier = current, earlier

    @property
    def spec(self) -> EncoderSpec:
        """Identity of the earlier revision."""
        return self._earlier.spec

    @property
    def hubness(self) -> HubnessCorrection | None:
        """The earlier revision's correction: the same bank of sentences."""
        current = self._current.hubness
        return None if current is None else replace(current, **self._earlier.hubness)

    def load(self) -> None:
        """See ``Encoder``."""
        self._current.load()

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Encoder``."""
        return self._current.encode_text(texts)

    def understands(self, text: str) -> bool:
        """See ``MonolingualEncoder``."""
        return self._current.understands(text)

    def reads_whole(self, text: str) -> bool:
        """See ``LimitedTextEncoder``."""
        return self._current.reads_whole(text)


class EarlierBuiltinEncoder(_Earlier):
    """A revision with names of classes in its frame vectors, and attention over time."""

    def encode_frames(self, frames: NDArray[np.uint8]) -> FrameFeatures:
        """See ``Encoder``."""
        return self._current.encode_frames(frames)

    def encode_clips(
        self,
        frames: FrameFeatures,
        pts_seconds: NDArray[np.float64],
        clips: Sequence[slice],
    ) -> NDArray[np.float32]:
        """See ``Encoder``."""
        return self._current.encode_clips(frames, pts_seconds, clips)

    def encode_cells(self, frames: NDArray[np.uint8]) -> CellFeatures | None:
        """See ``CellEncoder``."""
        return self._current.encode_cells(frames)

    def attend_over_time(
        self, frames: FrameFeatures, pts_seconds: NDArray[np.float64]
    ) -> TimeAttention | None:
        """See ``TimeAttentionEncoder``."""
        return self._current.attend_over_time(frames, pts_seconds)


class NamelessBuiltinEncoder(_Earlier):
    """A revision without names of classes, whose clips are the means of their frames."""

    def __init__(
        self,
        current: BuiltinEncoder,
        earlier: EarlierRevision,
        encode_frames: Callable[[NDArray[np.uint8]], FrameFeatures],
        encode_cells: Callable[[NDArray[np.uint8]], CellFeatures | None],
    ) -> None:
        """Load nothing yet.

        Args:
            current: the current revision.
            earlier: what the manifest says of the earlier one.
            encode_frames: as ``Encoder.encode_frames``, without names.
            encode_cells: as ``CellEncoder.encode_cells``, without names.
        """
        super().__init__(current, earlier)
        self._frames, self._cells = encode_frames, encode_cells

    def encode_frames(self, frames: NDArray[np.uint8]) -> FrameFeatures:
        """See ``Encoder``; a clip is the mean of these."""
        return self._frames(frames)

    def encode_cells(self, frames: NDArray[np.uint8]) -> CellFeatures | None:
        """See ``CellEncoder``."""
        return self._cells(frames)
