"""``/duplicates``: groups of videos that are copies of each other."""

from __future__ import annotations

from fastapi import APIRouter, Request

from vidseek.core.types import CopyMatch, DuplicateGroup
from vidseek.web.api.dependencies import CursorQuery, LimitQuery, ServiceOf
from vidseek.web.cursors import Key, page_after
from vidseek.web.schemas import (
    DismissAnswer,
    DismissRequest,
    Group,
    GroupMember,
    GroupPage,
    problem_answers,
)
from vidseek.web.service import Service, segment, video_entry

router = APIRouter(prefix="/duplicates", tags=["copies"])


@router.get("", responses=problem_answers())
async def duplicates(
    request: Request, service: ServiceOf, limit: LimitQuery = 50, cursor: CursorQuery = None
) -> GroupPage:
    """List the groups of duplicates, largest first, each with the video to keep first."""
    return await service.quick.run(request, lambda _: read_groups(service, limit, cursor))


@router.post("/dismiss", responses=problem_answers(404, 409))
async def dismiss(request: Request, service: ServiceOf, told: DismissRequest) -> DismissAnswer:
    """Remember that some videos are not duplicates of each other, or forget it."""
    service.check_writable()

    def change() -> DismissAnswer:
        ids = {service.shown_video(video_id).id for video_id in told.video_ids}
        pairs = service.library.dismiss_duplicates(ids, restore=told.restore)
        return DismissAnswer(changed_pairs=pairs)

    return await service.quick.run(request, lambda _: change())


def read_groups(service: Service, limit: int, cursor: str | None) -> GroupPage:
    """A page of the groups that the client may see."""
    groups = [shown for each in service.duplicates.get() if (shown := _shown(service, each))]
    groups.sort(key=_key)
    page, following = page_after(groups, _key, cursor=cursor, limit=limit)
    ids = {member.video.id for group in page for member in group.members}
    segments = service.library.shared_segments(ids)
    return GroupPage(
        groups=[_document(group, segments) for group in page],
        total=len(groups),
        next_cursor=following,
    )


def _key(group: DuplicateGroup) -> Key:
    return -len(group.members), group.members[0].video.id


def _shown(service: Service, group: DuplicateGroup) -> DuplicateGroup | None:
    """The group, if the client may see all of it."""
    # Without its video to keep, a group would advise to keep none.
    videos = [member.video for member in group.members]
    return group if len(service.shown(videos)) == len(videos) else None


def _document(group: DuplicateGroup, matches: list[CopyMatch]) -> Group:
    ids = {member.video.id for member in group.members}
    return Group(
        kind=group.kind,
        why=group.why,
        members=[
            GroupMember(
                video=video_entry(member.video),
                keep=member.keep,
                coverage=round(member.coverage, 4),
            )
            for member in group.members
        ],
        segments=[
            segment(match) for match in matches if match.video_id in ids and match.other_id in ids
        ],
    )
