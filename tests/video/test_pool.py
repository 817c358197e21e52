"""Decoding processes: a bad file fails alone, even if it crashes its decoder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from videos import make_video, number_of, numbered, picture, write_video

from vidseek.core.errors import (
    DecodeLimitError,
    Hint,
    NotAVideoError,
    UnreadableVideoError,
    VideoError,
)
from vidseek.core.types import TimeSpan
from vidseek.video import (
    DecodeJob,
    DecodeLimits,
    DecodePool,
    SamplingPlan,
    channel,
)
from vidseek.video.spare_worker import end_spare

EVERY_FRAME = SamplingPlan("dense", 0.04)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 numbered pictures, 4 s."""
    return write_video(tmp_path_factory.mktemp("pool") / "good.mp4", numbered(100))


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 pictures: more batches than are ever decoded ahead."""
    return write_video(tmp_path_factory.mktemp("pool") / "long.mp4", numbered(1000), gop=50)


def exists(process_id: int) -> bool:
    try:
        status = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return status != "Z"


def wait_until(condition, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def count(video) -> int:
    return sum(len(batch) for batch in video.batches())


def test_files_come_in_order_with_frames_facts_and_reasons(good: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("words " * 100)
    paths = [good, text, good, tmp_path / "missing.mp4", good]
    seen = []
    with DecodePool(workers=2, short_side=48) as pool:
        for video in pool.read(DecodeJob(path, SamplingPlan("dense", 0.4)) for path in paths):
            seen.append(video.path)
            if video.path == good:
                assert (video.info.width, video.info.height) == (160, 96)
                batches = list(video.batches())
                numbers = [number_of(frame) for batch in batches for frame in batch.data]
                assert numbers == list(range(0, 100, 10))
                pts = np.concatenate([batch.pts_seconds for batch in batches])
                np.testing.assert_allclose(pts, np.arange(10) * 0.4, atol=1e-6)
                assert batches[0].data.shape[1:] == (48, 80, 3)
                assert not video.damaged
                assert video.duration_seconds == pytest.approx(4.0)
                np.testing.assert_allclose(video.scene_starts.sample_seconds, pts, atol=1e-6)
            else:
                with pytest.raises(VideoError) as caught:
                    _ = video.info
                assert caught.value.path == video.path
                kind = NotAVideoError if video.path == text else UnreadableVideoError
                assert isinstance(caught.value, kind)
                with pytest.raises(kind):
                    list(video.batches())
        # One process may decode these short files before the other has started.
        assert wait_until(lambda: len(pool.process_ids) == 2, seconds=60)
        ids = pool.process_ids
    assert seen == paths
    end_spare()
    assert not any(exists(process_id) for process_id in ids)


def test_batches_are_bounded(long: Path) -> None:
    with DecodePool(workers=1, short_side=48) as pool:
        for video in pool.read([DecodeJob(long, EVERY_FRAME)]):
            sizes = [len(batch) for batch in video.batches()]
    assert sum(sizes) == 1000
    assert max(sizes) <= 32


def test_a_span_gives_its_frames_only(long: Path) -> None:
    job = DecodeJob(long, SamplingPlan("dense", 1.0), TimeSpan(20.0, 23.0))
    with DecodePool(workers=1, short_side=48) as pool:
        for video in pool.read([job]):
            numbers = [number_of(f) for batch in video.batches() for f in batch.data]
    assert numbers == [500, 525, 550]


def test_a_killed_process_costs_one_file(good: Path, long: Path) -> None:
    with DecodePool(workers=1, short_side=96) as pool:
        jobs = [DecodeJob(long, EVERY_FRAME), DecodeJob(good)]
        outcomes = []
        for video in pool.read(jobs):
            try:
                _ = video.info
                if not outcomes:
                    # The process now waits for us to take frames: it is in the middle of the file.
                    os.kill(pool.process_ids[0], signal.SIGSEGV)
                outcomes.append(count(video))
            except VideoError as error:
                outcomes.append(error)
        assert len(pool.process_ids) == 1
    assert isinstance(outcomes[0], UnreadableVideoError)
    assert "SIGSEGV" in outcomes[0].reason
    assert outcomes[1] == 4


def test_a_hanging_process_costs_one_file(good: Path, long: Path) -> None:
    limits = DecodeLimits(stall_seconds=2.0)
    with DecodePool(workers=1, short_side=96, limits=limits) as pool:
        outcomes = []
        for video in pool.read([DecodeJob(long, EVERY_FRAME), DecodeJob(good)]):
            try:
                _ = video.info
                if not outcomes:
                    os.kill(pool.process_ids[0], signal.SIGSTOP)
                outcomes.append(count(video))
            except VideoError as error:
                outcomes.append(error)
    assert isinstance(outcomes[0], DecodeLimitError)
    assert "hangs" in outcomes[0].reason
    assert outcomes[1] == 4


def test_a_file_that_takes_too_long_is_given_up(good: Path, long: Path) -> None:
    limits = DecodeLimits(base_seconds=3.0, seconds_per_video_second=0.0)
    with DecodePool(workers=1, short_side=96, limits=limits) as pool:
        outcomes = []
        for video in pool.read([DecodeJob(long, EVERY_FRAME), DecodeJob(good)]):
            try:
                _ = video.info
                if not outcomes:
                    os.kill(pool.process_ids[0], signal.SIGSTOP)
                outcomes.append(count(video))
            except VideoError as error:
                outcomes.append(error)
    assert isinstance(outcomes[0], DecodeLimitError)
    assert "too long" in outcomes[0].reason
    assert outcomes[0].hint == Hint("shrink_video")
    assert outcomes[1] == 4


def test_waiting_for_the_consumer_does_not_count(long: Path) -> None:
    limits = DecodeLimits(base_seconds=3.0, seconds_per_video_second=0.0, stall_seconds=3.0)
    with DecodePool(workers=1, short_side=96, limits=limits) as pool:
        for video in pool.read([DecodeJob(long, EVERY_FRAME)]):
            _ = video.info
            time.sleep(3.5)
            assert count(video) == 1000


def test_a_file_that_takes_too_much_memory_is_given_up(good: Path, tmp_path: Path) -> None:
    frames = (picture(number, width=3840, height=2160) for number in range(3))
    large = write_video(tmp_path / "large.mp4", frames, options={"x264-params": "ref=16"})
    limits = DecodeLimits(memory_bytes=40 << 20)
    with DecodePool(workers=1, short_side=48, limits=limits) as pool:
        outcomes = []
        for video in pool.read([DecodeJob(large, EVERY_FRAME), DecodeJob(good)]):
            try:
                outcomes.append(count(video))
            except VideoError as error:
                outcomes.append(error)
    assert isinstance(outcomes[0], VideoError)
    assert "memory" in outcomes[0].reason
    assert outcomes[1] == 4


def test_large_pictures_are_refused(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", [picture(1, width=640, height=480)], seconds_each=0.2)
    limits = DecodeLimits(max_pixels=640 * 479)
    with DecodePool(workers=1, short_side=48, limits=limits) as pool:
        for video in pool.read([DecodeJob(path)]):
            with pytest.raises(DecodeLimitError) as caught:
                _ = video.info
            assert caught.value.hint == Hint("shrink_video")


def test_a_process_can_suggest_only_what_a_decoder_may() -> None:
    error = NotAVideoError("no video", path="/a.mp4", hint=Hint("copy_again"))
    header = channel.error_to_header(error)
    received = channel.error_from_header(header, "/a.mp4")
    assert (type(received), received.hint) == (NotAVideoError, Hint("copy_again"))
    header["hint"] = "delete_everything"
    assert channel.error_from_header(header, "/a.mp4").hint is None
    header["hint"] = ["copy_again"]
    assert channel.error_from_header(header, "/a.mp4").hint is None


def test_a_video_that_is_not_used_up_is_abandoned(good: Path, long: Path) -> None:
    with DecodePool(workers=1, short_side=96) as pool:
        counts = []
        for number, video in enumerate(
            pool.read([DecodeJob(long, EVERY_FRAME), DecodeJob(long, EVERY_FRAME), DecodeJob(good)])
        ):
            if number == 0:
                continue  # never looked at
            if number == 1:
                counts.append(len(next(video.batches())))
                continue
            counts.append(count(video))
    assert counts == [32, 4]


def test_a_pool_can_be_left_in_the_middle(long: Path) -> None:
    with DecodePool(workers=2, short_side=96) as pool:
        for video in pool.read(DecodeJob(long, EVERY_FRAME) for _ in range(10)):
            next(video.batches())
            ids = pool.process_ids
            break
    end_spare()  # a process that has answered the cancellation may wait for the next pool
    assert not any(exists(process_id) for process_id in ids)


def test_a_pool_can_be_closed_while_its_videos_are_still_held(long: Path) -> None:
    pool = DecodePool(workers=1, short_side=96)
    videos = pool.read(DecodeJob(long, EVERY_FRAME) for _ in range(3))
    video = next(videos)
    batches = video.batches()
    next(batches)
    pool.close()
    with pytest.raises(UnreadableVideoError, match="stopped"):
        list(batches)


def test_names_that_are_no_text_are_read(good: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9 \xff.mp4")
    try:
        path.write_bytes(good.read_bytes())
    except OSError:
        pytest.xfail("this file system has no such names")
    with DecodePool(workers=1, short_side=48) as pool:
        for video in pool.read([DecodeJob(path)]):
            assert count(video) == 4


def test_nothing_in_the_current_folder_is_run(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json.py", "sitecustomize.py", "av.py"):
        (tmp_path / name).write_text("import pathlib; pathlib.Path('ran').touch()")
    monkeypatch.chdir(tmp_path)
    end_spare()
    with DecodePool(workers=1, short_side=48) as pool:
        for video in pool.read([DecodeJob(good)]):
            assert count(video) == 4
    assert not (tmp_path / "ran").exists()


def test_a_stopped_run_blames_no_file(long: Path, tmp_path: Path) -> None:
    """Ctrl-Z suspends the main process, not its decoders, while time passes for both."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, time\n"
        "from pathlib import Path\n"
        "from vidseek.video import *\n"
        "limits = DecodeLimits(base_seconds=4.0, seconds_per_video_second=0.0, stall_seconds=4.0)\n"
        "with DecodePool(workers=1, short_side=96, limits=limits) as pool:\n"
        f"    job = DecodeJob(Path({str(long)!r}), SamplingPlan('dense', 0.04))\n"
        "    for video in pool.read([job]):\n"
        "        print(video.info.codec, flush=True)\n"
        "        print(sum(len(batch) for batch in video.batches()), flush=True)\n"
    )
    run = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "h264\n"
    os.kill(run.pid, signal.SIGSTOP)
    time.sleep(5.0)
    os.kill(run.pid, signal.SIGCONT)
    output, _ = run.communicate(timeout=30)
    assert output.split() == ["1000"]


def test_jobs_are_taken_no_further_ahead_than_needed(good: Path) -> None:
    taken = 0

    def jobs():
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield DecodeJob(good)

    with DecodePool(workers=1, short_side=48) as pool:
        for video in pool.read(jobs()):
            count(video)
            break
    assert taken <= 4


def test_ctrl_c_does_not_reach_the_processes(good: Path, long: Path) -> None:
    with DecodePool(workers=1, short_side=48) as pool:
        for video in pool.read([DecodeJob(long, EVERY_FRAME)]):
            _ = video.info
            process_id = pool.process_ids[0]
            os.kill(process_id, signal.SIGINT)
            assert count(video) == 1000
            assert os.getpgid(process_id) != os.getpgid(0)


def test_no_process_outlives_a_killed_run(long: Path, tmp_path: Path) -> None:
    # Also: a plain script, without a guard against being imported again.
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from vidseek.video import DecodeJob, DecodePool, SamplingPlan\n"
        "pool = DecodePool(workers=2, short_side=96)\n"
        f"jobs = [DecodeJob(Path({str(long)!r}), SamplingPlan('dense', 0.04))] * 4\n"
        "for video in pool.read(jobs):\n"
        "    next(video.batches())\n"
        "    print(*pool.process_ids, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    run = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout is not None
    ids = [int(word) for word in run.stdout.readline().split()]
    assert len(ids) == 2
    assert all(exists(process_id) for process_id in ids)
    run.kill()
    _, complaints = run.communicate()
    assert wait_until(lambda: not any(exists(process_id) for process_id in ids))
    assert complaints == ""


def test_a_stopped_process_that_hangs_in_c_ends_with_the_run(long: Path) -> None:
    with DecodePool(workers=1, short_side=96) as pool:
        for video in pool.read([DecodeJob(long, EVERY_FRAME)]):
            _ = video.info
            process_id = pool.process_ids[0]
            os.kill(process_id, signal.SIGSTOP)
            break
    assert not exists(process_id)


def test_processes_start_light() -> None:
    code = (
        "import sys, av, vidseek.video.worker\n"
        "heavy = {'torch', 'transformers', 'faiss', 'onnxruntime', 'scenedetect', 'sqlalchemy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == "[]"


def test_importing_the_package_imports_no_decoder() -> None:
    code = (
        "import sys, vidseek.video\n"
        "print(sorted({'av', 'decord', 'PIL', 'torch'} & set(sys.modules)))"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == "[]"
