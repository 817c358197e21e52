"""``library.vectors()`` and ``vidseek export``: the stored vectors, with their videos and times."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_process import invoke_vidseek
from library_samples import SPEC, clips, encoder_spec, video

import vidseek
from vidseek import vectors as vectors_module
from vidseek.core.types import EncodedClip
from vidseek.storage.store import LibraryStore

OTHER = encoder_spec("other", dimension=8)
COUNTS = {"/films/a.mp4": 3, "/films/b.mp4": 1, "/clips/c.mp4": 4}


@pytest.fixture
def library(tmp_path: Path):
    """Three videos of 3, 1 and 4 clips of two frames; a fourth whose file is missing."""
    folder = tmp_path / "library"
    with LibraryStore.open(folder, create=True) as store, store.lease():
        store.encoders.register(SPEC)
        store.encoders.register(OTHER)
        store.encoders.activate(SPEC.fingerprint)
        for path, count in {**COUNTS, "/films/gone.mp4": 2}.items():
            state = vidseek.VideoState.INDEXED
            if path.endswith("gone.mp4"):
                state = vidseek.VideoState.MISSING
            made = clips(count, seed=count)
            store.videos.add(video(path, state=state), made, fingerprint=SPEC.fingerprint)
        (a,) = store.videos.select(under=Path("/films/a.mp4"))
        others = clips(3, seed=9, spec=OTHER)
        stored = store.videos.clips(a.id)
        encoded = {
            clip.id: EncodedClip(clip.span, clip.frame_seconds, other.vector, other.frames)
            for clip, other in zip(stored, others, strict=True)
        }
        assert store.clip_vectors.add(a.id, encoded, fingerprint=OTHER.fingerprint)
    with vidseek.open(folder, create=False) as library:
        yield library


def test_clips_are_unit_vectors_with_their_places(library: vidseek.Library) -> None:
    batch = library.vectors().to_numpy()
    assert batch.vectors.shape == (8, SPEC.dimension)
    assert batch.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(batch.vectors, axis=1), 1, atol=1e-6)
    assert [str(path) for path in batch.paths] == [
        path for path, count in COUNTS.items() for _ in range(count)
    ]
    ids = {str(each.path): each.id for each in library.videos()}
    assert batch.video_ids.tolist() == [ids[str(path)] for path in batch.paths]
    assert batch.clip_ids.tolist() == sorted(set(batch.clip_ids.tolist()))
    assert batch.start_seconds.tolist() == [0, 2, 4, 0, 0, 2, 4, 6]
    assert batch.end_seconds.tolist() == [2, 4, 6, 2, 2, 4, 6, 8]
    assert batch.frame_seconds is None
    expected = np.concatenate(
        [[clip.vector for clip in clips(count, seed=count)] for count in COUNTS.values()]
    )
    np.testing.assert_allclose(batch.vectors, expected, atol=1e-3)


def test_frames_have_the_time_of_each(library: vidseek.Library) -> None:
    batch = library.vectors("frames").to_numpy()
    assert batch.vectors.shape == (16, SPEC.dimension)
    assert batch.frame_seconds is not None
    assert batch.frame_seconds.tolist()[:6] == [0, 0.5, 2, 2.5, 4, 4.5]
    assert batch.start_seconds.tolist()[:6] == [0, 0, 2, 2, 4, 4]
    assert len(batch.paths) == len(batch.video_ids) == len(batch.clip_ids) == 16
    np.testing.assert_allclose(batch.vectors[2:4], clips(3, seed=3)[1].frames.vectors, atol=1e-3)


def test_another_model_and_a_filter(library: vidseek.Library) -> None:
    assert library.vectors(model="other").to_numpy().vectors.shape == (3, OTHER.dimension)
    chosen = library.vectors("frames", where=vidseek.VideoFilter(path_glob="/clips/*"))
    assert {str(path) for path in chosen.to_numpy().paths} == {"/clips/c.mp4"}
    none = library.vectors(where=vidseek.VideoFilter(path_glob="/nowhere/*")).to_numpy()
    assert none.vectors.shape == (0, SPEC.dimension)
    with pytest.raises(vidseek.UnknownEncoderError):
        library.vectors(model="unheard-of")
    with pytest.raises(ValueError, match="level"):
        library.vectors("shots")  # type: ignore[arg-type]


@pytest.mark.parametrize("level", ["clips", "frames"])
def test_batches_are_small_and_together_everything(
    library: vidseek.Library, level: str, monkeypatch
) -> None:
    everything = library.vectors(level).to_numpy()
    monkeypatch.setitem(vectors_module.CLIPS_PER_BATCH, level, 3)
    batches = list(library.vectors(level))
    assert [len(set(batch.clip_ids.tolist())) for batch in batches] == [3, 3, 2]
    joined = np.concatenate([batch.vectors for batch in batches])
    np.testing.assert_array_equal(joined, everything.vectors)


def test_a_video_removed_on_the_way_is_left_out(library: vidseek.Library, monkeypatch) -> None:
    monkeypatch.setitem(vectors_module.CLIPS_PER_BATCH, "clips", 3)
    seen = []
    for batch in library.vectors():
        seen += [path.name for path in batch.paths]
        if len(seen) == 3:
            assert library.remove("/films/b.mp4") == 1
    assert seen == ["a.mp4"] * 3 + ["c.mp4"] * 4


def test_a_new_library_has_no_vectors(tmp_path: Path) -> None:
    with vidseek.open(tmp_path / "new") as library, pytest.raises(vidseek.LibraryError):
        library.vectors()


def test_parquet_without_pyarrow_says_what_to_install(
    library: vidseek.Library, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(vidseek.MissingExtraError) as caught:
        library.vectors().to_parquet(tmp_path / "out.parquet")
    assert caught.value.hint == vidseek.Hint("install_extra", {"extra": "parquet"})
    answer = invoke_vidseek(["export", tmp_path / "out.parquet"], library=library.folder)
    assert answer.returncode != 0
    assert "parquet" in answer.stderr
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.full
@pytest.mark.parametrize("level", ["clips", "frames"])
def test_parquet_holds_what_numpy_gives(
    library: vidseek.Library, tmp_path: Path, level: str, monkeypatch
) -> None:
    from pyarrow import parquet

    expected = library.vectors(level).to_numpy()
    monkeypatch.setitem(vectors_module.CLIPS_PER_BATCH, level, 3)
    file = tmp_path / "out.parquet"
    file.write_text("an older file")
    assert library.vectors(level).to_parquet(file) == len(expected)
    table = parquet.read_table(file)
    rows = np.stack(table["vector"].to_pylist())
    np.testing.assert_array_equal(rows.astype(np.float32), expected.vectors)
    assert table["path"].to_pylist() == [str(path) for path in expected.paths]
    for name in ("clip_id", "video_id"):
        np.testing.assert_array_equal(table[name].to_numpy(), getattr(expected, f"{name}s"))
    times = ["start_seconds", "end_seconds"] + ["frame_seconds"] * (level == "frames")
    for name in times:
        np.testing.assert_array_equal(table[name].to_numpy(), getattr(expected, name))
    assert table.schema.metadata[b"vidseek.fingerprint"].decode() == SPEC.fingerprint
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.parquet"]


@pytest.mark.full
def test_export_writes_a_filtered_file(library: vidseek.Library, tmp_path: Path) -> None:
    from pyarrow import parquet

    file = tmp_path / "out.parquet"
    options = ["--frames", "--in", "/films/*", "--model", "sample", "--json"]
    answer = invoke_vidseek(["export", file, *options], library=library.folder)
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert (report["rows"], report["dimension"], report["level"]) == (8, SPEC.dimension, "frames")
    assert parquet.read_metadata(file).num_rows == 8


@pytest.mark.full
def test_an_export_that_fails_or_is_cancelled_leaves_nothing(
    library: vidseek.Library, tmp_path: Path
) -> None:
    with pytest.raises(vidseek.PathNotFoundError):
        library.vectors().to_parquet(tmp_path / "nowhere" / "out.parquet")
    file = tmp_path / "out.parquet"
    with pytest.raises(vidseek.JobCancelledError):
        library.vectors().to_parquet(file, job=vidseek.Job(should_cancel=lambda: True))
    assert [path.name for path in tmp_path.iterdir()] == ["library"]


@pytest.mark.full
def test_a_path_that_is_not_utf8_is_exported(library: vidseek.Library, tmp_path: Path) -> None:
    from pyarrow import parquet

    library.relocate("/films/b.mp4", "/films/b\udcff.mp4", missing_ok=True)
    file = tmp_path / "out.parquet"
    library.vectors().to_parquet(file)
    assert "/films/b\\xff.mp4" in parquet.read_table(file)["path"].to_pylist()
