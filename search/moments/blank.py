"""Blank clips: black, white or of another single colour throughout. They are never hits.

A sentence about nothing in particular, or about the night, is near to a black picture; a person who
searches never wants one. Nothing extra is stored for this: copy descriptors exist for every sampled
frame that is not flat, so a clip without any is blank. That holds for earlier libraries too, once
`index` has computed their copy descriptors.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import Clip
from vidseek.storage.store import LibraryStore

SAME_FRAME_SECONDS = 0.005
"""Times are stored in single precision, which is off by 0.004 s after nine hours."""


class BlankClips:
    """Tells which clips are blank; what it has read of a video is kept."""

    def __init__(self, store: LibraryStore) -> None:
        self._store = store
        self._shown: dict[int, NDArray[np.float32] | None] = {}
        """Times of a video's frames that show something; None if that is not known."""

    def of(self, clips: Collection[Clip]) -> set[int]:
        """Ids of those of the clips that are blank."""
        unread = {clip.video_id for clip in clips} - set(self._shown)
        if unread:
            read = self._store.copy_descriptors.seconds(unread)
            self._shown |= {video_id: read.get(video_id) for video_id in unread}
        return {clip.id for clip in clips if _is_blank(clip, self._shown[clip.video_id])}


def _is_blank(clip: Clip, shown: NDArray[np.float32] | None) -> bool:
    if shown is None:
        return False
    times = np.asarray(clip.frame_seconds, np.float64)
    after = np.searchsorted(shown, times - SAME_FRAME_SECONDS)
    exists = after < len(shown)
    found = shown[after[exists]] <= times[exists] + SAME_FRAME_SECONDS
    return not bool(found.any())
