"""Index new and changed files: decode and encode them, and store them with their thumbnails.

    task = IndexTask(store, encoder, plan=SamplingPlan(), descriptor=descriptor)
    with HashAhead(files) as hashed:
        VideoPass(task, ...).run(hashed)

Files whose content is already in the library are stored without decoding. Every video is one
transaction, so a run that is stopped or killed leaves whole videos only.
"""

from __future__ import annotations

from pathlib import Path

from vidseek.core.errors import InternalVideoError, LibraryError, SoundOnlyError, VideoError
from vidseek.core.types import Video, VideoState
from vidseek.encoders.base import Encoder
from vidseek.encoders.copies.descriptor import CopyDescriptor
from vidseek.encoders.pipeline import EncodedVideo, encode_video
from vidseek.indexer.discovery import error_reason
from vidseek.indexer.hashing import CHANGED, HashedFile
from vidseek.indexer.plan import NOT_VIDEOS, Reuse, reuse
from vidseek.indexer.report import FailedFile, FileNote
from vidseek.indexer.vector_index import fold_vectors
from vidseek.indexer.video_pass import OnBatch, TransientFileError
from vidseek.storage.store import LibraryStore
from vidseek.video import DecodedVideo, DecodeJob, SamplingPlan

_FOLD_EVERY_CLIPS = 10_000
"""A search during a run of days reads whatever was added since the index was last folded."""


class IndexTask:
    """See ``VideoTask``. Files that cannot be read are stored with the reason."""

    def __init__(
        self,
        store: LibraryStore,
        encoder: Encoder,
        *,
        plan: SamplingPlan,
        descriptor: CopyDescriptor | None,
    ) -> None:
        """Prepare a pass.

        Args:
            store: the library, which this process writes to.
            encoder: registered in the library.
            plan: which frames to decode.
            descriptor: computes copy descriptors of the same frames; None stores none.
        """
        self._store = store
        self._encoder = encoder
        self._plan = plan
        self._descriptor = descriptor
        self._bad_content: dict[str, VideoError] = {}
        """Failures by content hash: equal files fail alike and are decoded once."""
        self._clips_to_fold = 0
        self.indexed = self.unchanged = self.moved = 0
        self.video_seconds = 0.0
        self.failed: list[FailedFile] = []
        self.sound_only: list[Path] = []
        self.notes: list[FileNote] = []

    def prepare(self, file: HashedFile) -> DecodeJob | None:
        """Store a file from a video with the same hash, or ask for its frames."""
        if file.failure is not None:
            raise TransientFileError(file.failure, path=file.path, has_vanished=file.has_vanished)
        if (known := self._bad_content.get(file.content_hash)) is not None:
            raise type(known)(known.reason, path=file.path, hint=known.hint)
        reused = reuse(self._store, file)
        if reused is None:
            return DecodeJob(file.path, self._plan)
        self.unchanged += reused is Reuse.UNCHANGED
        self.moved += reused is Reuse.MOVED
        self.indexed += reused is Reuse.COPIED
        return None

    def encode(self, file: HashedFile, decoded: DecodedVideo, on_batch: OnBatch) -> EncodedVideo:
        """Encode the frames and the clips that they are cut into."""
        try:
            return encode_video(
                decoded,
                self._encoder,
                descriptor=self._descriptor,
                thumbnails=True,
                on_batch=on_batch,
            )
        except VideoError as error:
            self._bad_content[file.content_hash] = error
            raise

    def store(self, file: HashedFile, encoded: EncodedVideo) -> None:
        """Store a video with its clips, unless the file has changed since it was hashed."""
        _check_is_as_hashed(file)
        # Before the video, so that no search shows a clip without its thumbnail.
        self._write_thumbnails(file.content_hash, encoded)
        info = encoded.info
        video = Video(
            id=0,
            path=file.path,
            content_hash=file.content_hash,
            size_bytes=file.size_bytes,
            modified_ns=file.modified_ns,
            duration_seconds=encoded.duration_seconds,
            frame_rate=info.frame_rate,
            width=info.width,
            height=info.height,
            codec=info.codec,
            damaged=encoded.damaged,
            hdr=info.hdr,
            has_sound=info.has_sound,
        )
        self._store.videos.add(
            video,
            encoded.clips,
            fingerprint=self._encoder.spec.fingerprint,
            copies=encoded.copies,
            copies_fingerprint="" if self._descriptor is None else self._descriptor.fingerprint,
        )
        # Removing another file with the same content meanwhile may have deleted them.
        self._write_thumbnails(file.content_hash, encoded, only_missing=True)
        if info.other_films:
            self.notes.append(FileNote(file.path, _other_films_note(info.other_films)))
        self.indexed += 1
        self.video_seconds += encoded.duration_seconds
        self._clips_to_fold += len(encoded.clips)
        if self._clips_to_fold >= _FOLD_EVERY_CLIPS:
            self._clips_to_fold = 0
            fold_vectors(self._store, self._encoder.spec)

    def fail(self, file: HashedFile, error: VideoError) -> None:
        """Store a file as failed, or as skipped if it has sound only.

        A transient failure (no permission, still being written) or one of the installation leaves
        what an earlier run stored of the file, and is stored with no modification time, so that
        every run tries it again.
        """
        is_sound = isinstance(error, SoundOnlyError)
        if is_sound:
            self.sound_only.append(file.path)
        else:
            self.failed.append(FailedFile.of(file.path, error))
        is_transient = isinstance(error, TransientFileError | InternalVideoError)
        if isinstance(error, TransientFileError) and error.has_vanished:
            return
        if is_transient:
            known = self._store.videos.at(file.path)
            if known is not None and known.state not in NOT_VIDEOS:
                return
        video = Video(
            id=0,
            path=file.path,
            content_hash=file.content_hash,
            size_bytes=file.size_bytes,
            modified_ns=0 if is_transient else file.modified_ns,
            duration_seconds=0.0,
            frame_rate=0.0,
            width=0,
            height=0,
            codec="",
            state=VideoState.SKIPPED if is_sound else VideoState.FAILED,
            failure=error.reason,
            failure_hint=error.hint,
            has_sound=True if is_sound else None,
        )
        self._store.videos.add(video, [], fingerprint=self._encoder.spec.fingerprint)

    def _write_thumbnails(
        self, content_hash: str, encoded: EncodedVideo, *, only_missing: bool = False
    ) -> None:
        try:
            for seconds, jpeg in encoded.thumbnails.items():
                path = self._store.thumbnail_path(content_hash, seconds)
                if not (only_missing and path.exists()):
                    self._store.write_thumbnail(content_hash, seconds, jpeg)
        except OSError as error:  # an error of the library's disk, not of this file
            raise LibraryError(f"{self._store.folder}: {error}") from error


def _other_films_note(count: int) -> str:
    films = "a second film (video stream)"
    if count > 1:
        films = f"{count} more films (video streams)"
    return f"has {films}, not indexed: only the first can be found"


def _check_is_as_hashed(file: HashedFile) -> None:
    try:
        status = file.path.stat()
    except FileNotFoundError:
        raise TransientFileError(
            "vanished while it was read", path=file.path, has_vanished=True
        ) from None
    except OSError as error:
        raise TransientFileError(error_reason(error), path=file.path) from error
    if (status.st_size, status.st_mtime_ns) != (file.size_bytes, file.modified_ns):
        raise TransientFileError(CHANGED, path=file.path)
