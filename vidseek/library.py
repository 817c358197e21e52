"""The public Python API: a library of videos, and everything the commands do with it.

with vidseek.open("footage-library") as library:
    report = library.index(["~/Movies"])
    hits = library.search("a red car at night", k=5)

Opening is cheap: the encoder, the readers and the index are loaded when they are first needed, so
that a search loads no video decoder and a listing no model.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

from vidseek.core.errors import (
    CalibrationError,
    EncoderError,
    LibraryError,
    LibraryLockedError,
    PathNotFoundError,
    UnknownEncoderError,
)
from vidseek.core.paths import AnyPath, absolute_path
from vidseek.core.types import (
    Calibration,
    Clip,
    CopyVerdict,
    DuplicateGroup,
    EncoderSpec,
    LibraryModel,
    LibraryStatistics,
    SearchHit,
    TimeSpan,
    Video,
    VideoFilter,
    VideoState,
)
from vidseek.storage.store import LibraryStore

if TYPE_CHECKING:
    from vidseek.doctor import DoctorReport
    from vidseek.encoders.base import Encoder
    from vidseek.encoders.copies.descriptor import CopyDescriptor
    from vidseek.indexer import IndexProgress, IndexReport, ModelReport
    from vidseek.search import SearchEngine
    from vidseek.search.copies.checker import Threshold
    from vidseek.search.copies.upload import CopyUpload
    from vidseek.search.moments.calibration.calibrate import CalibrationReport
    from vidseek.video import SamplingPlan

logger = logging.getLogger(__name__)

# Inside the class the name `list` is its method.
_Videos: TypeAlias = list[Video]
_Hits: TypeAlias = list[SearchHit]
_Groups: TypeAlias = list[DuplicateGroup]
_Models: TypeAlias = list[LibraryModel]

DEFAULT_ENCODER = "builtin"
EVERYTHING = VideoFilter()


@dataclass(frozen=True)
class VideoDetails:
    """All that the library knows of one video."""

    video: Video
    clips: tuple[Clip, ...]
    """In order of time; none where the video could not be read."""
    thumbnails: tuple[Path | None, ...]
    """One JPEG a clip, None where it is gone."""


def default_library_folder() -> Path:
    """Where the library is when nothing else is said: the platform's folder for user data."""
    from platformdirs import user_data_dir

    return Path(user_data_dir("vidseek", appauthor=False)) / "default"


class Library:
    """A library of videos: one folder that holds what was made of them, never the videos.

    Closed by ``close()`` or at the end of ``with``. Searches may come from several threads; while
    one process or thread indexes, others search what is already there.
    """

    def __init__(
        self,
        store: LibraryStore,
        *,
        encoder: str | Encoder | None = None,
        confirm_download: Callable[[str, int], bool] | None = None,
    ) -> None:
        """Use ``Library.open``."""
        self._store = store
        self._wanted = encoder
        self._confirm_download = confirm_download
        self._engines: dict[str, SearchEngine] = {}
        self._own: Encoder | None = None
        self._encoders: dict[str, Encoder] = {}
        self._descriptor: CopyDescriptor | None = None
        self._lock = threading.RLock()

    @classmethod
    def open(
        cls,
        path: AnyPath | None = None,
        *,
        create: bool = True,
        encoder: str | Encoder | None = None,
        database_url: str | None = None,
        confirm_download: Callable[[str, int], bool] | None = None,
    ) -> Self:
        """Open the library in a folder.

        Args:
            path: the folder; None for the user's default library.
            create: make a library where there is none.
            encoder: a name that ``create_encoder`` knows (``builtin``, ``hf:ORG/NAME``, a folder
                with a model), or an encoder of one's own; None for the active one of the library's
                models, and the built-in one for a new library.
            database_url: keep the metadata in another database, as an SQLAlchemy URL.
            confirm_download: asked with a repository and a size in bytes before a model is
                downloaded; without it nothing is.

        Raises:
            LibraryError: the folder is something else, damaged, too new, or missing and not to be
                created. The subclass says which.
        """
        folder = default_library_folder() if path is None else absolute_path(path)
        store = LibraryStore.open(folder, create=create, database_url=database_url)
        return cls(store, encoder=encoder, confirm_download=confirm_download)

    @property
    def folder(self) -> Path:
        """Where the library lies."""
        return self._store.folder

    @property
    def encoder(self) -> Encoder:
        """What turns frames and words into vectors, loaded when first asked for.

        Raises:
            UnknownEncoderError: no encoder of that name.
            WeightsError: its weights are missing or damaged.
            EncoderError: a model of others cannot be fetched or used; the subclass says why.
        """
        with self._lock:
            if self._wanted is None:
                # Asked each time: another process may have switched to another model.
                active = self._store.database.active_encoder()
                if active is not None:
                    return self._stored_encoder(active)
            if self._own is None:
                self._own = self._made(DEFAULT_ENCODER if self._wanted is None else self._wanted)
            return self._own

    def _made(self, model: str | Encoder) -> Encoder:
        if isinstance(model, str):
            from vidseek.encoders.registry import create_encoder

            model = create_encoder(model, confirm_download=self._confirm_download)
        self._encoders[model.spec.fingerprint] = model
        return model

    def _stored_encoder(self, spec: EncoderSpec) -> Encoder:
        """The encoder that made some of the library's vectors."""
        from vidseek.encoders.registry import name_of

        name = name_of(spec)
        encoder = self._encoders.get(spec.fingerprint)
        # With another head, or none, a model has the same vectors and other scores.
        has_another_head = (
            encoder is not None
            and encoder.spec.head_hash != spec.head_hash
            and name_of(encoder.spec) != name
        )
        if encoder is None or has_another_head:
            encoder = self._made(name)
            found = encoder.spec
            if found.fingerprint != spec.fingerprint:
                raise EncoderError(
                    f"{self.folder} was indexed with the encoder {name} ({spec.revision}, "
                    f"{spec.fingerprint}, vectors of {spec.dimension}); there are other weights of "
                    f"it now ({found.revision}, {found.fingerprint}, vectors of "
                    f"{found.dimension}), and their vectors cannot be compared: put those back, "
                    f"or encode the library with these (`vidseek model add {name}`)."
                )
        return encoder

    def _stored_spec(self, model: str) -> EncoderSpec | None:
        """The one of the library's models that a name means; None if it means none.

        Raises:
            UnknownEncoderError: it means several.
        """
        from vidseek.encoders.registry import find_specs

        specs = find_specs(model, self._store.database.encoders())
        if len(specs) > 1:
            raise UnknownEncoderError(
                f"{model} means several models of {self.folder}: give one's fingerprint, "
                f"{' or '.join(spec.fingerprint for spec in specs)}"
            )
        return specs[0] if specs else None

    def _stored_specs(self) -> Sequence[EncoderSpec]:
        specs = self._store.database.encoders()
        if not specs:
            raise LibraryError(
                f"{self.folder} has no model yet: `vidseek index --model NAME PATH` begins it with "
                "one"
            )
        return specs

    def _held_spec(self, model: str) -> EncoderSpec:
        """The same; raises UnknownEncoderError or LibraryError also if it means none."""
        from vidseek.encoders.registry import name_of

        spec = self._stored_spec(model)
        if spec is not None:
            return spec
        held = ", ".join(name_of(one) for one in self._stored_specs())
        raise UnknownEncoderError(
            f"{self.folder} is not encoded with {model}; it is with {held}: name one of those, or "
            f"add this one with `vidseek model add {model}`"
        )

    def _chosen(self, model: str | Encoder | None) -> Encoder:
        """The encoder to search with."""
        if model is None:
            return self.encoder
        if not isinstance(model, str):
            return self._made(model)
        if self._stored_spec(model) is None and Path(model).expanduser().is_dir():
            return self._made(model)  # it may have been moved: its weights tell
        return self._stored_encoder(self._held_spec(model))

    def _search_engine(self, model: str | Encoder | None) -> SearchEngine:
        from vidseek.search import SearchEngine

        with self._lock:
            encoder = self._chosen(model)
            fingerprint = encoder.spec.fingerprint
            engine = self._engines.get(fingerprint)
            if engine is None or engine.encoder is not encoder:
                engine = self._engines[fingerprint] = SearchEngine(self._store, encoder)
                self._warn_if_partial(fingerprint)
            return engine

    def _warn_if_partial(self, fingerprint: str) -> None:
        for one in self.models():
            if one.spec.fingerprint == fingerprint and not one.is_complete:
                logger.warning(
                    "%s covers %d of %d videos, the others are not found: `vidseek model add %s` "
                    "encodes them",
                    _named(one),
                    one.encoded_videos,
                    one.videos,
                    _named(one),
                )

    def index(
        self,
        paths: AnyPath | Iterable[AnyPath],
        *,
        exclude: Sequence[str] = (),
        follow_symlinks: bool = False,
        plan: SamplingPlan | None = None,
        workers: int | None = None,
        prune: bool = False,
        retry_failed: bool = False,
        on_progress: Callable[[IndexProgress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> IndexReport:
        """Bring the library up to date with some files and folders.

        What has not changed is not read again; a moved file is found again by its content.

        Args:
            paths: files and folders, searched with all that is below them.
            exclude: shell patterns of paths to leave out.
            follow_symlinks: also enter linked folders.
            plan: which frames to look at; None for ``SamplingPlan()``, the fast one.
            workers: decoding processes; None chooses by the number of processors.
            prune: forget videos whose files are gone, instead of marking them missing.
            retry_failed: read files again that could not be read.
            on_progress: called now and then from this thread.
            should_stop: asked between batches; True ends the run cleanly.

        Raises:
            PathNotFoundError: one of the paths does not exist.
            LibraryLockedError: another process is writing to the library.
        """
        from vidseek.indexer import Indexer, IndexOptions
        from vidseek.video import SamplingPlan

        options = IndexOptions(
            exclude=tuple(exclude),
            follow_symlinks=follow_symlinks,
            plan=plan or SamplingPlan(),
            workers=workers,
            prune=prune,
            retry_failed=retry_failed,
        )
        given = [paths] if isinstance(paths, str | os.PathLike) else paths
        descriptor = self._copy_descriptor
        indexer = Indexer(self._store, self.encoder, options=options, descriptor=descriptor)
        report = indexer.run(
            [absolute_path(path) for path in given],
            on_progress=on_progress,
            should_stop=should_stop,
        )
        if not report.interrupted:
            # Another process may have begun to write: then it, or the next to come, compares them.
            with contextlib.suppress(LibraryLockedError):
                self._compare_copies(should_stop)
        return report

    def _compare_copies(self, should_stop: Callable[[], bool] | None = None) -> None:
        """Find what the videos that came since share with the others."""
        from vidseek.search.copies.duplicates import compare_new_videos

        waiting = self._store.database.copies_to_compare(self._copy_descriptor.fingerprint)
        if waiting and not self._store.read_only:
            with self._store.writing():
                compare_new_videos(
                    self._store,
                    self._copy_descriptor,
                    should_stop=should_stop or (lambda: False),
                )

    def search(
        self,
        text: str,
        k: int = 10,
        *,
        not_text: str | None = None,
        where: VideoFilter = EVERYTHING,
        per_video: int | None = None,
        rerank: bool = True,
        refine_spans: bool = False,
        model: str | Encoder | None = None,
    ) -> _Hits:
        """Find the moments that a sentence describes, best first.

        Args:
            text: what to look for.
            k: number of hits; fewer come only where the library has fewer moments.
            not_text: what should not be seen.
            where: which videos may answer.
            per_video: at most so many hits of one video.
            rerank: False leaves out the second stage.
            refine_spans: begin and end hits where the similarity to the best clip and to the text
                falls, not by merging neighbouring clips that score alike.
            model: one of ``models()``, by name or fingerprint, or its encoder; None for the active
                one. Of a model that does not know every video yet, a warning says how many.

        Raises:
            QueryError: an empty text, ``k`` under 1, a filter that contradicts itself.
            EncoderError: the library is not encoded with that model, or the model is not there.
        """
        return self._search_engine(model).search(
            text,
            k=k,
            not_text=not_text,
            where=where,
            per_video=per_video,
            rerank=rerank,
            refine_spans=refine_spans,
        )

    def similar(
        self,
        file: AnyPath,
        k: int = 10,
        *,
        span: TimeSpan | None = None,
        where: VideoFilter = EVERYTHING,
        per_video: int | None = None,
        exclude_itself: bool = False,
        model: str | Encoder | None = None,
    ) -> _Hits:
        """Find moments that look like a picture, a video or a part of one, best first.

        Args:
            file: a picture or a video, in the library or not.
            k: number of hits; fewer come only where the library has fewer moments.
            span: the part of the video to compare; None for all of it.
            where: which videos may answer.
            per_video: at most so many hits of one video.
            exclude_itself: leave out the query's own moments, if it is in the library.
            model: as for ``search``.

        Raises:
            PathNotFoundError: there is no such file.
            QueryError: there is no such part of it, ``k`` under 1, ...
            VideoError: the file cannot be read.
            EncoderError: the library is not encoded with that model, or the model is not there.
        """
        return self._search_engine(model).similar(
            absolute_path(file),
            span=span,
            k=k,
            where=where,
            per_video=per_video,
            exclude_itself=exclude_itself,
        )

    def check(
        self,
        file: AnyPath | CopyUpload,
        *,
        threshold: Threshold = "normal",
        min_score: float | None = None,
    ) -> CopyVerdict:
        """Tell whether a video is a copy of one in the library; nothing is added to it.

        Args:
            file: of the upload; or the upload that is being decoded already
                (`vidseek.search.copies.upload.CopyUpload`), which can be checked once.
            threshold: how sure a match must be: ``strict``, ``normal`` or ``loose``.
            min_score: list what scores this, too; the verdict stays the threshold's.

        Raises:
            PathNotFoundError: there is no such file.
            QueryError: the threshold is none of the three.
            VideoError: the file cannot be read.
        """
        from vidseek.search.copies.checker import CopyChecker
        from vidseek.search.copies.upload import CopyUpload

        finder = CopyChecker(self._store, self._copy_descriptor)
        upload = file if isinstance(file, CopyUpload) else absolute_path(file)
        return finder.check(upload, threshold=threshold, min_score=min_score)

    def duplicates(self) -> _Groups:
        """Give the groups of videos that are copies of each other, largest first.

        What was indexed since the last time is compared first, if the library can be written to.

        Raises:
            LibraryLockedError: another process is writing to the library, and there is something
                to compare.
        """
        from vidseek.search.copies.duplicates import duplicate_groups

        self._compare_copies()
        return duplicate_groups(self._store)

    def plot_duplicates(self, file: AnyPath, groups: Sequence[DuplicateGroup]) -> None:
        """Draw what the videos of groups share into a PNG file."""
        from vidseek.timeline_plot import plot_groups

        plot_groups(absolute_path(file), groups, self._store.database.copy_matches())

    @property
    def _copy_descriptor(self) -> CopyDescriptor:
        with self._lock:
            if self._descriptor is None:
                from vidseek.encoders.copies.descriptor import CopyDescriptor

                self._descriptor = CopyDescriptor()
            return self._descriptor

    def calibrate(
        self,
        captions: AnyPath | None = None,
        *,
        queries: Sequence[str] | None = None,
        override: bool = False,
        hubness: bool | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> CalibrationReport:
        """Fit how sure a hit is to this library and its encoder, and store it.

        Every later search of this library with this encoder uses it, in place of what the encoder
        brings itself. Without ``hubness`` the order of hits, their scores and spans stay as they
        are.

        Args:
            captions: JSON lines as for ``train_on_captions``, of videos in this library; None to
                calibrate without labels.
            queries: what to ask without labels; None for a list that comes with vidseek.
            override: calibrate without labels although the encoder brings its own calibration,
                which was fitted with labels.
            hubness: also take off the lead of clips that are near to whatever is asked, which
                changes scores and the order of hits, and fit the confidence to that; False for
                nothing of the kind, None for what the library does now.
            on_progress: called with how many queries are done, and how many there are.

        Raises:
            CalibrationError: under 20 clips, too few captions or queries, or scores that tell
                nothing; nothing was stored.
            PathNotFoundError: there is no such file of captions.
            TrainingError: the file of captions is no text.
            EncoderError: the library was indexed with another encoder.
            LibraryLockedError: another process is writing to the library.
        """
        from vidseek.search.moments.calibration.calibrate import calibrate, calibrate_on_captions

        encoder = self.encoder  # another process may switch to another one meanwhile
        spec = encoder.spec
        if captions is not None and queries is not None:
            raise CalibrationError("give captions or queries, not both: captions are the queries")
        if captions is None and spec.confidence_scale is not None and not override:
            raise CalibrationError(
                f"the encoder {spec.name} brings a calibration that was fitted with labels, better "
                "than one without. Give captions of videos in this library (--captions), or say "
                "that you want it all the same (--override)"
            )
        from vidseek.search.moments.retrieval import hubness_of

        if hubness and hubness_of(encoder) is not None:
            raise CalibrationError(
                f"the encoder {spec.name} corrects hubs already, with a bank of its own: calibrate "
                "without --hubness"
            )
        if hubness is None:
            stored = self._store.database.calibration(spec.fingerprint)
            hubness = stored is not None and stored.hubness is not None
        with self._store.writing():
            pass  # refused now rather than after the work
        engine = self._search_engine(encoder)
        if captions is None:
            report = calibrate(
                engine,
                self._store,
                encoder,
                queries=queries,
                hubness=hubness,
                on_progress=on_progress,
            )
        else:
            from vidseek.core.captions import read_captions

            report = calibrate_on_captions(
                engine,
                self._store,
                encoder,
                read_captions(absolute_path(captions)),
                hubness=hubness,
                on_progress=on_progress,
            )
        with self._store.writing():
            self._store.database.set_calibration(spec.fingerprint, report.calibration)
        return report

    @property
    def calibration(self) -> Calibration | None:
        """What ``calibrate`` stored for this library's encoder; None where it did not."""
        fingerprint = self._fingerprint()
        return None if fingerprint is None else self._store.database.calibration(fingerprint)

    def forget_calibration(self) -> bool:
        """Go back to the encoder's own calibration, or to none.

        Returns:
            True if there was one to forget.

        Raises:
            LibraryLockedError: another process is writing to the library.
        """
        fingerprint = self._fingerprint()
        if fingerprint is None or self.calibration is None:
            return False
        with self._store.writing():
            return self._store.database.set_calibration(fingerprint, None)

    def _fingerprint(self) -> str | None:
        """Of the encoder that answers, without loading it; None in a new library."""
        if self._wanted is None:
            active = self._store.database.active_encoder()
            return None if active is None else active.fingerprint
        return self.encoder.spec.fingerprint

    def list(
        self,
        *,
        states: Collection[VideoState] | None = None,
        under: AnyPath | None = None,
    ) -> _Videos:
        """Give the videos of the library, ordered by path.

        Args:
            states: only videos in one of these states; None for all.
            under: only this file, or what lies below this folder.
        """
        folder = None if under is None else absolute_path(under)
        videos = self._store.database.videos(states=states, under=folder)
        return sorted(videos, key=lambda video: video.path)

    def failed(self) -> _Videos:
        """Give the files that could not be read; ``Video.failure`` says why."""
        return self.list(states=[VideoState.FAILED])

    def info(self, path: AnyPath) -> VideoDetails:
        """Give all that is known of one video.

        Raises:
            PathNotFoundError: the library has no such video.
        """
        wanted = absolute_path(path)
        video = self._store.database.video_at(wanted)
        if video is None:
            video = self._store.database.video_at(wanted.resolve())
        if video is None:
            raise PathNotFoundError(
                f"{wanted} is not in the library {self.folder}: `vidseek list` shows what is, "
                f"`vidseek index` adds it."
            )
        clips = self._store.database.clips(video.id)
        thumbnails = (
            self._store.thumbnail_path(
                video.content_hash, clip.frame_seconds[len(clip.frame_seconds) // 2]
            )
            for clip in clips
        )
        return VideoDetails(
            video, tuple(clips), tuple(path if path.is_file() else None for path in thumbnails)
        )

    def statistics(self) -> LibraryStatistics:
        """How much the library holds."""
        return self._store.database.statistics()

    def models(self) -> _Models:
        """Give the models that the library is encoded with, oldest first; none in a new library."""
        return self._store.database.models()

    def add_model(
        self,
        model: str | Encoder,
        *,
        switch: bool = True,
        workers: int | None = None,
        on_progress: Callable[[IndexProgress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> ModelReport:
        """Encode every searchable video with one more model; the active one answers meanwhile.

        What is encoded already is left: a run that was stopped goes on, and one on a model that
        does not know the newest videos catches up. The files are read again.

        Args:
            model: a name that ``create_encoder`` knows, or an encoder of one's own.
            switch: make it the active one at the end, if it knows every video then.
            workers: decoding processes; None chooses by the number of processors.
            on_progress: called now and then from this thread.
            should_stop: asked between batches; True ends the run cleanly.

        Raises:
            LibraryLockedError: another process is writing to the library.
            LibraryError: the library has no model yet: index something first.
            EncoderError: the model cannot be fetched or used; the subclass says why.
        """
        from vidseek.indexer import add_model

        return add_model(
            self._store,
            self.load_model(model) if isinstance(model, str) else self._made(model),
            switch=switch,
            workers=workers,
            on_progress=on_progress,
            should_stop=should_stop,
        )

    def load_model(self, model: str) -> Encoder:
        """Give the encoder that ``add_model`` takes, downloaded if ``confirm_download`` agrees.

        Raises:
            EncoderError: the model cannot be fetched or used; the subclass says why.
            LibraryError: the library has no model yet: index something first.
        """
        from vidseek.encoders.registry import find_specs, name_of

        known = find_specs(model, self._stored_specs())
        # Of a repository the commit that the library knows: a run must end with what it began with.
        return self._made(name_of(known[0]) if len(known) == 1 else model)

    def switch_model(self, model: str | Encoder, *, partial: bool = False) -> LibraryModel:
        """Make another of the library's models the active one.

        Args:
            model: one of ``models()``, by name or fingerprint, or its encoder.
            partial: also if it does not know every video; the others are not found then.

        Raises:
            UnknownEncoderError: the library is not encoded with it.
            EncoderError: the model is not there any more; the subclass says why.
            LibraryError: it does not know every video, or the library has no model yet.
            LibraryLockedError: another process is writing to the library.
        """
        wanted = self.find_model(model)
        if isinstance(model, str):
            self._stored_encoder(wanted.spec)  # before every search fails for want of it
        if not wanted.is_complete and not partial:
            raise LibraryError(
                f"{self.folder}: {_named(wanted)} has encoded {wanted.encoded_videos} of "
                f"{wanted.videos} videos, the others would not be found: `vidseek model add "
                f"{_named(wanted)}` encodes them; `vidseek model switch --partial` does without"
            )
        with self._store.writing():
            self._store.database.activate_encoder(wanted.spec.fingerprint)
        return self.find_model(wanted.spec.fingerprint)

    def drop_model(self, model: str | Encoder) -> int:
        """Forget what a model made of the videos, and remove its index.

        Args:
            model: one of ``models()``, by name or fingerprint, or its encoder.

        Returns:
            Bytes that are free again on this disk.

        Raises:
            UnknownEncoderError: the library is not encoded with it.
            LibraryError: it is the active one, or the only one that knows some of the videos.
            LibraryLockedError: another process is writing to the library.
        """
        with self._store.writing():
            wanted = self.find_model(model)
            if wanted.is_active:
                raise LibraryError(
                    f"{self.folder} is searched with {_named(wanted)}: `vidseek model switch` to "
                    "another model before dropping it"
                )
            if only := self._encoded_only_by(wanted):
                raise LibraryError(
                    f"{self.folder}: {only} videos are encoded with {_named(wanted)} only, and "
                    "would be found by no model: encode them with the active one first, by "
                    "`vidseek index` on their folder or `vidseek model add`"
                )
            return self._store.drop_model(wanted.spec.fingerprint)

    def _encoded_only_by(self, model: LibraryModel) -> int:
        """How many searchable videos no other model knows."""
        database = self._store.database
        missed = {
            one.fingerprint: {video.id for video in database.unencoded(one.fingerprint)}
            for one in database.encoders()
        }
        unknown = missed.pop(model.spec.fingerprint)
        return len(set.intersection(*missed.values()) - unknown)

    def find_model(self, model: str | Encoder) -> LibraryModel:
        """Give one of ``models()`` by its name, its fingerprint, or its encoder.

        Raises:
            UnknownEncoderError: the library is not encoded with it, or the name means several.
            LibraryError: the library has no model yet.
        """
        if isinstance(model, str):
            fingerprint = self._held_spec(model).fingerprint
        else:
            fingerprint = model.spec.fingerprint
        for one in self.models():
            if one.spec.fingerprint == fingerprint:
                return one
        raise UnknownEncoderError(
            f"{self.folder} is not encoded with {fingerprint}: `vidseek model list` shows with what"
        )

    def remove(self, path: AnyPath) -> int:
        """Forget a video, or all videos below a folder. The files themselves are not touched.

        Returns:
            How many videos were forgotten.

        Raises:
            PathNotFoundError: the library has nothing there.
            LibraryLockedError: another process is writing to the library.
        """
        wanted = absolute_path(path)
        with self._store.writing():
            videos = self._store.database.videos(under=wanted)
            if not videos:
                raise PathNotFoundError(
                    f"The library {self.folder} has nothing at {wanted}: `vidseek list` shows what "
                    f"it has."
                )
            removed = self._store.database.remove([video.id for video in videos])
            self._store.remove_orphans()
        return removed

    def relocate(self, old: AnyPath, new: AnyPath) -> int:
        """Tell the library that a file or folder now has another path; nothing is read.

        Returns:
            How many videos were given their new path.

        Raises:
            PathNotFoundError: the library has nothing at ``old``.
            LibraryLockedError: another process is writing to the library.
        """
        before, after = absolute_path(old), absolute_path(new)
        with self._store.writing():
            moved = self._store.database.relocate(before, after)
        if moved == 0:
            raise PathNotFoundError(
                f"The library {self.folder} has nothing at {before}: `vidseek list` shows what it "
                f"has."
            )
        return moved

    def doctor(self, *, repair: bool = True) -> DoctorReport:
        """Examine this machine and the library.

        Args:
            repair: rebuild what is derived and damaged, and delete what nothing refers to.
        """
        from vidseek.doctor import examine, examine_library

        return examine(examine_library(self._store, repair=repair))

    def close(self) -> None:
        """Let go of the library's files. Closing twice does no harm."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Library({str(self.folder)!r})"


open = Library.open


def _named(model: LibraryModel) -> str:
    from vidseek.encoders.registry import name_of

    return name_of(model.spec)
