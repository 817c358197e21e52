"""Turn a decoded picture upright, as the display matrix of its file says.

A phone stores its video as the sensor sees it, with a matrix that says how to show it. Only quarter
turns and mirrorings occur; anything between is taken for the nearest.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Orientation:
    """How a stored picture becomes the shown one: transpose first, then mirror."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def from_display_matrix(cls, matrix: bytes) -> Orientation:
        """Read FFmpeg's display matrix: nine native int32, of which a, b, c, d turn and mirror."""
        a, b, _u, c, d = struct.unpack_from("=5i", matrix)
        # A point (x, y) is shown at (a x + c y, b x + d y).
        if abs(a) >= abs(b):
            return cls(False, flip_x=a < 0, flip_y=d < 0)
        return cls(True, flip_x=c < 0, flip_y=b < 0)

    @property
    def rotation_degrees(self) -> int:
        """Counter-clockwise turn, mirroring aside: 0, 90, 180 or 270."""
        if self.transpose:
            return 90 if self.flip_y else 270
        return 180 if self.flip_y and self.flip_x else 0

    @property
    def is_mirrored(self) -> bool:
        """True if no turn alone does it."""
        return self.transpose == (self.flip_x == self.flip_y)

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn a (H, W, 3) picture; a view of it."""
        if self.transpose:
            picture = picture.transpose(1, 0, 2)
        if self.flip_x:
            picture = picture[:, ::-1]
        if self.flip_y:
            picture = picture[::-1]
        return picture
