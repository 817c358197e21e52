"""Which process comes first where there is not enough of the processor for all."""

from __future__ import annotations

import os

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
    if _is_command and hasattr(os, "nice"):
        os.nice(NICENESS)
