"""The clips of files whose times are odd: none where the file shows nothing, none twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from colour_encoder import ColourEncoder
from videos import add_sound, make_video, picture

from vidseek.core.types import TimeSpan
from vidseek.indexer import Indexer, IndexOptions
from vidseek.storage.store import LibraryStore


def spans(store: LibraryStore, encoder: ColourEncoder, path: Path) -> list[TimeSpan]:
    """Index a file; the spans of its clips."""
    Indexer(store, encoder, options=IndexOptions(workers=1)).run([path])
    video = store.videos.at(path)
    assert video is not None
    assert not video.failure
    return [clip.span for clip in store.videos.clips(video.id)]


def test_the_first_clip_begins_with_the_first_picture(
    store: LibraryStore, encoder: ColourEncoder, tmp_path: Path
) -> None:
    film = make_video(tmp_path / "film.mp4", [picture(1), picture(2)], seconds_each=3.0)
    late = add_sound(film, tmp_path / "late.mp4", pictures_late_seconds=4.0)
    clips = spans(store, encoder, late)
    assert clips[0].start_seconds == pytest.approx(4.0, abs=0.1)
    assert clips[-1].end_seconds == pytest.approx(10.0, abs=0.1)
    assert spans(store, encoder, film)[0].start_seconds == 0.0


def test_joined_recordings_have_the_clips_of_both(
    store: LibraryStore, encoder: ColourEncoder, tmp_path: Path
) -> None:
    parts = [
        make_video(tmp_path / f"{n}.ts", [picture(n)], seconds_each=4.0, start_seconds=start)
        for n, start in enumerate((3600.0, 0.0, 7200.0))
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    clips = spans(store, encoder, joined)
    assert [clip.start_seconds for clip in clips] == pytest.approx([0.0, 4.0, 8.0], abs=0.6)
    assert clips[-1].end_seconds == pytest.approx(12.0, abs=0.1)
