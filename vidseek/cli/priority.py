"""Lower the priority of background work, so that searches stay fast."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

NICENESS = 10
"""Gives the process about a tenth of the normal CPU weight."""
_is_command = False


def process_is_a_command() -> None:
    """Mark this process as a command, whose priority may be changed; a host program's may not."""
    global _is_command
    _is_command = True


def give_way() -> None:
    """Lower this process's priority, so that concurrent searches do not wait for it.

    Call it before any thread starts: on Linux, running threads keep their priority.
    """
    if not (_is_command and hasattr(os, "nice")):
        return
    os.nice(NICENESS)
    # Linux may schedule by session before process (sched(7), autogroup). The session of a shell is
    # not ours to lower; a session that this process started is.
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(NICENESS))
