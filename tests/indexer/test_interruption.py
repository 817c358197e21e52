"""The library after a killed run, and what another process sees during a run."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from colour_encoder import ColourEncoder
from kill_points import VIDEOS_STORED
from runs import kill_at, start, wait_for_end_of_decoders

from vidseek.core.types import VideoState
from vidseek.encoders.copies.descriptor import CopyDescriptor
from vidseek.indexer import Indexer, IndexOptions
from vidseek.storage.store import LibraryStore

KILLS = 20
VIDEOS = 30


def assert_whole_videos_only(library: Path) -> int:
    """Check every video of a library; returns their number."""
    encoder = ColourEncoder()
    with LibraryStore.open(library) as store:
        assert store.find_problems() == []
        videos = store.videos.select()
        for video in videos:
            assert video.state is VideoState.INDEXED
            clips = store.videos.clips(video.id)
            assert clips[0].span.start_seconds == 0.0
            assert clips[-1].span.end_seconds == pytest.approx(video.duration_seconds)
            ids = [clip.id for clip in clips]
            vectors = store.clip_vectors.read(ids, encoder.spec.fingerprint)
            assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=0.01)
            features = store.clip_vectors.frame_features(ids, encoder.spec.fingerprint)
            for clip, frames in zip(clips, features, strict=True):
                assert len(frames) == len(clip.frame_seconds)
        index = store.vector_index(encoder.spec)
        index.refresh()
        assert len(index) == store.statistics().clips
        return len(videos)


def hits(library: Path) -> list[dict[tuple[str, float, float], float]]:
    """All hits of some queries: score by file, start and end."""
    encoder = ColourEncoder()
    queries = encoder.encode_text(["a dog", "a cat", "two men in a boat"])
    with LibraryStore.open(library) as store:
        index = store.vector_index(encoder.spec)
        index.refresh()
        scores, ids = index.search(queries, len(index))
        clips = store.videos.clips_by_id(ids[0].tolist())
        names = {video.id: video.path.name for video in store.videos.select()}
        where = {
            id: (names[clip.video_id], clip.span.start_seconds, clip.span.end_seconds)
            for id, clip in clips.items()
        }
        return [
            {where[id]: score for score, id in zip(row, found, strict=True)}
            for row, found in zip(scores.tolist(), ids.tolist(), strict=True)
        ]


@pytest.fixture
def many(tmp_path, make_video) -> Path:
    folder = tmp_path / "footage"
    for number in range(VIDEOS):
        make_video(folder / f"{number:02}.mp4", seed=number, seconds=2 + number % 3)
    return folder


def index_whole(library: Path, footage: Path) -> None:
    """Index in this process, to the end."""
    with LibraryStore.open(library, create=True) as store:
        report = Indexer(store, ColourEncoder(), options=IndexOptions(workers=1)).run([footage])
        assert report.failed == ()
        assert report.indexed + report.unchanged == len(list(footage.iterdir()))


def assert_same_library(killed: Path, whole: Path) -> None:
    # Not bit by bit: sums are taken in another order in the base than in the tail of an index.
    for found, expected in zip(hits(killed), hits(whole), strict=True):
        assert found == pytest.approx(expected, abs=1e-4)
    thumbnails = [
        {path.name: path.read_bytes() for path in (library / "thumbnails").rglob("*.*")}
        for library in (killed, whole)
    ]
    assert thumbnails[0] == thumbnails[1]  # no orphans are left


def test_a_run_killed_at_each_point_leaves_whole_videos_and_the_next_continues(
    tmp_path, make_video
):
    footage, killed = tmp_path / "footage", tmp_path / "killed"
    for number in range(8):
        make_video(footage / f"{number:02}.mp4", seed=number, seconds=2)
    fingerprint = CopyDescriptor().fingerprint
    videos = 0
    for point, stored in VIDEOS_STORED.items():
        process = start("index_in_process.py", killed, footage, "--copies", "--kill", point)
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
        videos += stored
        assert assert_whole_videos_only(killed) == videos
        with LibraryStore.open(killed) as store:
            assert store.videos.without_copy_descriptors(fingerprint) == []
            assert store.statistics().copy_videos == videos
    wait_for_end_of_decoders(killed)
    index_whole(killed, footage)
    assert assert_whole_videos_only(killed) == 8
    index_whole(tmp_path / "whole", footage)
    assert_same_library(killed, tmp_path / "whole")


@pytest.mark.long
def test_a_run_killed_twenty_times_ends_with_the_library_of_one_that_was_not(many, tmp_path):
    killed, chance = tmp_path / "killed", random.Random(4)
    seen = 0
    in_the_act = 0
    for _ in range(KILLS):
        process = start("index_in_process.py", killed, many)
        in_the_act += kill_at(process, chance.randint(1, 5), chance.uniform(0.0, 0.05))
        if killed.exists():
            now = assert_whole_videos_only(killed)
            assert now >= seen  # no stored video is lost
            seen = now
    wait_for_end_of_decoders(killed)
    assert in_the_act == KILLS, "the folder is too small to kill a run so often"
    assert seen < VIDEOS
    index_whole(killed, many)
    assert assert_whole_videos_only(killed) == VIDEOS
    index_whole(tmp_path / "whole", many)
    assert_same_library(killed, tmp_path / "whole")


@pytest.mark.long
def test_a_killed_run_leaves_no_video_without_its_copy_frames(many, tmp_path):
    library, chance = tmp_path / "library", random.Random(5)
    fingerprint = CopyDescriptor().fingerprint
    for _ in range(4):
        process = start("index_in_process.py", library, many, "--copies")
        kill_at(process, chance.randint(3, 6), chance.uniform(0.0, 0.05))
        if library.exists():
            assert_whole_videos_only(library)
            with LibraryStore.open(library) as store:
                assert store.videos.without_copy_descriptors(fingerprint) == []
    wait_for_end_of_decoders(library)
    with LibraryStore.open(library) as store:
        assert 0 < store.statistics().copy_videos < VIDEOS


def test_another_process_searches_while_a_run_goes_on(many, tmp_path):
    library = tmp_path / "library"
    with LibraryStore.open(library, create=True) as store:
        first = Indexer(store, ColourEncoder(), options=IndexOptions(workers=1))
        first.run([many / "00.mp4"])
        searcher = start("search_in_process.py", library)
        assert searcher.stdout is not None
        assert searcher.stdout.readline() == "found 1\n"
        report = Indexer(store, ColourEncoder(), options=IndexOptions(workers=1)).run([many])
        assert report.indexed == VIDEOS - 1
        (many / "05.mp4").unlink()
        shutil.copy(many / "06.mp4", many / "05.mp4")
        Indexer(store, ColourEncoder(), options=IndexOptions(workers=1)).run([many])
        time.sleep(0.5)
        output, _ = searcher.communicate(timeout=30)
    assert searcher.returncode == 0
    lines = output.splitlines()
    found = [int(line.split()[1]) for line in lines if line.startswith("found")]
    assert found[-1] == VIDEOS
    assert len(found) >= 3, "new videos were not seen while the run went on"
    whole = found.index(VIDEOS)
    assert found[:whole] == sorted(found[:whole])
    # While the changed file is indexed again, a search may see the library without it.
    assert min(found[whole:]) >= VIDEOS - 1
    assert int(lines[-1].split()[1]) > 3
