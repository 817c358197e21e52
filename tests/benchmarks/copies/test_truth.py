"""Ground truth through edits of time: computed by hand, and read back from the pictures."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.copies.edits import EDITS, Step, apply_step, draw_chain
from benchmarks.copies.footage import Footage, cut, join, retime, reverse
from benchmarks.copies.truth import Segment, merged

RATE = 10.0


def counting(seconds: float, *, source: str | None = "copy") -> Footage:
    """Every picture's blue value is its number: 2 for the first, 4 for the second, ..."""
    count = round(seconds * RATE)
    pictures = np.zeros((count, 24, 32, 3), np.uint8)
    if source is None:
        pictures[..., 0] = 200
        return Footage(pictures, RATE)
    pictures[..., 2] = 2 * (np.arange(count) + 1)[:, None, None]
    return Footage(pictures, RATE, (Segment(source, 0, seconds, 0, seconds),))


def shown_seconds(footage: Footage, row: int) -> float | None:
    """The time in the counting video that a picture shows, by its blue; None for the donor."""
    value = int(footage.pictures[row, ..., 2].max())
    return None if value == 0 else (value / 2 - 1) / RATE


def check_against_pictures(footage: Footage) -> None:
    """Each picture is in a segment with its time, or is in no segment and shows the donor."""
    for row in range(len(footage.pictures)):
        at = (row + 0.5) / footage.frame_rate
        inside = [
            segment
            for segment in footage.segments
            if segment.query_start_seconds <= at < segment.query_end_seconds
        ]
        shown = shown_seconds(footage, row)
        if shown is None:
            assert inside == []
            continue
        assert len(inside) == 1, (row, footage.segments)
        step = max(1.0, abs(inside[0].speed)) / RATE
        middle = shown + 0.5 / RATE
        assert inside[0].library_seconds(at) == pytest.approx(middle, abs=1.01 * step)


def test_a_cut_moves_both_ends() -> None:
    segment = Segment("a", 2.0, 8.0, 10.0, 22.0, speed=2.0)
    assert segment.cut(4.0, 20.0) == Segment("a", 0.0, 4.0, 14.0, 22.0, speed=2.0)
    assert segment.cut(8.0, 9.0) is None


def test_a_cut_of_a_reversed_segment_takes_the_library_from_its_end() -> None:
    segment = Segment("a", 0.0, 10.0, 5.0, 15.0, speed=-1.0)
    assert segment.cut(0.0, 4.0) == Segment("a", 0.0, 4.0, 11.0, 15.0, speed=-1.0)


def test_backwards_twice_is_as_before() -> None:
    segment = Segment("a", 1.0, 4.0, 7.0, 10.0)
    once = segment.backwards(9.0)
    assert once == Segment("a", 5.0, 8.0, 7.0, 10.0, speed=-1.0)
    assert once.backwards(9.0) == segment


def test_segments_that_go_on_are_one_and_jumps_are_two() -> None:
    first, second = Segment("a", 0, 2, 3, 5), Segment("a", 2, 4, 5, 7)
    assert merged([second, first]) == (Segment("a", 0, 4, 3, 7),)
    jump = Segment("a", 2, 4, 6, 8)
    assert merged([first, jump]) == (first, jump)
    assert len(merged([first, second.flipped()])) == 2
    backwards = [Segment("a", 0, 2, 5, 7, speed=-1), Segment("a", 2, 4, 3, 5, speed=-1)]
    assert merged(backwards) == (Segment("a", 0, 4, 3, 7, speed=-1),)


def test_a_segment_must_last_as_long_as_its_speed_says() -> None:
    with pytest.raises(ValueError, match="at its speed"):
        Segment("a", 0, 2, 0, 3)
    with pytest.raises(ValueError, match="not 0"):
        Segment("a", 0, 2, 0, 0, speed=0)


def test_chained_edits_of_time_computed_by_hand() -> None:
    # 10 s; its seconds 2 to 8; twice as fast: 3 s; backwards; behind 4 s of something else.
    footage = reverse(retime(cut(counting(10), 2, 8), speed=2.0))
    joined = join([counting(4, source=None), footage])
    (segment,) = joined.segments
    assert segment == Segment("copy", 4.0, 7.0, 2.0, 8.0, speed=-2.0)
    check_against_pictures(joined)


@pytest.mark.parametrize(
    ("name", "strength", "expected"),
    [
        ("trim", {"start": 0.2, "end": 0.7}, [(0, 5, 2, 7, 1)]),
        ("speed", {"factor": 2.0}, [(0, 5, 0, 10, 2)]),
        ("speed", {"factor": 0.5}, [(0, 20, 0, 10, 0.5)]),
        ("reverse", {}, [(0, 10, 0, 10, -1)]),
        ("pause", {"at": 0.4, "share": 0.2}, [(0, 4, 0, 4, 1), (6, 12, 4, 10, 1)]),
        ("loop", {"times": 2}, [(0, 10, 0, 10, 1), (10, 20, 0, 10, 1)]),
        (
            "jump_cuts",
            {"window_seconds": 5, "share": 0.2},
            [(0, 4, 0, 4, 1), (4, 8, 5, 9, 1)],
        ),
        ("insert_into", {"start": 0.5}, [(3, 13, 0, 10, 1)]),
        ("insert_part", {"seconds": 4, "part": 0.5, "start": 0.5}, [(3, 7, 3, 7, 1)]),
        ("interrupt", {"at": 0.3, "seconds": 2}, [(0, 3, 0, 3, 1), (5, 12, 3, 10, 1)]),
        ("concatenate", {"donor_first": True}, [(6, 16, 0, 10, 1)]),
        ("concatenate", {"donor_first": False}, [(0, 10, 0, 10, 1)]),
        ("picture_in_picture", {"size": 0.5, "x": 1, "y": 0, "opacity": 1}, [(0, 10, 0, 10, 1)]),
        ("side_by_side", {"vertical": False, "first": True}, [(0, 10, 0, 10, 1)]),
        ("tiles", {"place": 3}, [(0, 10, 0, 10, 1)]),
        ("drop_frames", {"share": 0.3, "seed": 1}, [(0, 10, 0, 10, 1)]),
    ],
)
def test_segments_after_an_edit(
    name: str, strength: dict[str, float], expected: list[tuple[float, ...]]
) -> None:
    donor = counting(6, source=None)
    edited = apply_step(counting(10), Step(name, strength), donor)
    got = [
        (
            segment.query_start_seconds,
            segment.query_end_seconds,
            segment.library_start_seconds,
            segment.library_end_seconds,
            segment.speed,
        )
        for segment in edited.segments
    ]
    assert got == [pytest.approx(row) for row in expected]
    if name not in ("pause", "drop_frames", "side_by_side", "picture_in_picture", "tiles"):
        check_against_pictures(edited)


def test_a_shuffle_keeps_every_second_and_is_never_the_old_order() -> None:
    footage = counting(12)
    for seed in range(8):
        edited = apply_step(footage, Step("shuffle", {"window_seconds": 4.0, "seed": seed}))
        assert edited.duration_seconds == 12
        assert edited.segments != footage.segments
        check_against_pictures(edited)


def test_flips_count_and_two_of_them_are_none() -> None:
    once = apply_step(counting(2), Step("mirror"))
    assert once.segments[0].mirrored
    assert not apply_step(once, Step("flip")).segments[0].mirrored


# A still shows a time that no segment claims.
MOVING = [name for name, edit in EDITS.items() if edit.kind == "time"]
MOVING = [name for name in MOVING if name not in ("pause", "drop_frames")]


@pytest.mark.parametrize("name", MOVING)
def test_drawn_edits_of_time_agree_with_the_pictures(name: str) -> None:
    for seed in range(5):
        step = EDITS[name].draw(np.random.default_rng(seed))
        check_against_pictures(apply_step(counting(12), step))


def test_chains_of_time_edits_agree_with_the_pictures() -> None:
    times = {"trim", "speed", "reverse", "shuffle", "loop", "jump_cuts", "concatenate"}
    for seed in range(60):
        random = np.random.default_rng(seed)
        steps = [step for step in draw_chain(random, length=4) if step.name in times]
        footage = counting(12)
        for step in steps:
            footage = apply_step(footage, step, counting(3, source=None))
        check_against_pictures(footage)
