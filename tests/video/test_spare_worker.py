"""Idle decoding processes that one pool leaves to the next."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from videos import numbered, write_video

from vidseek.video import DecodeJob, DecodeLimits, DecodePool, SamplingPlan, spare_worker

EVERY_FRAME = SamplingPlan("dense", 0.04)


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    spare_worker.end_spare()
    yield
    spare_worker.end_spare()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("spare") / "video.mp4", numbered(100))


def decode(path: Path, **options: object) -> tuple[int, int]:
    """Number of frames, and the id of the process that decoded them."""
    with DecodePool(workers=1, short_side=48, **options) as pool:  # type: ignore[arg-type]
        for decoded in pool.read([DecodeJob(path, EVERY_FRAME)]):
            frames = sum(len(batch) for batch in decoded.batches())
            return frames, pool.process_ids[0]
    raise AssertionError("no video came")


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_serves_one_pool_after_the_other(video: Path) -> None:
    first, second = decode(video), decode(video)
    assert first == second
    assert first[0] == 100


def test_one_that_died_while_it_waited_is_replaced(video: Path) -> None:
    _, process_id = decode(video)
    assert spare_worker._SPARE._waiting is not None
    spare_worker._SPARE._waiting.process.kill()
    spare_worker._SPARE._waiting.process.wait()
    frames, other = decode(video)
    assert (frames, other != process_id) == (100, True)


def test_one_that_may_take_other_memory_is_not_taken(video: Path) -> None:
    _, process_id = decode(video)
    frames, other = decode(video, limits=DecodeLimits(memory_bytes=500_000_000))
    assert (frames, other != process_id) == (100, True)
    assert not is_running(process_id)


def test_what_one_pool_gave_up_another_may_ask_for(tmp_path: Path) -> None:
    """The process remembers which jobs were cancelled."""
    long = write_video(tmp_path / "long.mp4", numbered(1000), gop=50)
    with DecodePool(workers=1, short_side=48) as pool:
        jobs = [DecodeJob(long, EVERY_FRAME)] * 3 + [DecodeJob(long, SamplingPlan("dense", 4.0))]
        for place, decoded in enumerate(pool.read(jobs)):
            for _ in decoded.batches():
                if place < 3:
                    break
        process_id = pool.process_ids[0]
    assert decode(long) == (1000, process_id)


def test_it_waits_for_a_while_only(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spare_worker, "SPARE_SECONDS", 0.05)
    _, process_id = decode(video)
    timer = spare_worker._SPARE._timer
    if timer is not None:
        timer.join(timeout=30)
    assert not is_running(process_id)
    assert decode(video)[0] == 100


def test_a_pool_that_is_left_in_the_middle_leaves_no_busy_process(video: Path) -> None:
    with DecodePool(workers=1, short_side=48) as pool:
        for decoded in pool.read([DecodeJob(video, EVERY_FRAME)]):
            next(iter(decoded.batches()))
            process_id = pool.process_ids[0]
            break
    # A process that had already answered the cancellation may wait for the next pool.
    assert is_running(process_id) == (spare_worker._SPARE._waiting is not None)
    assert decode(video)[0] == 100


def test_both_sides_of_a_fork_decode(video: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from vidseek.video import DecodeJob, DecodePool, SamplingPlan\n"
        "def frames():\n"
        "    with DecodePool(workers=1, short_side=48) as pool:\n"
        f"        job = DecodeJob(Path({str(video)!r}), SamplingPlan('dense', 0.04))\n"
        "        for video in pool.read([job]):\n"
        "            return sum(len(batch) for batch in video.batches()), *pool.process_ids\n"
        "_, process_id = frames()\n"
        "child = os.fork()\n"
        "count, other = frames()\n"
        "assert count == 100\n"
        "assert (other == process_id) == (child != 0)\n"
        "if child:\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "    assert frames() == (100, process_id)\n"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, str(script)], cwd=root, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
