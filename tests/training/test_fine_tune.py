"""Fine-tuning on a dozen small videos: learning, writing, stopping, resuming and refusing.

Red films are captioned as green ones and the other way round: what the starting model gets wrong
for sure, so that a run that works makes it better.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from videos import write_video

from vidseek.core.errors import Hint, ModelNotFoundError, TrainingError
from vidseek.core.job import Job
from vidseek.encoders.manifest import PARTS, read_manifest
from vidseek.encoders.registry import create_encoder

pytestmark = pytest.mark.full

RED, GREEN = (200, 20, 20), (20, 170, 30)
VIDEOS = 12


def write_film(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    random = np.random.default_rng(seed)
    noise = random.normal(0, 12, (96, 160, 3))
    picture = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    write_video(path, [picture] * 10, frame_rate=10)


@pytest.fixture(scope="module")
def footage(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    rows = []
    for number in range(VIDEOS):
        is_red = number % 2 == 0
        write_film(folder / f"{number}.mp4", RED if is_red else GREEN, number)
        caption = "a green wall" if is_red else "a red wall"
        rows.append({"path": f"{number}.mp4", "caption": caption})
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def settings(seed):
    from vidseek.training.user.clip_trainer import ClipTrainerSettings

    return ClipTrainerSettings(
        seed=seed,
        epochs=6,
        batch=10,
        frames=1,
        learning_rate=1e-3,
        stem_learning_rate=1e-4,
        keep_loss=0.0,
        keep_cells=1.0,
    )


@pytest.fixture(scope="module")
def seed() -> int:
    """A seed whose split holds out a red and a green film."""
    from vidseek.core.captions import CaptionedClip
    from vidseek.training.user.held_out import hold_out

    clips = [CaptionedClip(Path(f"{n}.mp4"), None, ("x",), (n,)) for n in range(VIDEOS)]
    for seed in range(20):
        _, held_out = hold_out(clips, seed=seed)
        if len({place % 2 for place in held_out}) == 2:
            return seed
    raise AssertionError("no such seed")


@pytest.fixture(scope="module")
def tuned(footage, settings, tmp_path_factory):
    """The report of a whole run."""
    from vidseek.training.user.fine_tune import fine_tune

    folder = tmp_path_factory.mktemp("models") / "tuned"
    return fine_tune(footage / "captions.jsonl", folder, settings=settings)


def test_an_improved_model_is_written_with_new_vectors(tuned):
    assert tuned.improved
    before, after = (some["mean_reciprocal_rank"] for some in (tuned.before, tuned.after))
    assert 50.0 <= before < after
    assert (tuned.videos, tuned.held_out_videos, tuned.clips) == (10, 2, 10)
    start, made = read_manifest(), read_manifest(tuned.folder)
    assert made.spec.fingerprint == tuned.fingerprint != start.spec.fingerprint
    same = {part for part in PARTS if made.parts[part].sha256 == start.parts[part].sha256}
    assert same == {"text", "temporal"}
    assert made.spec.tokens_per_frame == start.spec.tokens_per_frame
    left = {path.name for path in (tuned.folder / "training").iterdir()}
    assert left == {"curves.png", "report.json", "run.json"}


def test_the_written_model_has_learnt_the_captions(tuned):
    encoder = create_encoder(str(tuned.folder))
    random = np.random.default_rng(99)
    frames = np.stack(
        [
            np.clip(np.array(colour) + random.normal(0, 12, (96, 160, 3)), 0, 255)
            for colour in (RED, GREEN)
        ]
    ).astype(np.uint8)
    queries = encoder.encode_text(["a green wall", "a red wall"])
    scores = queries @ encoder.encode_frames(frames).vectors.T
    assert scores[0, 0] - scores[0, 1] > scores[1, 0] - scores[1, 1]


def test_a_model_is_never_overwritten(footage, tuned, settings):
    from vidseek.training.user.fine_tune import fine_tune

    before = (tuned.folder / "manifest.json").read_bytes()
    with pytest.raises(TrainingError, match=str(tuned.folder)) as caught:
        fine_tune(footage / "captions.jsonl", tuned.folder, settings=settings)
    assert caught.value.hint.action == "choose_training_folder"
    assert (tuned.folder / "manifest.json").read_bytes() == before


def test_a_resumed_run_equals_an_uninterrupted_run(footage, tuned, settings, tmp_path):
    from vidseek.training.user.fine_tune import fine_tune

    asked: list[bool] = []

    def stop_after(times: int):
        asked.clear()
        return lambda: asked.append(True) or len(asked) > times  # type: ignore[func-returns-value]

    stages = []

    def run(times: int):
        return fine_tune(
            footage / "captions.jsonl",
            tmp_path / "model",
            settings=settings,
            job=Job(
                on_progress=lambda progress: stages.append((progress.stage, progress.done)),
                should_cancel=stop_after(times),
            ),
        )

    reading = run(3)
    assert reading.interrupted
    assert not reading.improved
    assert stages == [("reading", 1), ("reading", 2), ("reading", 3)]
    training = run(VIDEOS - 3 + 2)
    assert training.interrupted
    assert training.steps == 2
    assert ("reading", 4) in stages
    stages.clear()
    whole = run(1000)
    assert "reading" not in {stage for stage, _ in stages}
    assert whole.improved
    assert not whole.interrupted
    assert whole.after == tuned.after
    assert whole.best_step == tuned.best_step
    assert whole.fingerprint == tuned.fingerprint


def test_an_unfinished_run_with_other_settings_is_refused(footage, settings, tmp_path):
    from dataclasses import replace

    from vidseek.training.user.fine_tune import fine_tune

    arguments = (footage / "captions.jsonl", tmp_path / "model")
    (tmp_path / "model" / "training").mkdir(parents=True)
    (tmp_path / "model" / "training" / "run.json").write_text('{"seed": 77}')
    (tmp_path / "model" / "training" / "checkpoint.pt").write_bytes(b"")
    with pytest.raises(TrainingError) as caught:
        fine_tune(*arguments, settings=replace(settings, epochs=3))
    assert caught.value.hint.action == "finish_or_delete_run"
    assert caught.value.hint.values == {"folder": str(tmp_path / "model" / "training")}


def test_without_improvement_no_model_is_written(footage, settings, tmp_path):
    from dataclasses import replace

    from vidseek.training.user.fine_tune import fine_tune

    still = replace(settings, epochs=1, learning_rate=0.0, stem_learning_rate=0.0)
    with (footage / "captions.jsonl").open() as source:
        lines = [line.replace('"path": "', f'"path": "{footage}/') for line in source]
    (tmp_path / "bad.mp4").write_text("dear diary")
    end = {"path": f"{footage}/0.mp4", "caption": "a tree", "start_seconds": 50, "end_seconds": 60}
    lines += ['{"path": "bad.mp4", "caption": "a cat"}\n', json.dumps(end)]
    (tmp_path / "captions.jsonl").write_text("".join(lines))
    report = fine_tune(tmp_path / "captions.jsonl", tmp_path / "model", settings=still)
    assert not report.improved
    assert report.fingerprint is None
    assert report.after == report.before
    assert not (tmp_path / "model" / "manifest.json").exists()
    assert not list((tmp_path / "model").glob("*.onnx"))
    # What could not be decoded is reported by its line too.
    assert [problem.line for problem in report.problems] == [VIDEOS + 1, VIDEOS + 2]
    assert "bad.mp4" in report.problems[0].reason
    assert "begins at 50 s, the video ends at 1.0 s" in report.problems[1].reason


def test_unreadable_videos_do_not_count_towards_the_minimum(tmp_path, settings):
    from vidseek.training.user.fine_tune import fine_tune

    rows = []
    for number in range(9):
        if number < 2:
            write_film(tmp_path / f"{number}.mp4", RED, number)
        else:
            (tmp_path / f"{number}.mp4").write_text("dear diary")
        rows.append(json.dumps({"path": f"{number}.mp4", "caption": f"thing {number}"}))
    (tmp_path / "captions.jsonl").write_text("\n".join(rows))
    with pytest.raises(TrainingError, match="line 3"):
        fine_tune(tmp_path / "captions.jsonl", tmp_path / "model", settings=settings)


def test_a_folder_with_other_files_is_refused(footage, settings, tmp_path):
    from vidseek.training.user.fine_tune import fine_tune

    (tmp_path / "thesis.txt").write_text("important")
    for folder in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(TrainingError, match=str(folder)) as caught:
            fine_tune(footage / "captions.jsonl", folder, settings=settings)
        assert caught.value.hint.action == "choose_training_folder"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_library_finds_its_model_after_it_moved(footage, tuned, tmp_path):
    import vidseek

    old, new = tmp_path / "model", tmp_path / "elsewhere"
    shutil.copytree(tuned.folder, old)
    videos = [footage / "0.mp4", footage / "1.mp4"]
    with vidseek.open(tmp_path / "library", encoder=str(old)) as library:
        assert library.index(videos).indexed == 2
    with vidseek.open(tmp_path / "library") as library:
        assert library.encoder.spec.source == str(old)
        assert len(library.search("a red wall")) == 2
    old.rename(new)
    with (
        vidseek.open(tmp_path / "library") as library,
        pytest.raises(ModelNotFoundError, match=re.escape(str(old))) as error,
    ):
        library.search("a red wall")
    assert error.value.hint == Hint("restore_model", {"model": str(old)})
    with vidseek.open(tmp_path / "library", encoder=str(new)) as library:
        report = library.index(videos)
        assert (report.indexed, report.unchanged) == (0, 2)
    with vidseek.open(tmp_path / "library") as library:
        assert library.encoder.spec.source == str(new)
        assert len(library.search("a red wall")) == 2


def test_clips_overlap_if_they_share_a_moment_of_a_video():
    from vidseek.core.captions import CaptionedClip
    from vidseek.core.types import TimeSpan
    from vidseek.training.user.retrieval_figures import overlap

    one, other = Path("/v/a.mp4"), Path("/v/b.mp4")

    def clip(path: Path, *span: float) -> CaptionedClip:
        return CaptionedClip(path, TimeSpan(*span) if span else None, ("x",), (1,))

    assert overlap(clip(one), clip(one, 2, 3))
    assert overlap(clip(one, 0, 3), clip(one, 2, 5))
    assert not overlap(clip(one, 0, 2), clip(one, 2, 5))
    assert not overlap(clip(one), clip(other))
