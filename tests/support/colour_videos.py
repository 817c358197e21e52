"""Real video files of colours, encoded by PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from palette_encoder import PALETTE


def write_colours(
    path: Path, colours: Sequence[str], *, seconds: float = 4.0, rate: int = 10
) -> Path:
    """Write an MP4 that shows each colour for some seconds, in lighter and darker squares.

    Frames of a single plain colour would be blank clips, which are no hits.
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": str(round(seconds * rate))}
        for colour in colours:
            squares = np.indices((4, 6)).sum(0) % 2 * 24 - 12
            shade = np.kron(squares, np.ones((16, 16), int))[..., None]
            picture = np.clip(np.array(PALETTE[colour]) + shade, 0, 255).astype(np.uint8)
            for _ in range(round(seconds * rate)):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
