"""The revision before this one, for libraries that were encoded with it.

    encoder = BuiltinEncoder().earlier(fingerprint)       # None for any other model

Revision 4 added names of classes to the frame vectors and attention over time, and changed nothing
else: its visual part also gives the vectors of revision 3, and its text part is the same file. So a
library of revision 3 is searched and indexed as before until it is encoded again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import CellFeatures, EncoderSpec, FrameFeatures
from vidseek.encoders.base import Encoder
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.encoders.manifest import EarlierRevision

if TYPE_CHECKING:
    from vidseek.encoders.builtin.encoder import BuiltinEncoder


class EarlierBuiltinEncoder(Encoder):
    """The earlier revision, computed with the weights of the current one."""

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
            encode_frames: as ``Encoder.encode_frames``, with the earlier revision's vectors.
            encode_cells: as ``CellEncoder.encode_cells``, with the earlier revision's vectors.
        """
        self._current, self._earlier = current, earlier
        self._frames, self._cells = encode_frames, encode_cells

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

    def encode_frames(self, frames: NDArray[np.uint8]) -> FrameFeatures:
        """See ``Encoder``; a clip is the mean of these."""
        return self._frames(frames)

    def encode_cells(self, frames: NDArray[np.uint8]) -> CellFeatures | None:
        """See ``CellEncoder``."""
        return self._cells(frames)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Encoder``."""
        return self._current.encode_text(texts)

    def understands(self, text: str) -> bool:
        """See ``MonolingualEncoder``."""
        return self._current.understands(text)

    def reads_whole(self, text: str) -> bool:
        """See ``LimitedTextEncoder``."""
        return self._current.reads_whole(text)
