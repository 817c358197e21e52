"""``/classify``, ``/labels``, ``/related``, ``/outliers``; summary and description of a video."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from vidseek.catalog import VideoDetails
from vidseek.core.job import Job
from vidseek.core.types import (
    Description,
    LabelledMoment,
    LabelScore,
    SearchResult,
    TimeSpan,
    TrainedLabel,
)
from vidseek.discovery import Part
from vidseek.search.understanding.label_sets import bundled_labels
from vidseek.search.understanding.outliers import Outlier
from vidseek.web.api.dependencies import PartQuery, ServiceOf, VideoPath
from vidseek.web.schemas import MAX_HITS, MAX_TEXT, SearchAnswer, VideoPart, problem_answers
from vidseek.web.service import Service, thumbnail_url
from vidseek.web.text import path_text, safe_text
from vidseek.web.understanding import (
    Because,
    CaptionEntry,
    ClassifyAnswer,
    ClassifyRequest,
    DescribeAnswer,
    ExamplesRequest,
    KeyFrameEntry,
    LabelClipsRequest,
    LabelEntry,
    LabelledEntry,
    LabelList,
    MomentLabel,
    NearestClip,
    OutlierEntry,
    OutlierList,
    OutliersRequest,
    RelatedEntry,
    RelatedList,
    RelatedRequest,
    Summary,
    TrainRequest,
)

router = APIRouter(tags=["understanding"])

FrameCount = Annotated[int, Query(ge=1, le=MAX_HITS, description="Key frames at most.")]
LabelCount = Annotated[int, Query(ge=0, le=MAX_HITS, description="Labels at most.")]
MomentCount = Annotated[int, Query(ge=1, le=MAX_HITS, description="Moments at most.")]


@router.post("/classify", responses=problem_answers(404))
async def classify(request: Request, query: ClassifyRequest, service: ServiceOf) -> ClassifyAnswer:
    """Say which labels fit videos, parts of videos or every clip, most confident first."""
    return await service.quick.run(request, lambda job: classify_videos(service, query, job))


def classify_videos(service: Service, query: ClassifyRequest, job: Job) -> ClassifyAnswer:
    """Labelled moments that the client may see."""
    videos = [(service.shown_video(each.video_id).path, each.span) for each in query.videos]
    labels: list[str] | None = list(query.labels)
    if query.label_set is not None:
        labels = [*query.labels, *bundled_labels(query.label_set)]
    found = service.library.classify(
        videos or None,
        labels or None,
        where=query.where.to_filter(),
        k=query.k,
        min_confidence=query.min_confidence,
        by_clip=query.by_clip,
        job=job,
    )
    return ClassifyAnswer(
        moments=[_labelled(each) for each in found if service.shown([each.video])],
        warnings=[service.warning(each) for each in found.warnings],
    )


@router.get("/labels", responses=problem_answers())
async def labels(request: Request, service: ServiceOf) -> LabelList:
    """List the labels that the library learns from examples."""
    return await service.quick.run(request, lambda _: _labels(service.library.labels.list()))


@router.post("/labels/examples", responses=problem_answers(404, 409))
async def add_examples(request: Request, query: ExamplesRequest, service: ServiceOf) -> LabelList:
    """Add examples of a label. They count when it is trained."""
    service.check_writable()

    def add() -> LabelList:
        examples = [(service.shown_video(each.video_id).path, each.span) for each in query.examples]
        service.library.labels.add(query.name, examples, shown=query.shown)
        return _labels(service.library.labels.list())

    return await service.quick.run(request, lambda _: add())


@router.post("/labels/clips", responses=problem_answers(404))
async def label_clips(
    request: Request, query: LabelClipsRequest, service: ServiceOf
) -> SearchAnswer:
    """List the clips that have a label, those of the newest videos first. There is one page.

    The score and confidence of a clip are those of the label.
    """
    return await service.quick.run(request, lambda _: clips_with_label(service, query))


def clips_with_label(service: Service, query: LabelClipsRequest) -> SearchAnswer:
    """Clips that the client may see."""
    count = query.k
    while True:
        found = service.library.labels.clips(query.name, count, where=query.where.to_filter())
        answer = service.answer(SearchResult(tuple(found)))
        if len(answer.hits) >= query.k or len(found) < count:
            return answer.model_copy(update={"hits": answer.hits[: query.k]})
        count *= 4  # videos outside the roots have some of them


@router.post("/labels/train", responses=problem_answers(404, 409))
async def train(request: Request, query: TrainRequest, service: ServiceOf) -> LabelList:
    """Learn labels from their examples, and give them to the clips of the library."""
    service.check_writable()

    def work(job: Job) -> LabelList:
        return _labels(service.library.labels.train(query.name, job=job))

    return await service.heavy.run(request, work)


@router.get("/videos/{video_id}/summary", responses=problem_answers(404))
async def summary(
    request: Request,
    service: ServiceOf,
    video_id: VideoPath,
    frames: FrameCount = 12,
    text: Annotated[
        str | None,
        Query(min_length=1, max_length=MAX_TEXT, description="Summarise only what shows this."),
    ] = None,
) -> Summary:
    """Key frames that cover what a video shows, in order of time."""

    def work(job: Job) -> Summary:
        return summary_of(service, video_id, frames=frames, text=text, job=job)

    return await service.heavy.run(request, work)


def summary_of(
    service: Service, video_id: int, *, frames: int, text: str | None, job: Job
) -> Summary:
    """The key frames of a video that the client may see."""
    details = service.shown_details(video_id)
    video = details.video
    pictures = {
        clip.span: thumbnail_url(video, round(clip.middle_frame_seconds * 1000))
        for clip, thumbnail in zip(details.clips, details.thumbnails, strict=True)
        if thumbnail is not None
    }
    found = service.library.summary(video.path, frames=frames, query=text, job=job)
    return Summary(
        video_id=video_id,
        frames=[
            KeyFrameEntry(
                seconds=round(frame.seconds, 3),
                start_seconds=_rounded(frame.span)[0],
                end_seconds=_rounded(frame.span)[1],
                thumbnail_url=pictures.get(frame.span),
            )
            for frame in found
        ],
    )


@router.get("/videos/{video_id}/describe", responses=problem_answers(404))
async def describe(
    request: Request,
    service: ServiceOf,
    video_id: VideoPath,
    part: PartQuery,
    labels: LabelCount = 8,
) -> DescribeAnswer:
    """Say what a video, or a part of it, shows: labels, and the captions that are stored."""

    def work(job: Job) -> DescribeAnswer:
        video = service.shown_video(video_id)
        return _description(
            service, service.library.describe(video.path, span=part, labels=labels, job=job)
        )

    return await service.quick.run(request, work)


def _description(service: Service, found: Description) -> DescribeAnswer:
    start, end = _rounded(found.span)
    return DescribeAnswer(
        video_id=found.video.id,
        path=path_text(found.video.path),
        start_seconds=start,
        end_seconds=end,
        labels=[_label(each) for each in found.labels],
        captions=[
            CaptionEntry(
                start_seconds=_rounded(each.span)[0],
                end_seconds=_rounded(each.span)[1],
                text=safe_text(each.text),
            )
            for each in found.captions
        ],
        warnings=[service.warning(each) for each in found.warnings],
    )


@router.get("/videos/{video_id}/outliers", responses=problem_answers(404))
async def video_outliers(
    request: Request, service: ServiceOf, video_id: VideoPath, k: MomentCount = 10
) -> OutlierList:
    """Moments of a video that are unlike the rest of it, most unusual first."""

    def work(job: Job) -> OutlierList:
        video = service.shown_video(video_id)
        return _outliers(service, service.library.outliers(video.path, k, job=job))

    return await service.heavy.run(request, work)


@router.post("/outliers", responses=problem_answers(404))
async def outliers(request: Request, query: OutliersRequest, service: ServiceOf) -> OutlierList:
    """Moments unlike the rest of the library, or unlike normal footage, most unusual first."""

    def work(job: Job) -> OutlierList:
        found = service.library.outliers(
            None,
            query.k,
            where=query.where.to_filter(),
            normal=None if query.normal is None else query.normal.to_filter(),
            job=job,
        )
        return _outliers(service, found)

    return await service.heavy.run(request, work)


@router.post("/related", responses=problem_answers(404))
async def related(request: Request, query: RelatedRequest, service: ServiceOf) -> RelatedList:
    """Recommend videos like those that somebody liked, best first."""
    return await service.quick.run(request, lambda job: related_to(service, query, job))


def related_to(service: Service, query: RelatedRequest, job: Job) -> RelatedList:
    """Recommended videos that the client may see."""
    liked = {each.video_id: service.shown_video(each.video_id).path for each in query.liked}
    ids = {path: video_id for video_id, path in liked.items()}
    found = service.library.related(
        [_part(service, each) for each in query.liked],
        query.k,
        disliked=[_part(service, each) for each in query.disliked],
        where=query.where.to_filter(),
        diversity=query.diversity,
        job=job,
    )
    return RelatedList(
        videos=[
            RelatedEntry(
                video_id=each.video.id,
                path=path_text(each.video.path),
                title=safe_text(each.video.path.stem),
                score=round(each.score, 6),
                start_seconds=_rounded(each.span)[0],
                end_seconds=_rounded(each.span)[1],
                because=Because(
                    video_id=ids[each.because.path],
                    start_seconds=_rounded(each.because.span)[0],
                    end_seconds=_rounded(each.because.span)[1],
                ),
            )
            for each in found
            if service.shown([each.video])
        ]
    )


def _part(service: Service, part: VideoPart) -> Part:
    path = service.shown_video(part.video_id).path
    # One that has not changed is not decoded; another must be a file inside the roots.
    service.roots.open(path).close()
    return path if part.span is None else (path, part.span)


def _labelled(moment: LabelledMoment) -> LabelledEntry:
    return LabelledEntry(
        video_id=moment.video.id,
        path=path_text(moment.video.path),
        start_seconds=_rounded(moment.span)[0],
        end_seconds=_rounded(moment.span)[1],
        labels=[_label(each) for each in moment.labels],
    )


def _label(score: LabelScore) -> MomentLabel:
    return MomentLabel(label=safe_text(score.label), confidence=round(score.confidence, 4))


def _labels(found: list[TrainedLabel]) -> LabelList:
    return LabelList(
        labels=[
            LabelEntry(
                name=safe_text(each.name),
                positives=each.positives,
                negatives=each.negatives,
                is_trained=each.fingerprint is not None,
                accuracy=None if each.accuracy is None else round(each.accuracy, 4),
                clips=each.clips,
            )
            for each in found
        ]
    )


def _outliers(service: Service, found: list[Outlier]) -> OutlierList:
    shown = [each for each in found if service.shown([each.video])]
    details = {each.video.id: service.library.video(each.video.id) for each in shown}
    return OutlierList(outliers=[_outlier(service, each, details[each.video.id]) for each in shown])


def _picture(details: VideoDetails, span: TimeSpan) -> str | None:
    """The address of a picture of the middle of a part of a video."""
    middle = (span.start_seconds + span.end_seconds) / 2
    pictured = [
        clip
        for clip, thumbnail in zip(details.clips, details.thumbnails, strict=True)
        if thumbnail is not None and clip.span.overlap(span) > 0
    ]
    if not pictured:
        return None
    clip = min(pictured, key=lambda clip: abs(clip.middle_frame_seconds - middle))
    return thumbnail_url(details.video, round(clip.middle_frame_seconds * 1000))


def _outlier(service: Service, found: Outlier, details: VideoDetails) -> OutlierEntry:
    nearest = None
    if service.shown([found.nearest.video]):
        nearest = NearestClip(
            video_id=found.nearest.video.id,
            path=path_text(found.nearest.video.path),
            start_seconds=_rounded(found.nearest.span)[0],
            end_seconds=_rounded(found.nearest.span)[1],
        )
    return OutlierEntry(
        video_id=found.video.id,
        path=path_text(found.video.path),
        start_seconds=_rounded(found.span)[0],
        end_seconds=_rounded(found.span)[1],
        score=round(found.score, 4),
        nearest=nearest,
        thumbnail_url=_picture(details, found.span),
    )


def _rounded(span: TimeSpan) -> tuple[float, float]:
    return round(span.start_seconds, 3), round(span.end_seconds, 3)
