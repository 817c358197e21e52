"""The exit codes of the ``vidseek`` command, by the kind of error."""

from __future__ import annotations

EXIT_ERROR = 1
"""A file, model or caption that cannot be used, or a result that says no."""
EXIT_USAGE = 2
"""Wrong usage: an unknown option, a query that cannot be answered."""
EXIT_NOT_FOUND = 3
"""A path, a library or a model does not exist."""
EXIT_LOCKED = 4
"""Another process is writing to the library."""
EXIT_DISK = 5
"""A disk is full, read-only or damaged, or a file on it cannot be accessed."""
EXIT_COPY = 10
"""``vidseek check``: the video is a copy of a video in the library, or shares a part with one."""
EXIT_INTERNAL = 70
"""A bug in vidseek (EX_SOFTWARE of sysexits.h)."""
EXIT_INTERRUPTED = 130
"""Ctrl-C; a run ended by another signal exits with 128 and the signal's number."""
