"""Groups of duplicate videos that do not chain.

    for group in duplicate_groups(store):
        print(group.kind, [(member.video.path, member.keep) for member in group.members])

Two videos are duplicates if most of what each shows is shared; an intro common to five videos does
not count, and a still counts for a few seconds only (``information.py``).
A member of a group duplicates more than half of the other members: if A matches B and B matches C,
A and C are not grouped for that alone (a request of users of czkawka and VideoDuplicateFinder).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from vidseek.core.types import (
    CopyMatch,
    DuplicateGroup,
    DuplicateMember,
    TimeSpan,
    Video,
    VideoState,
)
from vidseek.encoders.copies.descriptor import CopyDescriptor, unpacked
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.search.copies.boilerplate import (
    FULL_COVERAGE,
    Pair,
    Shared,
    find_boilerplate,
    merged,
    shared_spans,
)
from vidseek.search.copies.information import Information
from vidseek.search.copies.sharpness import Sharpness
from vidseek.storage.store import LibraryStore

MIN_REST_SECONDS = 1.0
"""A video with less than this besides boilerplate is not a duplicate."""
MIN_SHOWN_SHARE = 0.5
"""A file that has frames for less than this share of its length has a broken clock, or is damaged
in a way that no decoder reported."""
_SAME_LENGTH = 1.02

Priority = tuple[bool, bool, bool, int, int, bool, float, int]
"""Whether a video is undamaged, as sharp as its copies, and no silent copy of a video with sound;
its length, resolution, whether it is HDR, its bitrate, and its age: the largest is kept."""


_REASONS = (
    "not damaged",
    "sharper",
    "has sound",
    "longest",
    "highest resolution",
    "HDR",
    "highest bitrate",
    "first indexed",
)
"""Why a video is kept, by the place in its ``Priority`` that decides."""


def duplicate_groups(store: LibraryStore, fingerprint: str | None = None) -> list[DuplicateGroup]:
    """All groups of duplicates, and of videos that contain others; largest first.

    Args:
        store: the library.
        fingerprint: of the copy descriptor; of the one that ships if None.
    """
    fingerprint = fingerprint or CopyDescriptor().fingerprint
    with store.snapshot():
        videos = {video.id: video for video in store.videos.select(states=[VideoState.INDEXED])}
        matches = store.copy_matches.read()
        ids = {video for match in matches for video in (match.video_id, match.other_id)}
        information = {
            frames.video_id: Information.of_frames(
                FrameSequence(unpacked(frames.vectors), frames.seconds)
            )
            for frames in store.copy_descriptors.read(fingerprint, video_ids=ids)
        }
        dismissed = store.copy_matches.dismissed()
    return group_videos(videos, matches, information, Sharpness(store), dismissed)


def group_videos(
    videos: dict[int, Video],
    matches: Sequence[CopyMatch],
    information: Mapping[int, Information],
    sharpness: Sharpness | None = None,
    dismissed: Collection[frozenset[int]] = (),
) -> list[DuplicateGroup]:
    """Group videos by their shared segments.

    Args:
        videos: searchable library videos by id.
        matches: the matches between them.
        information: what the matched videos show, by id. The seconds count of a video without it.
        sharpness: compares the thumbnails of copies; None takes them for equally sharp.
        dismissed: pairs that somebody said are no duplicates.
    """
    shared = shared_spans(matches, videos)
    _add_same_bytes(shared, videos)
    boilerplate = find_boilerplate(shared, videos)
    coverage = {
        pair: _coverage(spans, boilerplate[pair[0]], videos[pair[0]], information.get(pair[0]))
        for pair, spans in shared.items()
        if frozenset(pair) not in dismissed
    }
    for one, other in coverage:
        if videos[one].content_hash == videos[other].content_hash:
            coverage[one, other] = 1.0
    same = {
        frozenset(pair)
        for pair in coverage
        if min(coverage[pair], coverage[pair[::-1]]) >= FULL_COVERAGE
    }
    softer = set() if sharpness is None else _softer(coverage, shared, videos, sharpness)
    silenced = {pair for pair in coverage if is_silenced(videos[pair[0]], videos[pair[1]])}
    soft, silent = (
        {copy for copy, other in worse if frozenset((copy, other)) in same}
        for worse in (softer, silenced)
    )
    priorities = {
        video.id: keep_priority(
            video,
            is_intact=_is_intact(video, information.get(video.id)),
            is_sharp=video.id not in soft,
            keeps_sound=video.id not in silent,
        )
        for video in videos.values()
    }
    groups = [_as_group(members, coverage, videos, priorities) for members in _without_chains(same)]
    # Nothing sharp is given up for a blurred video, and no sound for a silent video, however much
    # that contains.
    worse_containers = softer | silenced
    contained = {
        pair: share if pair[::-1] not in worse_containers or frozenset(pair) in same else 0.0
        for pair, share in coverage.items()
    }
    groups = _under_containers(groups, contained, same, videos, priorities)
    groups = [
        left for group in groups if (left := _without_dismissed(group, dismissed)) is not None
    ]
    return sorted(groups, key=lambda group: (-len(group.members), group.members[0].video.path))


def _without_dismissed(
    group: DuplicateGroup, dismissed: Collection[frozenset[int]]
) -> DuplicateGroup | None:
    """The group without the videos that are no duplicates of the kept one; None if none is left."""
    kept, *others = group.members
    left = [
        member for member in others if frozenset((kept.video.id, member.video.id)) not in dismissed
    ]
    return replace(group, members=(kept, *left)) if left else None


def _is_intact(video: Video, information: Information | None) -> bool:
    """False for a file that is damaged, or whose clock says more than it shows."""
    if video.damaged or information is None:
        return not video.damaged
    return information.shown_seconds >= MIN_SHOWN_SHARE * video.duration_seconds


def _softer(
    coverage: Mapping[Pair, float],
    shared: Shared,
    videos: Mapping[int, Video],
    sharpness: Sharpness,
) -> set[Pair]:
    """The pairs of which the first is a copy that is clearly less sharp than the other."""
    softer = set()
    for copy, other in coverage:
        is_copy = max(coverage[copy, other], coverage[other, copy]) >= FULL_COVERAGE
        if is_copy and videos[copy].content_hash != videos[other].content_hash:
            parts = merged(shared[copy, other]), merged(shared[other, copy])
            if sharpness.is_softer((copy, parts[0]), (other, parts[1])):
                softer.add((copy, other))
    return softer


def _add_same_bytes(shared: Shared, videos: dict[int, Video]) -> None:
    by_hash: dict[str, list[int]] = defaultdict(list)
    for video in videos.values():
        by_hash[video.content_hash].append(video.id)
    for ids in by_hash.values():
        for video_id in ids:
            for other in ids:
                if video_id != other:
                    whole = TimeSpan(0.0, videos[video_id].duration_seconds)
                    shared[video_id, other] = [whole]


def _coverage(
    spans: Sequence[TimeSpan],
    boilerplate: Sequence[TimeSpan],
    video: Video,
    information: Information | None,
) -> float:
    """The shared part of a video without its boilerplate, 0 to 1."""
    joined = merged(spans)
    if information is not None and information.is_still(joined):
        return 0.0
    common = [
        TimeSpan(start, end)
        for span in joined
        for ignored in boilerplate
        if (start := max(span.start_seconds, ignored.start_seconds))
        < (end := min(span.end_seconds, ignored.end_seconds))
    ]

    def counted(parts: Sequence[TimeSpan]) -> float:
        if information is None:
            return sum(part.duration_seconds for part in parts)
        return information.counted_seconds(parts)

    rest = counted([TimeSpan(0.0, video.duration_seconds)]) - counted(boilerplate)
    if rest < MIN_REST_SECONDS and boilerplate:
        return 0.0
    shared = counted(joined) - counted(common)
    return min(1.0, shared / rest) if rest > 0 else 0.0


def _without_chains(same: Collection[frozenset[int]]) -> list[list[int]]:
    """Connected components, from which the weakest members are removed until each member duplicates
    more than half of the others.

    This is VideoDuplicateFinder's rule. Removed members may form another group.
    """
    neighbours: dict[int, set[int]] = defaultdict(set)
    for pair in same:
        member, other = sorted(pair)
        neighbours[member].add(other)
        neighbours[other].add(member)
    groups = []
    left = set(neighbours)
    for start in sorted(neighbours):
        while start in left:
            members = _component(start, neighbours, left)
            ties = {member: len(neighbours[member] & members) for member in members}
            while len(members) > 1:
                weakest = min(members, key=lambda member: (ties[member], -member))
                if 2 * ties[weakest] > len(members) - 1:
                    break
                members.remove(weakest)
                for other in neighbours[weakest] & members:
                    ties[other] -= 1
            left -= members
            if len(members) > 1:
                groups.append(sorted(members))
    return groups


def _component(start: int, neighbours: dict[int, set[int]], left: set[int]) -> set[int]:
    reached, waiting = {start}, [start]
    while waiting:
        for other in neighbours[waiting.pop()] & left:
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    return reached


def _as_group(
    members: Sequence[int],
    coverage: dict[Pair, float],
    videos: dict[int, Video],
    priorities: Mapping[int, Priority],
) -> DuplicateGroup:
    group = [videos[member] for member in members]
    best = max(group, key=lambda video: priorities[video.id])
    kind: Literal["exact", "duplicate"] = "duplicate"
    if len({video.content_hash for video in group}) == 1:
        kind = "exact"
    listed = [
        DuplicateMember(
            video,
            video.id == best.id,
            1.0 if video.id == best.id else coverage.get((video.id, best.id), 0.0),
        )
        for video in sorted(group, key=lambda video: (video.id != best.id, video.path))
    ]
    return DuplicateGroup(
        kind,
        tuple(listed),
        _reason(
            priorities[best.id], [priorities[member] for member in members if member != best.id]
        ),
    )


def keep_priority(
    video: Video, *, is_intact: bool, is_sharp: bool = True, keeps_sound: bool = True
) -> Priority:
    """Sort key of the duplicate to keep: the largest.

    Args:
        video: a library video.
        is_intact: False if it is damaged.
        is_sharp: False if another copy is clearly sharper.
        keeps_sound: False if it has no sound, and another copy has.
    """
    # Copies differ by a frame or two; treat that as the same length.
    length = round(math.log(max(video.duration_seconds, 0.1)) / math.log(_SAME_LENGTH))
    bitrate = video.size_bytes / max(video.duration_seconds, 0.1)
    pixels = video.width * video.height
    return is_intact, is_sharp, keeps_sound, length, pixels, video.hdr, bitrate, -video.id


def is_silenced(copy: Video, other: Video) -> bool:
    """Whether a copy is known to have no sound, and the other video to have some."""
    return copy.has_sound is False and other.has_sound is True


def _reason(best: Priority, others: Sequence[Priority]) -> str:
    for place, name in enumerate(_REASONS):
        if any(other[place] < best[place] for other in others):
            return name
    return _REASONS[-1]


def _under_containers(
    groups: Sequence[DuplicateGroup],
    coverage: dict[Pair, float],
    same: Collection[frozenset[int]],
    videos: dict[int, Video],
    priorities: Mapping[int, Priority],
) -> list[DuplicateGroup]:
    """The groups, and groups of a video with the videos that it contains.

    No video is listed for removal twice, and no kept video is listed for removal: if the kept video
    of a group is contained in another video, the group is listed under that video, and so on
    upwards.
    """
    copies = {
        member.video.id: group.members[0].video.id
        for group in groups
        for member in group.members[1:]
    }
    together = set(same) | {
        frozenset((member.video.id, other.video.id))
        for group in groups
        for member in group.members
        for other in group.members
    }
    holders: dict[int, tuple[Priority, int]] = {}
    for (inner, outer), share in coverage.items():
        is_within = share >= FULL_COVERAGE and coverage[outer, inner] < FULL_COVERAGE
        # Nothing intact is given up for a damaged file, however much that seems to contain.
        is_within &= priorities[outer][0] or not priorities[inner][0]
        if is_within and frozenset((inner, outer)) not in together:
            candidate = (priorities[outer], outer)
            holders[inner] = max(holders.get(inner, candidate), candidate)
    # A copy is nested wherever the kept video of its group is nested.
    above = {inner: outer for inner, (_, outer) in holders.items()} | copies
    inner_by_kept: dict[int, list[int]] = defaultdict(list)
    for inner in above:
        kept = _top(inner, above, priorities)
        if kept != inner:
            inner_by_kept[kept].append(inner)
    nested = [group for group in groups if group.members[0].video.id in inner_by_kept]
    listed = {member.video.id for group in nested for member in group.members[1:]}
    for kept, inners in inner_by_kept.items():
        inners = [member for member in inners if member not in listed]
        if not inners:
            continue
        members = [DuplicateMember(videos[kept], True, 1.0)]
        for member in sorted(inners, key=lambda member: videos[member].path):
            # A video without a match with the kept video is a copy of a video that it contains.
            share = coverage.get((member, kept), 0.0)
            if share < FULL_COVERAGE and member in copies:
                share = max(share, coverage.get((member, copies[member]), 0.0))
            if share < FULL_COVERAGE and member in holders:
                share = max(share, coverage[member, holders[member][1]])
            members.append(DuplicateMember(videos[member], False, share))
        nested.append(DuplicateGroup("contains", tuple(members), "contains the others"))
    return nested


def _top(start: int, above: dict[int, int], priorities: Mapping[int, Priority]) -> int:
    """The topmost container of a video."""
    way = [start]
    while way[-1] in above:
        following = above[way[-1]]
        if following in way:  # a cycle, from measurement error
            return max(way[way.index(following) :], key=priorities.__getitem__)
        way.append(following)
    return way[-1]
