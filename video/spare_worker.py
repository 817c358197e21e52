"""An idle decoding process that one pool leaves to the next.

Starting a process takes half a second. At most one process waits, for a
minute at most; then it is ended.
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
    """A decoding process and its limits."""

    process: subprocess.Popen[bytes]
    memory_bytes: int
    """Memory limit that it was started with."""
    is_ready: bool
    """True once its "ready" message was received."""

    def end(self) -> int:
        """Kill the process and close its pipes. Returns its exit status."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                assert pipe is not None
                pipe.close()
            except OSError:
                pass
        return self.process.wait()


def start_process(memory_bytes: int) -> DecodeProcess:
    """Start a decoding process. It sends "ready" over its pipe once it is.

    Raises:
        OSError: the process cannot be started.
    """
    process = subprocess.Popen(
        [
            sys.executable,
            # Do not import from the current folder: there may be a json.py beside the videos.
            "-P",
            "-c",
            _START,
            json.dumps([str(Path(entry).absolute()) for entry in sys.path]),
            str(memory_bytes),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # A separate process group, so that Ctrl-C in the terminal reaches the main process only.
        start_new_session=True,
    )
    return DecodeProcess(process, memory_bytes, is_ready=False)


class _Spare:
    """Place for the idle process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: DecodeProcess | None = None
        self._timer: threading.Timer | None = None
        self._owner = os.getpid()

    def put(self, spare: DecodeProcess) -> None:
        """Keep an idle process; if another is already kept, end the new process."""
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
        """Take the idle process, if it is alive and has this memory limit."""
        spare = self._release()
        if spare is None:
            return None
        if spare.memory_bytes != memory_bytes or spare.process.poll() is not None:
            spare.end()
            return None
        return spare

    def end(self) -> None:
        """End the idle process, if there is one."""
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
        # After a fork both processes have its pipes; only the process that started it may write.
        if self._owner != os.getpid():
            self._owner, self._waiting, self._timer = os.getpid(), None, None


_SPARE = _Spare()


def keep_spare(spare: DecodeProcess) -> None:
    """Keep an idle process for the next pool."""
    _SPARE.put(spare)


def take_spare(memory_bytes: int) -> DecodeProcess | None:
    """Take the idle process, or None."""
    return _SPARE.take(memory_bytes)


def end_spare() -> None:
    """End the idle process, if there is one."""
    _SPARE.end()


atexit.register(end_spare)
