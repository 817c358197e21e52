"""``/index`` and ``/jobs``: long tasks, their progress and their end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from starlette.responses import StreamingResponse

from vidseek.core.job import Job
from vidseek.indexer import IndexReport
from vidseek.web.api.dependencies import ServiceOf
from vidseek.web.jobs import LongJob, is_indexing
from vidseek.web.schemas import (
    IndexRequest,
    JobEntry,
    JobFailure,
    JobList,
    JobProgress,
    JobReport,
    problem_answers,
)
from vidseek.web.service import API, Service
from vidseek.web.text import path_text, safe_text

router = APIRouter(tags=["jobs"])

EVENT_SECONDS = 0.25
"""How often the progress is looked at."""
HEARTBEAT_SECONDS = 15.0
"""How often a comment is sent where nothing changes, so that nobody takes the stream for dead."""
MAX_LISTED_FAILURES = 1000
WAIT_SECONDS = 60.0
"""How long an index run waits for another process that is indexing."""

JobPath = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$", description="`id` of a job.")]


@router.post("/index", status_code=202, responses=problem_answers(404))
async def start_index(
    request: Request, response: Response, service: ServiceOf, wanted: IndexRequest
) -> JobEntry:
    """Start to index files and folders; `/jobs` shows the progress."""
    service.check_writable()

    def start() -> LongJob:
        paths = [service.roots.find(path) for path in wanted.paths] or service.roots.folders

        def work(job: Job) -> IndexReport:
            return service.library.index(
                paths, retry_failed=wanted.retry_failed, wait_seconds=WAIT_SECONDS, job=job
            )

        return service.jobs.start("index", paths, work)

    job = await service.quick.run(request, lambda _: start())
    response.headers["Location"] = f"{API}/jobs/{job.id}"
    return job_entry(job)


@router.get("/jobs", responses=problem_answers())
async def list_jobs(service: ServiceOf) -> JobList:
    """List the latest jobs, newest first."""
    return JobList(jobs=[job_entry(job) for job in service.jobs.all()])


@router.get("/jobs/{job_id}", responses=problem_answers(404))
async def job(service: ServiceOf, job_id: JobPath) -> JobEntry:
    """Look up a job."""
    return job_entry(service.jobs.find(job_id))


@router.delete(
    "/jobs/{job_id}",
    responses={
        202: {"model": JobEntry, "description": "The job ends soon; what it has indexed stays."},
        **problem_answers(404),
    },
)
async def cancel_job(response: Response, service: ServiceOf, job_id: JobPath) -> JobEntry:
    """Ask a job to end, or take one that has ended from the list."""
    service.check_writable()
    if service.jobs.find(job_id).has_ended:
        return job_entry(service.jobs.forget(job_id))
    response.status_code = 202
    return job_entry(service.jobs.cancel(job_id))


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: a job as data of `progress`, at last of `end`.",
            "content": {"text/event-stream": {}},
        },
        **problem_answers(404),
    },
)
async def job_events(service: ServiceOf, job_id: JobPath) -> StreamingResponse:
    """Follow a job."""
    return StreamingResponse(
        _events(service, service.jobs.find(job_id)), media_type="text/event-stream"
    )


async def _events(service: Service, job: LongJob) -> AsyncIterator[str]:
    service.followers += 1
    try:
        async for event in _changes(service, job):
            yield event
    finally:
        service.followers -= 1


async def _changes(service: Service, job: LongJob) -> AsyncIterator[str]:
    sent, quiet_seconds = -1, 0.0
    while not service.is_stopping:
        has_ended, version = job.has_ended, job.version
        if version != sent or has_ended:
            sent, quiet_seconds = version, 0.0
            data = json.dumps(job_entry(job).model_dump(mode="json"))
            yield f"event: {'end' if has_ended else 'progress'}\ndata: {data}\n\n"
        if has_ended:
            return
        if quiet_seconds >= HEARTBEAT_SECONDS:
            quiet_seconds = 0.0
            yield ": still there\n\n"
        await asyncio.sleep(EVENT_SECONDS)
        quiet_seconds += EVENT_SECONDS


def job_entry(job: LongJob) -> JobEntry:
    """The document of a job."""
    created = datetime.fromtimestamp(job.created_seconds, UTC)
    return JobEntry(
        id=job.id,
        kind=job.kind,
        state=job.state,
        paths=[path_text(path) for path in job.paths],
        created=created.isoformat(timespec="seconds"),
        progress=_progress(job),
        report=_report(job),
        problem=job.problem,
    )


def _progress(job: LongJob) -> JobProgress | None:
    progress = job.progress
    if progress is None:
        return None
    shown = JobProgress(
        stage=progress.stage, done=progress.done, total=progress.total, unit=progress.unit
    )
    indexing = is_indexing(progress)
    if indexing is None:
        return shown
    return shown.model_copy(
        update={
            "failed": indexing.failed,
            "current": None if indexing.current is None else path_text(indexing.current),
            "video_seconds": round(indexing.video_seconds, 1),
            "elapsed_seconds": round(indexing.elapsed_seconds, 1),
            "eta_seconds": None if indexing.eta_seconds is None else round(indexing.eta_seconds, 1),
            "realtime_factor": round(indexing.realtime_factor, 2),
        }
    )


def _report(job: LongJob) -> JobReport | None:
    report = job.report
    if report is None:
        return None
    return JobReport(
        indexed=report.indexed,
        unchanged=report.unchanged,
        moved=report.moved,
        missing=report.missing,
        failed=[
            JobFailure(path=path_text(file.path), reason=safe_text(file.reason))
            for file in report.failed[:MAX_LISTED_FAILURES]
        ],
        video_seconds=round(report.video_seconds, 1),
        seconds=round(report.seconds, 1),
    )
