"""Which process comes first where there is not enough of the processor for all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

NICENESS = 10
"""A tenth of the weight of other processes."""
_is_command = False


def process_is_a_command() -> None:
    """Say that this process runs one command and ends: what a program runs within is not ours."""
    global _is_command
    _is_command = True


def give_way() -> None:
    """Lower this process's priority: whoever searches meanwhile must not wait for it.

    To be called before anything starts a thread: on Linux those that run already keep theirs.
    """
    if not (_is_command and hasattr(os, "nice")):
        return
    os.nice(NICENESS)
    # Linux may weigh sessions before it weighs processes (sched(7), autogroup). That of a shell is
    # not ours to lower, one that this process began is.
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(NICENESS))
