"""Edits change pictures as documented, at seeded strengths."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.copies.edits import EDITS, FIELD_EDITS, Step, apply_step, draw_chain
from benchmarks.copies.footage import (
    Footage,
    Format,
    encoded,
    read_footage,
    write_footage,
)
from benchmarks.copies.truth import Segment

RATE = 5.0


def moving(seconds: float = 2.0, *, hue: int = 0, size: tuple[int, int] = (96, 64)) -> Footage:
    """A bright square moving right over a gradient, with a white upper left corner."""
    width, height = size
    count = round(seconds * RATE)
    pictures = np.zeros((count, height, width, 3), np.uint8)
    pictures[..., hue] = np.linspace(20, 120, width, dtype=np.uint8)
    for row in range(count):
        left = row * (width - 20) // count
        pictures[row, height // 2 : height // 2 + 16, left : left + 16] = (240, 220, 40)
    pictures[:, :8, :8] = 255
    return Footage(pictures, RATE, (Segment("copy", 0, seconds, 0, seconds),))


def donor() -> Footage:
    plain = moving(3.0, hue=2)
    return Footage(np.ascontiguousarray(plain.pictures[:, ::-1]), RATE)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_the_video_and_is_the_same_again(name: str) -> None:
    before = moving()
    kept = before.pictures.copy()
    for seed in (1, 2):
        step = EDITS[name].draw(np.random.default_rng(seed))
        assert step == EDITS[name].draw(np.random.default_rng(seed))
        assert Step(**json.loads(json.dumps(asdict(step)))) == step  # goes through a manifest
        one, two = (apply_step(before, step, donor()) for _ in range(2))
        assert one.pictures.dtype == np.uint8
        assert np.array_equal(one.pictures, two.pictures)
        assert one.segments == two.segments
        assert one.segments, "every copy still shows something of the library"
        same = one.pictures.shape == kept.shape and np.array_equal(one.pictures, kept)
        assert not same
    assert np.array_equal(before.pictures, kept), "what is edited stays as it was"


def test_field_edits_show_what_users_cut_and_take_no_default_turn() -> None:
    film = moving(20.0)
    steps = {name: edit.draw(np.random.default_rng(1)) for name, edit in FIELD_EDITS.items()}
    width, height = apply_step(film, steps["portrait_crop"]).size
    assert width / height == pytest.approx(9 / 16, abs=0.05)
    assert apply_step(film, steps["one_second"]).duration_seconds == pytest.approx(1, abs=1 / RATE)
    trailer = apply_step(film, steps["trailer"])
    assert trailer.duration_seconds == pytest.approx(10, abs=1)
    assert len(trailer.segments) == 5
    assert all(segment.library_end_seconds <= 20 for segment in trailer.segments)
    # Too short a film has fewer excerpts.
    assert apply_step(moving(3.0), steps["trailer"]).duration_seconds == pytest.approx(2, abs=0.5)
    assert not FIELD_EDITS.keys() & EDITS.keys()


def test_an_edit_that_needs_a_donor_says_so() -> None:
    with pytest.raises(ValueError, match="side_by_side needs another video"):
        apply_step(moving(), Step("side_by_side", {"vertical": False, "first": True}))


def test_strength_counts() -> None:
    before = moving().pictures.astype(float)

    def change(name: str, **strength: float) -> float:
        edited = apply_step(moving(), Step(name, strength)).pictures
        return float(np.abs(edited - before).mean())

    assert change("blur", sigma=12) > change("blur", sigma=4) > 0
    assert change("encode", crf=45) > change("encode", crf=15) > 0
    assert change("jpeg", quality=5) > change("jpeg", quality=90) > 0
    assert change("noise", level=60, seed=1) > change("noise", level=15, seed=1) > 5
    assert change("brightness", level=0.2) == pytest.approx(51, abs=5)
    assert change("pixelise", ratio=0.1) > change("pixelise", ratio=0.7) > 0


def test_geometry_by_hand() -> None:
    footage = moving(size=(100, 60))
    assert apply_step(footage, Step("mirror")).pictures[0, 0, -1].tolist() == [255] * 3
    assert apply_step(footage, Step("flip")).pictures[0, -1, 0].tolist() == [255] * 3
    turned = apply_step(footage, Step("rotate_quarters", {"quarters": 1}))
    assert turned.size == (60, 100)
    assert turned.pictures[0, -1, 0].tolist() == [255] * 3
    sides = {"left": 0.1, "top": 0.0, "right": 0.25, "bottom": 0.5}
    cropped = apply_step(footage, Step("crop", sides))
    assert cropped.size == (65, 30)
    assert np.array_equal(cropped.pictures, footage.pictures[:, :30, 10:75])
    padded = apply_step(footage, Step("pad", {**sides, "colour": "#102030"}))
    assert padded.size == (135, 90)
    assert padded.pictures[0, 89, 0].tolist() == [16, 32, 48]
    assert np.array_equal(padded.pictures[:, :60, 10:110], footage.pictures)
    assert apply_step(footage, Step("scale", {"ratio": 0.5})).size == (50, 30)
    width, height = apply_step(footage, Step("aspect", {"ratio": 2.0})).size
    assert width / height == pytest.approx(2 * 100 / 60, rel=0.05)


def test_crop_to_65_keeps_65_of_each_side() -> None:
    for seed in range(5):
        step = EDITS["crop_65"].draw(np.random.default_rng(seed))
        width, height = apply_step(moving(size=(200, 100)), step).size
        assert (width, height) == (pytest.approx(130, abs=1), pytest.approx(65, abs=1))


def test_perspective_without_displacement_is_the_picture() -> None:
    footage = moving()
    still = apply_step(footage, Step("perspective", {"sigma": 0.0, "shake": 0.0, "seed": 1}))
    assert np.abs(still.pictures.astype(int) - footage.pictures).max() <= 1


def test_a_window_shows_the_copy_and_around_it_the_donor() -> None:
    strength = {"size": 0.5, "x": 1.0, "y": 0.0, "opacity": 1.0}
    edited = apply_step(moving(), Step("picture_in_picture", strength), donor())
    small = Image.fromarray(moving().pictures[3]).resize((48, 32), Image.Resampling.BILINEAR)
    assert np.array_equal(edited.pictures[3, :32, 48:], np.asarray(small))
    assert np.array_equal(edited.pictures[3, 32:], donor().pictures[3, 32:])


def test_side_by_side_and_tiles_keep_all_of_the_copy() -> None:
    strength = {"vertical": False, "first": True}
    both = apply_step(moving(), Step("side_by_side", strength), donor())
    assert np.array_equal(both.pictures[:, :, :96], moving().pictures)
    assert np.array_equal(both.pictures[:, :, 96:], donor().pictures[:10])
    four = apply_step(moving(), Step("tiles", {"place": 2}), donor())
    corner = four.pictures[0, 32:, :48].astype(int)
    shrunk = Image.fromarray(moving().pictures[0]).resize((48, 32), Image.Resampling.BILINEAR)
    assert np.abs(corner - np.asarray(shrunk)).mean() < 6


def test_chains_have_two_to_four_different_edits_and_one_donor_at_most() -> None:
    lengths = set()
    for seed in range(200):
        steps = draw_chain(np.random.default_rng(seed))
        lengths.add(len(steps))
        assert len({step.name for step in steps}) == len(steps)
        assert sum(EDITS[step.name].needs_donor for step in steps) <= 1
    assert lengths == {2, 3, 4}


def test_any_chain_can_be_made_and_written(tmp_path: Path) -> None:
    for seed in range(12):
        footage = moving(4.0)
        for step in draw_chain(np.random.default_rng(seed)):
            footage = apply_step(footage, step, donor())
        path = tmp_path / f"{seed}.mp4"
        write_footage(footage, path)
        again = read_footage(path, "copy", Format(240, 15), longest_seconds=100)
        assert again.duration_seconds == pytest.approx(footage.duration_seconds, abs=0.3)
        width, height = footage.size
        if min(width, height) <= 240:
            assert again.size == (width - width % 2, height - height % 2)
        assert not list(tmp_path.glob(".*"))


def test_one_video_is_always_encoded_to_the_same_bytes() -> None:
    footage = moving()
    kept, files = [], set()
    for place in range(100):
        kept.append(bytearray(1000 * place + 1))  # elsewhere in memory each time
        files.add(encoded(footage, crf=27))
    assert len(files) == 1


def test_a_written_video_reads_back_as_it_was(tmp_path: Path) -> None:
    footage = moving(4.0)
    write_footage(footage, tmp_path / "one.mp4", crf=10)
    write_footage(footage, tmp_path / "two.mp4", crf=10)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()
    again = read_footage(tmp_path / "one.mp4", "copy", Format(240, 5), longest_seconds=60)
    assert again.segments == footage.segments
    assert np.abs(again.pictures.astype(int) - footage.pictures).mean() < 6
    part = read_footage(
        tmp_path / "one.mp4", "copy", Format(240, 5), longest_seconds=1, start_seconds=2
    )
    assert part.segments == (Segment("copy", 0, 1, 2, 3),)
    assert np.abs(part.pictures.astype(int) - footage.pictures[10:15]).mean() < 6
