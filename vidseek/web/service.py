"""What the endpoints share: the open library, the media roots, the threads.

Everything a client may see passes here, so that files outside the media roots stay unknown.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import gettempdir

import vidseek
from vidseek.core.errors import PathNotFoundError, ServerError, VidseekError
from vidseek.core.types import (
    Clip,
    CopyMatch,
    SearchHit,
    SearchResult,
    SearchWarning,
    Video,
)
from vidseek.library import Library
from vidseek.web import schemas
from vidseek.web.answers import KeptAnswers, PerState
from vidseek.web.jobs import LongJobs
from vidseek.web.metrics import Metrics
from vidseek.web.previews import Previews
from vidseek.web.priority import yield_processor
from vidseek.web.problems import ProblemError
from vidseek.web.roots import MediaRoots, topmost
from vidseek.web.settings import ServerSettings
from vidseek.web.text import path_text, safe_text
from vidseek.web.uploads import Uploads
from vidseek.web.work import WorkPool

API = "/api/v1"


class Service:
    """An open library and what serves it."""

    def __init__(self, settings: ServerSettings) -> None:
        """Open the library.

        Raises:
            LibraryError: there is no library in the folder, or it cannot be opened.
            PathNotFoundError: a media root is not a folder.
        """
        limits = settings.request_limits
        self.settings = settings
        self.library: Library = vidseek.open(settings.library, create=False)
        try:
            self.roots = MediaRoots(settings.roots or self._folders_of_videos())
            self._check_uploads()
        except BaseException:
            self.library.close()
            raise
        self.quick = WorkPool(
            "quick", threads=limits.search_threads, max_waiting=limits.max_waiting
        )
        self.heavy = WorkPool(
            "heavy",
            threads=limits.heavy_threads,
            max_waiting=limits.max_waiting_heavy,
            initialize=yield_processor,
        )
        self.answers = KeptAnswers[schemas.SearchAnswer]()
        self._statistics = PerState(self.library, self.library.statistics)
        self._models = PerState(self.library, self.library.models.list)
        self.duplicates = PerState(self.library, self.library.duplicates)
        """The groups of duplicates, which every page of them is cut from."""
        self.jobs = LongJobs(self.word)
        self.uploads = Uploads(settings.upload_limits)
        self.previews = Previews(self.uploads.folder / "previews")
        self.metrics = self._metrics()
        self.followers = 0
        """Clients that follow a job."""
        self.is_stopping = False

    def _check_uploads(self) -> None:
        folder = self.settings.uploads
        if folder is None:
            return
        if not folder.is_dir():
            raise PathNotFoundError(f"{folder} is not a folder", path=folder)
        if not self.roots.contain(folder):
            raise ServerError(f"the folder for uploads, {folder}, is outside the media roots")

    def _metrics(self) -> Metrics:
        metrics = Metrics()
        metrics.gauge(
            "vidseek_videos", "Searchable videos.", lambda: self._statistics.get().indexed
        )
        metrics.gauge("vidseek_clips", "Their clips.", lambda: self._statistics.get().clips)
        metrics.gauge(
            "vidseek_pending_quick", "Quick requests in work.", lambda: self.quick.pending
        )
        metrics.gauge(
            "vidseek_pending_heavy", "Requests that decode video.", lambda: self.heavy.pending
        )
        metrics.gauge("vidseek_receiving", "Files being received.", lambda: self.uploads.active)
        metrics.gauge(
            "vidseek_jobs",
            "Long tasks that wait or run.",
            lambda: sum(not job.has_ended for job in self.jobs.all()),
        )
        metrics.gauge("vidseek_followers", "Clients that follow a job.", lambda: self.followers)
        return metrics

    @property
    def decode_limits(self) -> vidseek.DecodeLimits:
        """What an upload may be and take when it is decoded."""
        limits = self.settings.upload_limits
        return vidseek.DecodeLimits(
            max_pixels=limits.max_pixels, max_duration_seconds=limits.max_duration_seconds
        )

    def word(self, error: VidseekError) -> str:
        """An error for clients."""
        message = str(error)
        for secret, shown in self.hidden_texts(error.path).items():
            message = message.replace(secret, shown)
        return safe_text(message)

    def _folders_of_videos(self) -> Iterable[Path]:
        folders = {video.path.parent for video in self.library.videos()}
        return [folder for folder in topmost(folders) if folder.is_dir()]

    def warm(self) -> None:
        """Load the index and the model, so that the first query does not wait for them."""
        self.library.search("a first query", 1)  # what a text needs
        self.library.encoder.load()  # what a picture needs

    def stop(self) -> None:
        """Refuse new work and cancel what there is; ``close`` comes later."""
        self.is_stopping = True
        self.quick.cancel()
        self.heavy.cancel()
        self.jobs.stop()

    def close(self) -> None:
        """Wait for the threads, and close the library."""
        self.quick.close()
        self.heavy.close()
        self.jobs.close()
        self.uploads.close()
        self.library.close()

    # -- what a client may do and see --------------------------------------------------------------

    def check_writable(self) -> None:
        """Refuse a change.

        Raises:
            ProblemError: the server was started read-only.
        """
        if self.settings.read_only:
            raise ProblemError(403, "read_only", "this server does not change its library")

    def hidden_texts(self, path: Path | None) -> Mapping[str, str]:
        """Paths that an error must not show to a client, and what to write instead."""
        hidden = {str(self.library.folder): "the library", **self._model_folders()}
        if path is not None and not self.roots.contain(path):
            hidden = {str(path): path.name, **hidden}
        return {**hidden, gettempdir() + os.sep: ""}

    def _model_folders(self) -> dict[str, str]:
        """Folders of the library's models and their names; warnings name models by them."""
        try:
            sources = [model.spec.source for model in self._models.get()]
        except VidseekError:  # the library is closed or damaged, which is the error to tell
            return {}
        return {source: Path(source).name for source in sources if Path(source).is_absolute()}

    def shown_video(self, video_id: int) -> Video:
        """A video of the library that a client may see.

        Raises:
            PathNotFoundError: no video has the id, or its file lies outside the roots.
        """
        video = self.library.stored_video(video_id)
        self._check_shown(video)
        return video

    def shown_file(self, video_id: int) -> Path:
        """The file of a video of the library, to compare moments with.

        It must be a file inside the roots now. As long as it has not changed, it is not decoded.

        Raises:
            PathNotFoundError: as for ``shown_video``, or the file is not there.
        """
        path = self.shown_video(video_id).path
        self.roots.open(path).close()
        return path

    def shown_details(self, video_id: int) -> vidseek.VideoDetails:
        """The same with its clips."""
        details = self.library.video(video_id)
        self._check_shown(details.video)
        return details

    def _check_shown(self, video: Video) -> None:
        if not self.roots.contain(video.path):
            raise PathNotFoundError(f"no video has the id {video.id}")

    def shown(self, videos: Iterable[Video]) -> list[Video]:
        """Those of the videos that a client may see."""
        given = list(videos)
        inside = set(self.roots.inside(video.path for video in given))
        return [video for video in given if video.path in inside]

    def labelled_entries(self, videos: Iterable[Video]) -> list[schemas.VideoEntry]:
        """The documents of videos, with their labels."""
        chosen = list(videos)
        labels = self.library.labels.of_videos(chosen)
        return [video_entry(video, labels.get(video.id, ())) for video in chosen]

    # -- documents ---------------------------------------------------------------------------------

    def health(self) -> schemas.Health:
        """What the server holds."""
        statistics = self._statistics.get()
        active = [model.spec.source for model in self._models.get() if model.is_active]
        return schemas.Health(
            version=vidseek.__version__,
            videos=statistics.indexed,
            clips=statistics.clips,
            model=safe_text(Path(active[0]).name) if active else None,
            read_only=self.settings.read_only,
            roots=[path_text(folder) for folder in self.roots.folders],
            can_add_uploads=self.settings.uploads is not None and not self.settings.read_only,
        )

    def answer(self, result: SearchResult) -> schemas.SearchAnswer:
        """The document of a page of hits."""
        return schemas.SearchAnswer(
            hits=[self._hit(hit) for hit in result if self.roots.contain(hit.video.path)],
            warnings=[self.warning(warning) for warning in result.warnings],
            next_cursor=result.next_cursor,
        )

    def warning(self, warning: SearchWarning) -> schemas.AnswerWarning:
        """The document of a warning."""
        message = warning.message
        for secret, shown in self.hidden_texts(None).items():
            message = message.replace(secret, shown)
        return schemas.AnswerWarning(code=warning.code, message=safe_text(message))

    def _hit(self, hit: SearchHit) -> schemas.Hit:
        start, end = hit.span.start_seconds, hit.span.end_seconds
        thumbnail = None
        if hit.thumbnail is not None:
            thumbnail = thumbnail_url(hit.video, int(hit.thumbnail.stem.rpartition("-")[2]))
        return schemas.Hit(
            video_id=hit.video.id,
            path=path_text(hit.video.path),
            start_seconds=round(start, 3),
            end_seconds=round(end, 3),
            score=round(hit.score, 6),
            confidence=None if hit.confidence is None else round(hit.confidence, 4),
            thumbnail_url=thumbnail,
            media_url=media_url(hit.video),
            preview_url=preview_url(hit.video, start, end),
            duration_seconds=round(hit.video.duration_seconds, 3),
            modified=schemas.iso_time(hit.video.modified_ns),
            copies=[
                schemas.Copy(
                    video_id=copy.video.id,
                    path=path_text(copy.video.path),
                    start_seconds=round(copy.span.start_seconds, 3),
                    end_seconds=round(copy.span.end_seconds, 3),
                )
                for copy in hit.copies
                if self.roots.contain(copy.video.path)
            ],
            steps=[
                schemas.Step(
                    start_seconds=round(step.start_seconds, 3),
                    end_seconds=round(step.end_seconds, 3),
                )
                for step in hit.steps
            ],
            labels=list(hit.labels),
        )


def video_entry(video: Video, labels: Iterable[str] = ()) -> schemas.VideoEntry:
    """The document of a video, with the learned labels of its clips."""
    return schemas.VideoEntry(
        id=video.id,
        path=path_text(video.path),
        title=safe_text(video.path.stem),
        state=video.state.value,
        duration_seconds=round(video.duration_seconds, 3),
        frame_rate=round(video.frame_rate, 3),
        width=video.width,
        height=video.height,
        codec=video.codec,
        size_bytes=video.size_bytes,
        modified=schemas.iso_time(video.modified_ns),
        damaged=video.damaged,
        has_sound=video.has_sound,
        failure=None if video.failure is None else safe_text(video.failure),
        media_url=media_url(video),
        labels=[safe_text(label) for label in labels],
    )


def clip_entry(video: Video, clip: Clip, *, has_thumbnail: bool) -> schemas.ClipEntry:
    """The document of a clip."""
    milliseconds = round(clip.middle_frame_seconds * 1000)
    return schemas.ClipEntry(
        id=clip.id,
        start_seconds=round(clip.span.start_seconds, 3),
        end_seconds=round(clip.span.end_seconds, 3),
        thumbnail_url=thumbnail_url(video, milliseconds) if has_thumbnail else None,
        preview_url=preview_url(video, clip.span.start_seconds, clip.span.end_seconds),
    )


def segment(match: CopyMatch) -> schemas.SharedSegment:
    """The document of a stretch that two videos share."""
    return schemas.SharedSegment(
        video_id=match.video_id,
        other_id=match.other_id,
        start_seconds=round(match.span.start_seconds, 3),
        end_seconds=round(match.span.end_seconds, 3),
        other_start_seconds=round(match.other_span.start_seconds, 3),
        other_end_seconds=round(match.other_span.end_seconds, 3),
        speed=round(match.speed, 4),
        mirrored=match.mirrored,
        score=round(match.score, 4),
    )


def thumbnail_url(video: Video, milliseconds: int) -> str:
    """Where a thumbnail is; another address for another content, so that browsers may keep it."""
    return f"{API}/thumbnails/{video.id}/{milliseconds}?v={video.content_hash[-8:]}"


def media_url(video: Video) -> str:
    """Where the file of a video is."""
    return f"{API}/media/{video.id}"


def preview_url(video: Video, start_seconds: float, end_seconds: float) -> str:
    """Where a short silent film of a span is."""
    return f"{API}/preview/{video.id}?start={start_seconds:.3f}&end={end_seconds:.3f}"
