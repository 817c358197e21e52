"""Blank clips are never hits."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from colour_encoder import ColourEncoder

import vidseek
from vidseek.core.types import CopyFrames, TimeSpan

DESCRIPTOR = "a" * 16


def describe(shelf, video, seconds: list[float]) -> None:
    """Store descriptors of the frames at these times, as of those that are not flat."""
    frames = CopyFrames(video.id, np.array(seconds), np.zeros((len(seconds), 4), np.int8))
    shelf.store.copy_descriptors.add(frames, fingerprint=DESCRIPTOR)


def names(hits) -> list[tuple[str, float]]:
    return [(hit.video.path.name, hit.span.start_seconds) for hit in hits]


def test_a_clip_without_a_frame_that_shows_something_is_no_hit(shelf) -> None:
    video = shelf.add("black.mp4", ["black", "red", "black"])
    describe(shelf, video, [4.5, 5.5, 6.5, 7.5, 9.5])
    assert names(shelf.search("black", k=5)) == [("black.mp4", 8), ("black.mp4", 4)]


def test_the_first_frame_of_the_next_shot_does_not_save_a_blank_clip(shelf) -> None:
    video = shelf.add("fade.mp4", ["black", "red"])
    describe(shelf, video, [4.0, 4.5, 5.5])
    assert names(shelf.search("black", k=5)) == [("fade.mp4", 4)]


def test_a_wholly_blank_video_is_no_hit_by_words_or_by_likeness(shelf) -> None:
    blank = shelf.add("blank.mp4", ["black", "black"])
    describe(shelf, blank, [])
    other = shelf.add("other.mp4", ["grey"])
    describe(shelf, other, [0.5])
    assert names(shelf.search("black", k=5)) == [("other.mp4", 0)]
    assert names(shelf.similar(blank.path, k=5)) == [("other.mp4", 0)]


def test_as_many_hits_come_as_asked_for(shelf) -> None:
    """The best three hundred clips are blank, more than are looked at first."""
    blank = shelf.add("blank.mp4", ["black"] * 300)
    describe(shelf, blank, [])
    for number in range(3):
        describe(shelf, shelf.add(f"{number}.mp4", ["grey"]), [0.5])
    hits = shelf.search("black", k=2)
    assert names(hits) == [("0.mp4", 0), ("1.mp4", 0)]
    assert shelf.search("black", k=3)[:2] == hits


def test_where_nothing_is_known_of_the_frames_every_clip_may_answer(shelf) -> None:
    shelf.add("black.mp4", ["black"])
    assert names(shelf.search("black")) == [("black.mp4", 0)]


def write_film(path: Path, shots: list[str], *, shot_seconds: int = 3) -> None:
    """A film of shots, each black, white, blue, or a moving pattern."""
    random = np.random.default_rng(5)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for shot in shots:
            pattern = random.integers(0, 255, (8, 12, 3), np.uint8)
            for number in range(10 * shot_seconds):
                frame = np.zeros((64, 96, 3), np.uint8)
                if shot == "picture":
                    rolled = np.roll(pattern, number // 10, axis=1)
                    frame = rolled.repeat(8, axis=0).repeat(8, axis=1)
                else:
                    frame[:] = {"black": (0, 0, 0), "white": (255,) * 3, "blue": (0, 0, 230)}[shot]
                for packet in stream.encode(av.VideoFrame.from_ndarray(frame)):
                    container.mux(packet)
        container.mux(stream.encode())


@pytest.mark.parametrize("colour", ["black", "white", "blue"])
def test_an_indexed_film_answers_with_its_pictures_alone(tmp_path: Path, colour: str) -> None:
    film = tmp_path / "film.mp4"
    write_film(film, [colour, "picture", colour])
    with vidseek.open(tmp_path / "library", encoder=ColourEncoder()) as library:
        library.index(film, workers=1)
        assert len(library.info(film).clips) >= 3
        hits = library.search("anything", k=50)
        assert len(hits) >= 1
        for hit in hits:
            assert hit.span.overlap(TimeSpan(3, 6)) >= 0.5 * hit.span.duration_seconds
