"""Turn a decoded picture upright, following the display matrix of its file.

A phone stores video as the sensor sees it, with a matrix that describes how to show it. Only
quarter turns and mirroring occur in practice; other angles are rounded to the nearest quarter turn.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Orientation:
    """The transformation from the stored to the shown picture: transpose, then mirror."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def from_display_matrix(cls, matrix: bytes) -> Orientation:
        """Parse FFmpeg's display matrix: nine native int32; a, b, c, d rotate and mirror."""
        a, b, _u, c, d = struct.unpack_from("=5i", matrix)
        # A point (x, y) is shown at (a x + c y, b x + d y).
        if abs(a) >= abs(b):
            return cls(False, flip_x=a < 0, flip_y=d < 0)
        return cls(True, flip_x=c < 0, flip_y=b < 0)

    @property
    def rotation_degrees(self) -> int:
        """Counter-clockwise rotation, ignoring mirroring: 0, 90, 180 or 270."""
        if self.transpose:
            return 90 if self.flip_y else 270
        return 180 if self.flip_y and self.flip_x else 0

    @property
    def is_mirrored(self) -> bool:
        """True if rotation alone cannot produce the shown picture."""
        return self.transpose == (self.flip_x == self.flip_y)

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Apply to a (H, W, 3) picture. Returns a view."""
        if self.transpose:
            picture = picture.transpose(1, 0, 2)
        if self.flip_x:
            picture = picture[:, ::-1]
        if self.flip_y:
            picture = picture[::-1]
        return picture
