"""Threads that leave the processor to others: decoding a file must not make searches wait."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

POLITENESS = 10
"""Added to the nice value: such a thread gets about a tenth of the time of a usual one."""


def yield_processor() -> None:
    """Lower the priority of this thread, and of the threads and processes that it starts.

    Only Linux has a priority for each thread; elsewhere this does nothing.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(
                os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + POLITENESS
            )
