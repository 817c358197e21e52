"""Groups of duplicates, from shared segments."""

from __future__ import annotations

from dataclasses import replace

import pytest
from library_pairs import match, video

from vidseek.core.types import CopyMatch, TimeSpan, Video
from vidseek.search.copies.boilerplate import find_boilerplate, shared_spans
from vidseek.search.copies.duplicate_groups import group_videos
from vidseek.search.copies.sharpness import Sharpness, Stretch


def groups_of(videos: list[Video], matches: list[CopyMatch]) -> list[tuple[str, list[int]]]:
    groups = group_videos({one.id: one for one in videos}, matches, {})
    return [(group.kind, [one.video.id for one in group.members]) for group in groups]


def test_the_longest_then_the_largest_then_the_heaviest_is_kept() -> None:
    videos = [video(1), video(2, height=720), video(3, height=720, size=5000), video(4, 60.3)]
    matches = [match(a, b, 0, 60) for a in range(2, 5) for b in range(1, a)]
    (group,) = group_videos({one.id: one for one in videos}, matches, {})
    assert [one.video.id for one in group.members if one.keep] == [3]
    assert group.members[0].video.id == 3, "a third of a second more does not make a video longer"
    longer = [*videos, video(5, 80)]
    matches += [match(5, number, 0, 66, 0) for number in range(1, 5)]
    (group,) = group_videos({one.id: one for one in longer}, matches, {})
    assert (group.members[0].video.id, group.why) == (5, "longest")


def test_files_of_the_same_bytes_are_a_group_without_a_look() -> None:
    first = video(1)
    assert groups_of([first, replace(video(2), content_hash=first.content_hash)], []) == [
        ("exact", [1, 2])
    ]


def test_a_chain_is_not_one_group() -> None:
    # 1 = 2 = 3 = 4 = 5 in a row: each is like its neighbours only.
    videos = [video(number) for number in range(1, 6)]
    matches = [match(number + 1, number, 0, 55) for number in range(1, 5)]
    assert groups_of(videos, matches) == [("duplicate", [1, 2]), ("duplicate", [3, 4])]


def test_a_member_that_is_like_one_of_many_is_left_out() -> None:
    videos = [video(number) for number in range(1, 7)]
    family = [match(a, b, 0, 60) for a in range(2, 6) for b in range(1, a)]
    assert groups_of(videos, [*family, match(6, 1, 0, 60)]) == [("duplicate", [1, 2, 3, 4, 5])]


def test_an_intro_that_five_share_is_no_part_of_what_makes_duplicates() -> None:
    videos = [video(number) for number in range(1, 7)]
    intro = [match(a, b, 0, 30) for a in range(2, 7) for b in range(1, a)]
    # With the intro 51 of 60 seconds are the same, without it 21 of 30.
    rest = [match(2, 1, 30, 51)]
    assert groups_of(videos[:2], [*intro[:1], *rest]) == [("duplicate", [1, 2])]
    assert groups_of(videos, [*intro, *rest]) == []


def test_a_copy_among_videos_of_one_intro_is_found() -> None:
    videos = [video(number, 60.0) for number in range(1, 8)]
    matches = [match(a, b, 0, 20) for a in range(2, 8) for b in range(1, a) if (a, b) != (2, 1)]
    matches.append(match(2, 1, 0, 60))
    assert groups_of(videos, matches) == [("duplicate", [1, 2])]


def test_what_one_video_shares_with_four_copies_of_another_is_no_boilerplate() -> None:
    # 1 holds half a minute of the film that 2 to 5 are copies of, and 6 is that half minute.
    videos = [video(1, 100), *(video(number, 60) for number in range(2, 6)), video(6, 30)]
    family = [match(a, b, 0, 60) for a in range(3, 6) for b in range(2, a)]
    part = [match(number, 1, 0, 30) for number in range(2, 7)]
    inside = [match(6, number, 0, 30) for number in range(2, 6)]
    by_id = {one.id: one for one in videos}
    found = find_boilerplate(shared_spans([*family, *part, *inside], by_id), by_id)
    assert found[1] == []
    # Four films that differ from each other are another matter.
    found = find_boilerplate(shared_spans([*part, *inside], by_id), by_id)
    assert found[1] == [TimeSpan(0, 30)]


def test_a_part_is_listed_under_its_container_and_joins_no_group() -> None:
    videos = [video(1, 300), video(2, 30), video(3, 30), video(4, 300)]
    matches = [match(2, 1, 0, 30, 100), match(3, 1, 0, 30, 200), match(4, 1, 0, 20, 280)]
    assert groups_of(videos, matches) == [("contains", [1, 2, 3])]


def test_copies_within_a_third_are_listed_once_and_under_it() -> None:
    # 2 and 3 are copies of each other; 1 holds both, 4 holds 1, and only 2 was seen in 1.
    videos = [video(1, 300), video(2, 30), video(3, 30), video(4, 900)]
    pair = match(3, 2, 0, 30)
    inside = match(2, 1, 0, 30, 100)
    assert groups_of(videos[:3], [pair]) == [("duplicate", [2, 3])]
    (group,) = group_videos({one.id: one for one in videos[:3]}, [pair, inside], {})
    assert group.kind == "contains"
    assert [(one.video.id, one.keep, one.coverage) for one in group.members] == [
        (1, True, 1.0),
        (2, False, 1.0),
        (3, False, 1.0),
    ]
    assert groups_of(videos, [pair, inside, match(4, 1, 0, 300)]) == [("contains", [4, 1, 2, 3])]


def test_the_kept_copy_contains_the_parts_of_every_copy() -> None:
    # 3 was seen in 2 only, which is a copy of 1.
    videos = [video(1, 300, height=720), video(2, 300), video(3, 30)]
    matches = [match(2, 1, 0, 300), match(3, 2, 0, 30, 100)]
    assert groups_of(videos, matches) == [("duplicate", [1, 2]), ("contains", [1, 3])]


@pytest.mark.parametrize("shared_seconds", [5, 30, 45])
def test_sharing_a_part_is_no_group(shared_seconds: float) -> None:
    assert groups_of([video(1), video(2)], [match(2, 1, 0, shared_seconds)]) == []


def test_a_dark_part_between_two_that_are_the_same_counts_as_the_same() -> None:
    around = [match(2, 1, 0, 22), match(2, 1, 34, 60)]
    assert groups_of([video(1), video(2)], around) == [("duplicate", [1, 2])]
    # Another part of other length between them: an advertisement in its place.
    moved = [match(2, 1, 0, 22), match(2, 1, 34, 57, 37)]
    assert groups_of([video(1), video(2)], moved) == []
    # More that is not seen than is seen.
    little = [match(2, 1, 0, 4), match(2, 1, 18, 22)]
    assert groups_of([video(1, 24), video(2, 24)], little) == []


def test_members_of_a_group_are_not_listed_again_as_parts_of_each_other() -> None:
    # 3 covers most of 2 but not the other way round; both are like 1 and 4.
    videos = [video(1), video(2), video(3), video(4)]
    pairs = [(2, 1), (3, 1), (4, 1), (4, 2), (4, 3)]
    matches = [match(a, b, 0, 60) for a, b in pairs]
    squeezed = CopyMatch(3, 2, TimeSpan(0, 60), TimeSpan(0, 40), 0.67, 0.5, False)
    assert groups_of(videos, [*matches, squeezed]) == [("duplicate", [1, 2, 3, 4])]


def test_a_damaged_file_is_not_kept() -> None:
    broken = replace(video(1, 80, height=1080, size=9000), damaged=True)
    videos = {1: broken, 2: video(2), 3: video(3, height=720)}
    matches = [match(2, 1, 0, 60), match(3, 1, 0, 60), match(3, 2, 0, 60)]
    shares = {**videos, 1: replace(broken, duration_seconds=70)}
    (group,) = group_videos(shares, matches, {})
    assert [one.video.id for one in group.members] == [3, 1, 2]
    assert group.why == "not damaged"
    # Nor as a file that seems to contain the others.
    (group,) = group_videos({**videos, 1: replace(broken, duration_seconds=600)}, matches, {})
    assert [one.video.id for one in group.members] == [3, 2]
    # If every copy is damaged, the longest is kept.
    damaged = {number: replace(one, damaged=True) for number, one in videos.items()}
    (group,) = group_videos({**damaged, 1: replace(broken, duration_seconds=70)}, matches, {})
    assert (group.members[0].video.id, group.why) == (1, "longest")


class MeasuredSharpness(Sharpness):
    """A stand-in for the thumbnails of videos that exist only as rows: a number for each."""

    def __init__(self, sharpness: dict[int, float]) -> None:
        self._of = sharpness

    def is_softer(self, copy: Stretch, other: Stretch) -> bool:
        return self._of[copy[0]] < 0.5 * self._of[other[0]]


def test_a_larger_and_longer_copy_is_not_kept_if_it_is_blurred() -> None:
    videos = {one.id: one for one in (video(1), video(2, 66, height=1080, size=9000))}
    matches = [match(2, 1, 0, 60)]
    (group,) = group_videos(videos, matches, {}, MeasuredSharpness({1: 0.4, 2: 0.1}))
    assert (group.members[0].video.id, group.why) == (1, "sharper")
    (group,) = group_videos(videos, matches, {}, MeasuredSharpness({1: 0.4, 2: 0.3}))
    assert (group.members[0].video.id, group.why) == (2, "longest")
    damaged = {**videos, 1: replace(videos[1], damaged=True)}
    (group,) = group_videos(damaged, matches, {}, MeasuredSharpness({1: 0.4, 2: 0.1}))
    assert (group.members[0].video.id, group.why) == (2, "not damaged")


def test_a_sharp_excerpt_is_not_given_up_for_a_blurred_film() -> None:
    videos = {one.id: one for one in (video(1, 60), video(2, 600))}
    matches = [match(2, 1, 0, 60)]
    (group,) = group_videos(videos, matches, {}, MeasuredSharpness({1: 0.1, 2: 0.4}))
    assert (group.kind, group.members[0].video.id) == ("contains", 2)
    assert group_videos(videos, matches, {}, MeasuredSharpness({1: 0.4, 2: 0.1})) == []


def test_a_copy_without_sound_is_not_kept() -> None:
    original = replace(video(1), has_sound=True)
    heavier = replace(video(2, 62, height=720, size=9000), has_sound=False)
    matches = [match(2, 1, 0, 60)]

    def kept(*videos: Video, sharpness: Sharpness | None = None) -> tuple[int, str]:
        (group,) = group_videos({one.id: one for one in videos}, matches, {}, sharpness)
        return group.members[0].video.id, group.why

    assert kept(original, heavier) == (1, "has sound")
    assert kept(original, heavier, sharpness=MeasuredSharpness({1: 0.1, 2: 0.4})) == (2, "sharper")
    assert kept(replace(original, damaged=True), heavier) == (2, "not damaged")
    assert kept(replace(original, has_sound=False), heavier) == (2, "longest")
    # It is not known of videos that an older vidseek indexed, and decides nothing for them.
    assert kept(replace(original, has_sound=None), heavier) == (2, "longest")
    assert kept(original, replace(heavier, has_sound=None)) == (2, "longest")


def test_an_excerpt_with_sound_is_not_given_up_for_a_silent_film() -> None:
    excerpt, film = video(1, 60), video(2, 600)
    matches = [match(2, 1, 0, 60)]
    for has_sound in (True, False, None):
        videos = {
            1: replace(excerpt, has_sound=has_sound),
            2: replace(film, has_sound=False),
        }
        assert len(group_videos(videos, matches, {})) == (0 if has_sound else 1)


def test_hdr_is_kept_before_a_heavier_conversion_but_not_before_a_larger_one() -> None:
    hdr = replace(video(1), hdr=True)
    converted = video(2, size=9000)
    matches = [match(2, 1, 0, 60)]
    (group,) = group_videos({1: hdr, 2: converted}, matches, {})
    assert (group.members[0].video.id, group.why) == (1, "HDR")
    (group,) = group_videos({1: hdr, 2: video(2, height=720)}, matches, {})
    assert (group.members[0].video.id, group.why) == (2, "highest resolution")


def test_a_dismissed_pair_is_no_group() -> None:
    videos = {number: video(number) for number in (1, 2, 3)}
    pairs = [match(1, 2, 0, 60), match(1, 3, 0, 60), match(2, 3, 0, 60)]
    dismissed = {frozenset((1, 2))}
    assert group_videos({1: videos[1], 2: videos[2]}, pairs[:1], {}, None, dismissed) == []
    for group in group_videos(videos, pairs, {}, None, dismissed):
        kept, *others = [member.video.id for member in group.members]
        assert not any({kept, other} == {1, 2} for other in others)
