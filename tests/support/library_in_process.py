"""Call a library in a process of its own: print the result of an expression as JSON.

python library_in_process.py LIBRARY "library.remove('/videos/a.mp4')"

``index`` waits between batches for a line on stdin while there are any: the caller may stop it at
a known point.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from colour_encoder import ColourEncoder

import vidseek


class GatedEncoder(ColourEncoder):
    """Says on stdout when it is asked to encode frames, and waits for a line on stdin."""

    def encode_frames(self, frames):  # type: ignore[no-untyped-def]
        print("encoding", flush=True)
        sys.stdin.readline()
        return super().encode_frames(frames)


def main(folder: Path, expression: str, *, gated: bool) -> None:
    encoder = GatedEncoder() if gated else ColourEncoder()
    with vidseek.open(folder, encoder=encoder) as library:
        try:
            result = eval(expression, {"library": library})
        except vidseek.VidseekError as error:
            result = {"error": error.code, "message": str(error)}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], gated=sys.argv[3:] == ["gated"])
