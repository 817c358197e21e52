"""The exit codes of the ``vidseek`` command."""

from __future__ import annotations

EXIT_ERROR = 1
"""The command failed, or only partly succeeded."""
EXIT_USAGE = 2
"""Wrong usage: an unknown option, a query that cannot be answered."""
EXIT_COPY = 10
"""``vidseek check``: the video is a copy of a video in the library, or shares a part with one."""
EXIT_INTERRUPTED = 130
"""Ctrl-C; a run ended by another signal exits with 128 and the signal's number."""
