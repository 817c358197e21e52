"""``/captioner``, ``/search/captions``; captions of a video, and answers about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from vidseek.core.job import Job
from vidseek.web.api.dependencies import ServiceOf, VideoPath
from vidseek.web.api.jobs import job_entry
from vidseek.web.captioner import ServerCaptioner
from vidseek.web.jobs import LongJob
from vidseek.web.schemas import JobEntry, SearchAnswer, problem_answers
from vidseek.web.service import API
from vidseek.web.text import path_text, safe_text
from vidseek.web.understanding import (
    AskAnswer,
    AskedFrame,
    AskRequest,
    CaptionerEntry,
    CaptionSearchRequest,
    CaptionsRequest,
)

router = APIRouter(tags=["understanding"])


async def captioner_of(request: Request) -> ServerCaptioner:
    """The server's captioner."""
    captioner: ServerCaptioner = request.app.state.captioner
    return captioner


CaptionerOf = Annotated[ServerCaptioner, Depends(captioner_of)]


@router.get("/captioner", responses=problem_answers())
async def captioner(model: CaptionerOf) -> CaptionerEntry:
    """Say which model writes captions and answers questions."""
    return CaptionerEntry(
        model=None if model.name is None else safe_text(model.name),
        writes_captions=model.writes_captions,
        answers_questions=model.answers_questions,
    )


@router.post("/search/captions", responses=problem_answers())
async def search_captions(
    request: Request, query: CaptionSearchRequest, service: ServiceOf
) -> SearchAnswer:
    """Find moments by the words of their captions, best first. There is one page."""
    return await service.quick.run(
        request,
        lambda _: service.answer(
            service.library.search_captions(query.text, query.k, where=query.where.to_filter())
        ),
    )


@router.post("/videos/{video_id}/captions", status_code=202, responses=problem_answers(404, 409))
async def write_captions(
    request: Request,
    response: Response,
    service: ServiceOf,
    model: CaptionerOf,
    video_id: VideoPath,
    wanted: CaptionsRequest,
) -> JobEntry:
    """Start to write captions; those that the part already has are replaced.

    `/jobs` shows the progress. When the job is done, `/videos/{id}/describe` and `/search/captions`
    have the captions.
    """
    service.check_writable()

    def start() -> LongJob:
        writer = model.writer()
        path = service.shown_video(video_id).path
        service.roots.open(path).close()

        def work(job: Job) -> None:
            service.library.describe(
                path, writer, span=wanted.span, labels=0, captions=wanted.captions, job=job
            )

        return service.jobs.start("captions", [path], work)

    job = await service.quick.run(request, lambda _: start())
    response.headers["Location"] = f"{API}/jobs/{job.id}"
    return job_entry(job)


@router.post("/videos/{video_id}/ask", responses=problem_answers(404, 409, 413, 415))
async def ask(
    request: Request,
    service: ServiceOf,
    model: CaptionerOf,
    video_id: VideoPath,
    query: AskRequest,
) -> AskAnswer:
    """Answer a question about a video from the frames that are most like it.

    It takes a second to minutes, by the model; closing the connection gives it up.
    """

    def work(job: Job) -> AskAnswer:
        answerer = model.answerer()
        path = service.shown_video(video_id).path
        service.roots.open(path).close()
        found = service.library.ask(
            path, query.question, answerer, span=query.span, frames=query.frames, job=job
        )
        return AskAnswer(
            video_id=video_id,
            path=path_text(found.video.path),
            question=safe_text(found.question),
            answer=safe_text(found.text),
            votes=round(found.votes, 4),
            model=safe_text(model.name or Path(found.source).name),
            frames=[
                AskedFrame(seconds=round(each.seconds, 3), score=round(each.score, 4))
                for each in found.frames
            ],
        )

    return await service.heavy.run(request, work)
