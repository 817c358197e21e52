"""Write a file in one step."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write or replace a file; a failure leaves the file as it was.

    Raises:
        OSError: the file cannot be written.
    """
    # Not named after the file, whose name may be as long as names can be.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".vidseek-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
