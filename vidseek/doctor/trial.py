"""Try the installation: decode a small video, encode it, and search it in a new library.

for trial in try_installation():
    print(trial.step, trial.failure or "works")

The steps run in a process of their own: a library that was built for another processor ends its
process with a signal, and the step that it ended is the one that fails.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import VidseekError
from vidseek.core.types import EncodedClip, FrameFeatures, TimeSpan, Video
from vidseek.doctor.report import Trial

SAMPLE = Path(__file__).with_name("sample.mp4")
"""A cat, 2 s of H.264."""
TIMEOUT_SECONDS = 120.0

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from vidseek.doctor.trial import main; main()"
)


class _Steps:
    """What each step leaves to the next."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._frames: NDArray[np.uint8]
        self._features: FrameFeatures

    def decode(self) -> None:
        """Decode the sample as ``index`` does, in a decoding process."""
        from vidseek.video import DecodeJob, DecodePool, SamplingPlan

        with DecodePool(workers=1, short_side=96) as pool:
            job = DecodeJob(SAMPLE, SamplingPlan(mode="dense", every_seconds=0.5))
            for video in pool.read([job]):
                self._frames = np.concatenate([batch.data for batch in video.batches()])

    def encode_frames(self) -> None:
        """Encode the frames with the built-in model."""
        from vidseek.encoders.registry import create_encoder

        self._features = create_encoder().encode_frames(self._frames)
        _check_finite(self._features.vectors)

    def describe(self) -> None:
        """Compute the copy descriptors of the frames."""
        from vidseek.encoders.copies.descriptor import CopyDescriptor

        _check_finite(CopyDescriptor().describe(self._frames))

    def encode_text(self) -> None:
        """Encode a sentence with the built-in model."""
        from vidseek.encoders.registry import create_encoder

        _check_finite(create_encoder().encode_text(["a cat"]))

    def search(self) -> None:
        """Store the vectors in a new library, and find each of them through its FAISS index."""
        from vidseek.encoders.registry import create_encoder
        from vidseek.storage.store import LibraryStore

        spec = create_encoder().spec
        vectors, tokens = self._features.vectors, self._features.tokens
        status = SAMPLE.stat()
        video = Video(
            id=0,
            path=SAMPLE,
            content_hash="0" * 64,
            size_bytes=status.st_size,
            modified_ns=status.st_mtime_ns,
            duration_seconds=float(len(vectors)),
            frame_rate=2.0,
            width=128,
            height=96,
            codec="h264",
        )
        clips = [
            EncodedClip(
                TimeSpan(float(number), number + 1.0),
                (float(number),),
                vector,
                FrameFeatures(vectors[[number]], tokens[[number]]),
            )
            for number, vector in enumerate(vectors)
        ]
        with LibraryStore.open(self._folder, create=True) as store:
            store.encoders.register(spec)
            store.encoders.activate(spec.fingerprint)
            store.videos.add(video, clips, fingerprint=spec.fingerprint)
            index = store.vector_index(spec)
            index.refresh()
            scores, ids = index.search(vectors, 1)
        _check_finite(scores)
        if (ids < 0).any():
            raise RuntimeError("the index does not find what was stored")


_STEPS: dict[str, Callable[[_Steps], None]] = {
    "decode a video": _Steps.decode,
    "encode its frames": _Steps.encode_frames,
    "compute copy descriptors": _Steps.describe,
    "encode a sentence": _Steps.encode_text,
    "search an index": _Steps.search,
}
_NEEDS = {
    "encode its frames": "decode a video",
    "compute copy descriptors": "decode a video",
    "search an index": "encode its frames",
}


@cache
def try_installation() -> tuple[Trial, ...]:
    """Try every step in another process. Tried once: packages do not change in a process.

    Returns:
        The steps in order. A step whose input another step did not give is left out.
    """
    command = [
        sys.executable,
        "-P",
        "-c",
        _START,
        json.dumps([str(Path(entry).absolute()) for entry in sys.path]),
    ]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_SECONDS
        )
        output, end = done.stdout, _describe_end(done)
    except subprocess.TimeoutExpired as expired:
        output, end = expired.stdout or b"", f"no result within {TIMEOUT_SECONDS:g} s"
    except OSError as error:
        return (Trial("start a process", f"{error.strerror or error}"),)
    return _read(output.decode(errors="replace"), end)


def _describe_end(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode < 0:
        return f"its process was killed by signal {-done.returncode}"
    last_lines = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    return "; ".join([f"its process ended with {done.returncode}", *last_lines])


def _read(output: str, end: str) -> tuple[Trial, ...]:
    """Read what the process wrote: a line when a step begins, and one with its result.

    Args:
        output: the lines.
        end: how the process ended, for a step without a result.
    """
    trials: list[Trial] = []
    running: str | None = None
    for line in output.splitlines():
        try:
            step, *result = json.loads(line)
        except ValueError:
            continue  # a library's output
        running = None if result else step
        if result:
            trials.append(Trial(step, result[0]))
    if running is not None or not trials:
        trials.append(Trial(running or "start a process", end))
    return tuple(trials)


def main() -> None:
    """Entry point of the process: write a JSON line before and after each step."""
    logging.getLogger("vidseek").addHandler(logging.NullHandler())
    failed: set[str] = set()
    with TemporaryDirectory(prefix="vidseek-doctor-") as folder:
        steps = _Steps(Path(folder))
        for name, step in _STEPS.items():
            if _NEEDS.get(name) in failed:
                failed.add(name)
                continue
            print(json.dumps([name]), flush=True)  # noqa: T201 - read by try_installation
            failure = _try(step, steps)
            if failure is not None:
                failed.add(name)
            print(json.dumps([name, failure]), flush=True)  # noqa: T201


def _try(step: Callable[[_Steps], None], steps: _Steps) -> str | None:
    try:
        step(steps)
    except VidseekError as error:
        return str(error)
    except Exception as error:  # whatever a broken package raises
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None


def _check_finite(values: NDArray[np.float32]) -> None:
    if not len(values) or not np.isfinite(values).all():
        raise RuntimeError("the result is empty or not a number")
