"""The ``vidseek`` command: one module per group of commands, started by :func:`main`.

Results go to stdout, progress and log to stderr. Every command imports what it needs when it runs,
so that ``vidseek --help`` and a text query start fast.
"""

from vidseek.cli.app import main

__all__ = ["main"]
