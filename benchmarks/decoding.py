"""Compare PyAV and decord: processor time, memory and agreement, by sampling plan.

python -m benchmarks.decoding [--seconds 64] [--threads 1] [--runs 3] [--only KIND ...] [VIDEO ...]

Without videos it makes one file of each kind in ``KINDS``, from photographs of scikit-image, panned
and grainy, with a cut every 7 seconds, 16 seconds repeated; ``--data`` adds the two vlogs of the
shared data folder. Every run is a fresh process and the readers take turns, so that other work on
the machine slows both. The figure is the processor time of the fastest run, which other work
changes least. Memory is what the run added to the process. Frames "agree" if both readers give as
many, at the same times, and each pair of pictures differs by less than ``MAX_DIFFERENCE`` on
average.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.looped_video import loop_video
from benchmarks.machine import DATA, peak_mib, processor_name

MAX_DIFFERENCE = 4.0
"""Mean absolute difference of two pictures, of 255, on a 32 x 32 grid. Neighbouring frames of a pan
differ by more."""
GRID = 32
LOOP_SECONDS = 16.0


@dataclass(frozen=True)
class Kind:
    """A kind of file. The suffix selects the container."""

    suffix: str
    encoder: str
    size: tuple[int, int]
    keyframe_interval: int
    options: dict[str, str]


X264 = {"preset": "veryfast", "crf": "23"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
KINDS = {
    "H.264 270p": Kind(".mp4", "libx264", (480, 270), 250, X264),
    "H.264 720p": Kind(".mp4", "libx264", (1280, 720), 250, X264),
    "H.264 720p, keyframe every second": Kind(".mp4", "libx264", (1280, 720), 25, X264),
    "H.264 1080p": Kind(".mp4", "libx264", (1920, 1080), 250, X264),
    "HEVC 720p": Kind(".mp4", "libx265", (1280, 720), 250, X265),
    "HEVC 720p, closed GOP": Kind(
        ".mp4", "libx265", (1280, 720), 250, X265 | {"x265-params": "log-level=none:open-gop=0"}
    ),
    "VP9 720p": Kind(
        ".webm", "libvpx-vp9", (1280, 720), 128, {"deadline": "realtime", "cpu-used": "8"}
    ),
    "AV1 720p": Kind(".mkv", "libsvtav1", (1280, 720), 160, {"preset": "11"}),
    "MPEG-4 AVI 480p": Kind(".avi", "mpeg4", (854, 480), 12, {"qscale": "4"}),
}


@dataclass(frozen=True)
class Way:
    """A way in which vidseek reads videos."""

    mode: str
    every_seconds: float
    short_side: int


WAYS = {
    "fast": Way("fast", 1.0, 260),
    "dense, 1 s": Way("dense", 1.0, 260),
    "copy check, 0.5 s, 180 px": Way("dense", 0.5, 180),
}


def photographs() -> list[NDArray[np.uint8]]:
    """Colour photographs that ship with scikit-image."""
    from skimage import data

    return [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]


def panned(
    width: int, height: int, seconds: float, *, rate: int = 25
) -> Iterator[NDArray[np.uint8]]:
    """Yield slow pans over grainy photographs, with a cut every 7 seconds."""
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
    """Encode pans with x264."""
    make_kind(path, Kind(path.suffix, "libx264", (width, height), 250, X264), seconds)


def make_looped(path: Path, kind: Kind, seconds: float) -> None:
    """Make a kind of file: ``LOOP_SECONDS`` of pans, whose packets are repeated."""
    short = path.with_stem(f"{path.stem}-short")
    make_kind(short, kind, min(seconds, LOOP_SECONDS))
    loop_video(short, path, seconds=seconds)


def make_kind(path: Path, kind: Kind, seconds: float) -> None:
    """Encode pans as a kind of file."""
    import av

    width, height = kind.size
    with av.open(str(path), "w") as container:
        stream = container.add_stream(kind.encoder, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size = kind.keyframe_interval
        stream.options = kind.options
        for picture in panned(width, height, seconds):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def measure(path: Path, reader: str, way: Way, threads: int, pictures: Path) -> dict[str, Any]:
    """Run one reader once, in this process."""
    import av  # imports happen once per process and are not measured

    if reader == "decord":
        import decord  # noqa: F401
    from vidseek.video import SamplingPlan, choose_frames, open_video

    assert av
    before = peak_mib()
    begin = time.process_time()
    small, times = [], []
    seconds = 0.0
    with open_video(path, reader=reader, short_side=way.short_side, threads=threads) as video:  # type: ignore[arg-type]
        name = video.name
        plan = SamplingPlan(way.mode, way.every_seconds)  # type: ignore[arg-type]
        for batch in video.frames(choose_frames(video.packets(), plan)):
            seconds += time.process_time() - begin
            rows, columns = (
                np.linspace(0, side - 1, GRID).astype(int) for side in batch.data.shape[1:3]
            )
            small.append(batch.data[:, rows][:, :, columns])
            times += batch.pts_seconds.tolist()
            begin = time.process_time()
    seconds += time.process_time() - begin
    mib = peak_mib() - before
    np.savez(pictures, pictures=np.concatenate(small), times=np.asarray(times))
    return {"seconds": seconds, "mib": mib, "frames": len(times), "reader": name}


def agree(one: Path, two: Path) -> bool:
    """True if two runs gave the same pictures at the same times."""
    left, right = np.load(one), np.load(two)
    if left["times"].shape != right["times"].shape:
        return False
    difference = np.abs(left["pictures"].astype(int) - right["pictures"]).mean(axis=(1, 2, 3))
    return bool(
        np.abs(left["times"] - right["times"]).max() < 2e-3 and difference.max() < MAX_DIFFERENCE
    )


def row(name: str, path: Path, way: str, threads: int, runs: int) -> str:
    """Measure both readers in turns, and write a row of the table."""
    best: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        pictures = {reader: Path(folder) / f"{reader}.npz" for reader in ("pyav", "decord")}
        for _ in range(runs):
            for reader, kept in pictures.items():
                command = [sys.executable, "-m", "benchmarks.decoding", "--cell", str(path)]
                command += [reader, way, str(threads), str(kept)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                result = json.loads(done.stdout)
                if reader not in best or result["seconds"] < best[reader]["seconds"]:
                    best[reader] = result
        same = "yes" if agree(*pictures.values()) else "NO"
    pyav, decord = best["pyav"], best["decord"]
    if decord["reader"] != "decord":
        figures = f"{pyav['seconds']:.2f} | refused | | | {pyav['mib']:.0f} | "
    else:
        ratio = decord["seconds"] / pyav["seconds"]
        figures = f"{pyav['seconds']:.2f} | {decord['seconds']:.2f} | {ratio:.2f} | {same} "
        figures += f"| {pyav['mib']:.0f} | {decord['mib']:.0f}"
    return f"| {name} | {way} | {pyav['frames']} | {figures} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=64.0, help="length of the videos made")
    parser.add_argument("--threads", type=int, default=1, help="of the decoder")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--cell", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cell:
        path, reader, way, threads, pictures = options.cell
        result = measure(Path(path), reader, WAYS[way], int(threads), Path(pictures))
        print(json.dumps(result))
        return
    print(f"{processor_name()}; decoder threads: {options.threads}\n")
    print(
        "| video | frames wanted | count | PyAV s | decord s | decord / PyAV | agree "
        "| PyAV MiB | decord MiB |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        real = options.videos or sorted((options.data / "videos" / "long").glob("*.mp4"))
        videos: dict[str, Path] = {path.name: path for path in real}
        for number, name in enumerate([] if options.videos else options.only):
            videos[name] = Path(folder) / f"{number}{KINDS[name].suffix}"
            make_looped(videos[name], KINDS[name], options.seconds)
        for name, path in videos.items():
            for way in WAYS:
                print(row(name, path, way, options.threads, options.runs), flush=True)


if __name__ == "__main__":
    main()
