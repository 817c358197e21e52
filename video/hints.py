"""The next steps after a file could not be read; none of them needs a value."""

from __future__ import annotations

from vidseek.core.errors import Hint

CONVERT_VIDEO = Hint("convert_video")
"""Convert the file to a common format."""
COPY_AGAIN = Hint("copy_again")
"""Copy or download the file again: it is incomplete."""
SHRINK_PICTURE = Hint("shrink_picture")
"""Scale the picture down."""
SHRINK_VIDEO = Hint("shrink_video")
"""Convert the video to a lower resolution."""
SPLIT_VIDEO = Hint("split_video")
"""Split the video into shorter files."""
RUN_DOCTOR = Hint("run_doctor")
"""Examine the installation."""

VIDEO_HINTS = frozenset(
    hint.action
    for hint in (
        CONVERT_VIDEO,
        COPY_AGAIN,
        SHRINK_PICTURE,
        SHRINK_VIDEO,
        SPLIT_VIDEO,
        RUN_DOCTOR,
    )
)
"""What a decoding process may suggest. It has read a hostile file perhaps, so its hints are
checked."""
