"""Which reader serves which sampling plan: time and peak memory of PyAV and decord.

python benchmarks/decoding.py [--seconds 120] [--threads 1 2] [VIDEO ...]

Makes 360p, 720p and 1080p H.264 (x264, a keyframe at cuts and every 250 pictures, B-frames)
out of the photographs of scikit-image, panned and grainy, unless videos are given. A figure is the
best of three runs, each in a fresh process; memory is what the run added to the process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIZES = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080)}
WAYS = ("keyframes", "every second", "12 scattered")
SHORT_SIDE = 260


def photographs() -> list[NDArray[np.uint8]]:
    """Colour photographs that ship with scikit-image."""
    from skimage import data

    return [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]


def panned(
    width: int, height: int, seconds: float, *, rate: int = 25
) -> Iterator[NDArray[np.uint8]]:
    """Slow pans over photographs with grain, a cut every 7 seconds."""
    from PIL import Image

    random = np.random.default_rng(0)
    grain = [random.integers(-6, 7, (height, width, 1), dtype=np.int16) for _ in range(8)]
    canvases = []
    for photo in photographs():
        scale = 1.3 * max(width / photo.shape[1], height / photo.shape[0])
        size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
        canvases.append(np.asarray(Image.fromarray(photo).resize(size), dtype=np.int16))
    for number in range(int(seconds * rate)):
        shot, within = divmod(number, 7 * rate)
        canvas = canvases[shot % len(canvases)]
        left = (within * 2 * width // 1280) % max(1, canvas.shape[1] - width)
        top = (within * width // 1280) % max(1, canvas.shape[0] - height)
        view = canvas[top : top + height, left : left + width] + grain[number % 8]
        yield np.clip(view, 0, 255).astype(np.uint8)


def make_video(path: Path, width: int, height: int, seconds: float) -> None:
    """Encode such pans with x264's defaults."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "23"}
        for picture in panned(width, height, seconds):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def measure(path: Path, reader: str, way: str, threads: int) -> dict[str, float]:
    """Run one cell of the table in this process."""
    import av  # imports are start-up, paid once a process: not part of the figures

    if reader == "decord":
        import decord  # noqa: F401
    from vidseek.video import SamplingPlan, choose_frames, open_video

    assert av
    before = peak_mib()
    begin = time.perf_counter()
    frames = 0
    with open_video(path, reader=reader, short_side=SHORT_SIDE, threads=threads) as video:  # type: ignore[arg-type]
        if video.name != reader:
            raise SystemExit(f"{reader} cannot read {path}")
        table = video.packets()
        if way == "keyframes":
            rows = table.keyframes
        elif way == "every second":
            rows = choose_frames(table, SamplingPlan("dense", 1.0))
        else:
            rows = np.linspace(0, len(table) - 1, 12).astype(np.intp)
        for batch in video.frames(rows):
            frames += len(batch)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "mib": peak_mib() - before, "frames": frames}


def peak_mib() -> float:
    """Peak resident memory of this process. (ru_maxrss also counts the process it came from.)"""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def best_of(runs: int, path: Path, reader: str, way: str, threads: int) -> dict[str, float]:
    """The fastest of several runs in fresh processes."""
    results = []
    for _ in range(runs):
        command = [sys.executable, __file__, "--cell", str(path), reader, way, str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        results.append(json.loads(done.stdout))
    return min(results, key=lambda result: result["seconds"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=120.0, help="length of the videos made")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cell", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        path, reader, way, threads = options.cell
        print(json.dumps(measure(Path(path), reader, way, int(threads))))
        return
    with tempfile.TemporaryDirectory() as folder:
        videos = {path.name: path for path in options.videos}
        if not videos:
            for name, (width, height) in SIZES.items():
                videos[name] = Path(folder) / f"{name}.mp4"
                make_video(videos[name], width, height, options.seconds)
        print(f"{os.cpu_count()} cores; frames scaled to a short side of {SHORT_SIDE}")
        print("| video | frames wanted | threads | PyAV s | decord s | PyAV MiB | decord MiB |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for name, path in videos.items():
            for way in WAYS:
                for threads in options.threads:
                    pyav, decord = (
                        best_of(options.runs, path, reader, way, threads)
                        for reader in ("pyav", "decord")
                    )
                    print(
                        f"| {name} | {way} ({pyav['frames']:.0f}) | {threads} "
                        f"| {pyav['seconds']:.2f} | {decord['seconds']:.2f} "
                        f"| {pyav['mib']:.0f} | {decord['mib']:.0f} |",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
