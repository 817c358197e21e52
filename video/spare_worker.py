"""A decoding process that one pool leaves to the next: to start one takes half a second.

One at most waits, for a minute; then it is ended.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

SPARE_SECONDS = 60.0

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from vidseek.video.worker import main; main(int(sys.argv[2]))"
)


@dataclass(frozen=True)
class DecodeProcess:
    """A process that decodes."""

    process: subprocess.Popen[bytes]
    memory_bytes: int
    """That it may take."""
    is_ready: bool
    """False while it may yet have to say that it is."""

    def end(self) -> int:
        """Kill it and free its pipes. Returns its exit status."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                assert pipe is not None
                pipe.close()
            except OSError:
                pass
        return self.process.wait()


def start_process(memory_bytes: int) -> DecodeProcess:
    """Start one; it says "ready" on its pipe when it is.

    Raises:
        OSError: the system does not let it.
    """
    process = subprocess.Popen(
        [
            sys.executable,
            # Not from the current folder: it may hold a json.py beside the videos.
            "-P",
            "-c",
            _START,
            json.dumps([str(Path(entry).absolute()) for entry in sys.path]),
            str(memory_bytes),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Its own process group: Ctrl-C in the terminal is for the run alone.
        start_new_session=True,
    )
    return DecodeProcess(process, memory_bytes, is_ready=False)


class _Spare:
    """The one that waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: DecodeProcess | None = None
        self._timer: threading.Timer | None = None
        self._owner = os.getpid()

    def put(self, spare: DecodeProcess) -> None:
        """Keep one; a second is ended."""
        with self._lock:
            self._forget_if_forked()
            if self._waiting is None:
                self._waiting = spare
                self._timer = threading.Timer(SPARE_SECONDS, self.end)
                self._timer.daemon = True
                self._timer.start()
                return
        spare.end()

    def take(self, memory_bytes: int) -> DecodeProcess | None:
        """Give the one that waits, if it lives and may take so much memory."""
        spare = self._release()
        if spare is None:
            return None
        if spare.memory_bytes != memory_bytes or spare.process.poll() is not None:
            spare.end()
            return None
        return spare

    def end(self) -> None:
        """End it."""
        spare = self._release()
        if spare is not None:
            spare.end()

    def _release(self) -> DecodeProcess | None:
        with self._lock:
            self._forget_if_forked()
            spare, self._waiting = self._waiting, None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return spare

    def _forget_if_forked(self) -> None:
        # Both sides of a fork hold its pipes: only the one that started it may write to them.
        if self._owner != os.getpid():
            self._owner, self._waiting, self._timer = os.getpid(), None, None


_SPARE = _Spare()


def keep_spare(spare: DecodeProcess) -> None:
    """Let a process that has nothing to do wait for the next pool."""
    _SPARE.put(spare)


def take_spare(memory_bytes: int) -> DecodeProcess | None:
    """Have the process that waits; None if there is none."""
    return _SPARE.take(memory_bytes)


def end_spare() -> None:
    """End the process that waits, if there is one."""
    _SPARE.end()


atexit.register(end_spare)
