"""Real video files whose scenes are pictures of coloured squares, some blurred, with sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, RATE = 192, 128, 10
SOUND_RATE = 8000


@dataclass(frozen=True)
class Scene:
    """Squares of random colours, drawn from a seed."""

    seed: int | None
    """None for a black picture."""
    seconds: float = 2.0
    blur_pixels: int = 0

    def picture(self) -> NDArray[np.uint8]:
        """(HEIGHT, WIDTH, 3) uint8 RGB."""
        if self.seed is None:
            return np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        squares = np.random.default_rng(self.seed).integers(0, 256, (8, 12, 3), dtype=np.uint8)
        picture = np.kron(squares, np.ones((16, 16, 1), np.uint8))
        if self.blur_pixels:
            import cv2

            picture = cv2.GaussianBlur(picture, (0, 0), self.blur_pixels)
        return np.ascontiguousarray(picture)


def write_scenes(path: Path, scenes: Sequence[Scene], *, sound: bool = False) -> Path:
    """Write an MP4 of scenes one after the other."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast"}
        audio = container.add_stream("aac", rate=SOUND_RATE, layout="mono") if sound else None
        for scene in scenes:
            picture = scene.picture()
            for _ in range(round(scene.seconds * RATE)):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            total = round(sum(scene.seconds for scene in scenes) * SOUND_RATE)
            tone = np.sin(np.arange(total) * 0.3).astype(np.float32)[None] / 4
            for start in range(0, total, 1024):
                piece = np.ascontiguousarray(tone[:, start : start + 1024])
                samples = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
                samples.sample_rate, samples.pts = SOUND_RATE, start
                container.mux(audio.encode(samples))
            container.mux(audio.encode(None))
    return path
