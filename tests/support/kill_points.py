"""Named points of indexing at which a process can be killed, by hooks added for tests only."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from colour_encoder import ColourEncoder

from vidseek.storage.catalog.clip_vectors import ClipVectors
from vidseek.storage.catalog.videos import Videos


def kill_at_call(owner: object, method: str, passages: int, *, is_after: bool = False) -> None:
    """Kill this process before or after the n-th call of a method."""
    original = getattr(owner, method)
    calls = 0

    def hooked(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == passages and not is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **options)
        if calls == passages:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, method, hooked)


def _kill_while_encoding(passages: int) -> None:
    kill_at_call(ColourEncoder, "encode_frames", passages)


def _kill_before_storing(passages: int) -> None:
    for owner in (Videos, ClipVectors):  # thumbnails are written, and nothing else
        kill_at_call(owner, "add", passages)


def _kill_after_storing(passages: int) -> None:
    for owner in (Videos, ClipVectors):  # the vector index knows nothing of the video
        kill_at_call(owner, "add", passages, is_after=True)


KILL_POINTS: dict[str, Callable[[int], None]] = {
    "encoding": _kill_while_encoding,
    "storing": _kill_before_storing,
    "stored": _kill_after_storing,
}
"""Each makes the n-th passage of its point kill this process."""

VIDEOS_STORED = {"encoding": 1, "storing": 1, "stored": 2}
"""By a run that is killed at the second passage of a point."""
