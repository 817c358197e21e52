"""The ``vidseek`` command: one module per command, started by :func:`main`.

Results go to stdout, progress and log to stderr. Each command imports what it needs when it runs,
so that ``vidseek --help`` and a text query start fast.
"""

from vidseek.cli.app import main

__all__ = ["main"]
