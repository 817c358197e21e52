"""How the threads of a server share memory."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

MAX_ARENAS = 2
_M_ARENA_MAX = -8
"""Of ``mallopt``, in glibc's malloc.h."""


def share_memory_arenas() -> None:
    """Let all threads allocate from two arenas. Call it before threads start.

    glibc gives every thread an arena of its own, up to eight for each core. Each keeps tens of
    megabytes of what a thread has freed, so that a server grows with every thread that has worked
    once. With another C library this does nothing.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, MAX_ARENAS)
