"""Rows of the catalog that queries share: each is read once in one state of the library.

    with store.snapshot():
        rows = kept.now()
        rows.clips([1, 2, 3])

Queries of a library that does not change read the same clips and videos again and again, which
would take most of their time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import Clip, Video
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.search.moments.blank import BlankClips
from vidseek.search.moments.known_copies import KnownCopies
from vidseek.storage.store import LibraryStore

MAX_KEPT_CLIPS = 50_000
"""Clips that are kept for later queries: about 40 MB with their videos and copies."""
MAX_KEPT_FRAME_BYTES = 64 << 20
"""Vectors of frames that are kept for later queries: those of some thousand clips."""

_Fact = TypeVar("_Fact")


class CatalogRows:
    """Clips, videos and copies that were read in one state of the library. Thread-safe."""

    def __init__(self, store: LibraryStore) -> None:
        self._store = store
        self._clips: dict[int, Clip] = {}
        self._timelines: dict[int, list[Clip]] = {}
        self._blank: set[int] = set()
        self._blanks = BlankClips(store)
        self._videos: dict[int, Video] = {}
        self._labels: dict[int, list[str]] = {}
        self._corrections: dict[int, tuple[HubnessCorrection, dict[int, float]]] = {}
        self._frames: dict[tuple[str, int], NDArray[np.float32]] = {}
        self._frame_bytes = 0
        self._facts: dict[str, object] = {}
        self.known_copies = KnownCopies(store)
        """The copies of videos."""

    @property
    def size(self) -> int:
        """Number of clips that were read."""
        return len(self._clips)

    def fact(self, name: str, read: Callable[[], _Fact]) -> _Fact:
        """Something small about the library, read once.

        Args:
            name: of the fact; a name always has the same type.
            read: reads it.
        """
        if name not in self._facts:
            self._facts[name] = read()
        return cast("_Fact", self._facts[name])

    def clips(self, ids: Sequence[int]) -> dict[int, Clip]:
        """The clips that exist and are not blank: blank clips answer no query."""
        unread = [i for i in ids if i not in self._clips]
        if unread:
            self._keep(self._store.videos.clips_by_id(unread))
        return {i: self._clips[i] for i in ids if i in self._clips and i not in self._blank}

    def timelines(self, video_ids: Collection[int]) -> dict[int, list[Clip]]:
        """All clips of videos that have any, blank or not, by video, each in order of time."""
        unread = [i for i in video_ids if i not in self._timelines]
        if unread:
            new = self._store.videos.clips_of(unread)
            clips = (clip for timeline in new.values() for clip in timeline)
            self._keep({clip.id: clip for clip in clips if clip.id not in self._clips})
            self._timelines.update({i: new.get(i, []) for i in unread})
        return {i: self._timelines[i] for i in video_ids if self._timelines[i]}

    def is_blank(self, clip_id: int) -> bool:
        """Whether a clip that was read is blank."""
        return clip_id in self._blank

    def _keep(self, new: Mapping[int, Clip]) -> None:
        # Blank clips first: another thread may look the clips up in between.
        self._blank.update(self._blanks.of(new.values()))
        self._clips.update(new)

    def videos(self, ids: Collection[int]) -> Iterable[Video]:
        """The videos that exist."""
        unread = [i for i in ids if i not in self._videos]
        if unread:
            self._videos.update(self._store.videos.by_id(unread))
        return (self._videos[i] for i in ids if i in self._videos)

    def labels(self, clip_ids: Collection[int]) -> dict[int, list[str]]:
        """The learned labels of clips, by clip id, each in order of name."""
        if not self.fact("has_labels", lambda: bool(self._store.labels.names())):
            return {i: [] for i in clip_ids}
        unread = [i for i in clip_ids if i not in self._labels]
        if unread:
            new = self._store.labels.of_clips(unread)
            self._labels.update({i: new.get(i, []) for i in unread})
        return {i: self._labels[i] for i in clip_ids}

    def frame_vectors(self, ids: Sequence[int], fingerprint: str) -> list[NDArray[np.float32]]:
        """The vectors of clips' frames by an encoder.

        Returns:
            (F, D) float32 for each clip, in the order of the ids. They must not be changed.

        Raises:
            LibraryError: a clip was removed. Inside ``snapshot`` that cannot happen.
        """
        found = {i: self._frames.get((fingerprint, i)) for i in ids}
        unread = [i for i, vectors in found.items() if vectors is None]
        if unread:
            new = self._store.clip_vectors.frame_vectors(unread, fingerprint)
            found.update(zip(unread, new, strict=True))
            self._keep_frames({(fingerprint, i): each for i, each in zip(unread, new, strict=True)})
        return [vectors for i in ids if (vectors := found[i]) is not None]

    def _keep_frames(self, new: Mapping[tuple[str, int], NDArray[np.float32]]) -> None:
        added = sum(each.nbytes for each in new.values())
        if self._frame_bytes + added > MAX_KEPT_FRAME_BYTES:
            self._frames, self._frame_bytes = {}, 0
        if added <= MAX_KEPT_FRAME_BYTES:
            self._frames.update(new)
            self._frame_bytes += added

    def corrections(
        self,
        hubness: HubnessCorrection,
        ids: Sequence[int],
        read_vectors: Callable[[Sequence[int]], NDArray[np.float32]],
    ) -> NDArray[np.float32]:
        """What a hubness correction adds to the scores of clips.

        Args:
            hubness: the correction.
            ids: K clips.
            read_vectors: reads the (n, D) vectors of clips.

        Returns:
            (K,) float32.
        """
        # Holding the correction keeps its id from being given to another.
        _, known = self._corrections.setdefault(id(hubness), (hubness, {}))
        unknown = [i for i in ids if i not in known]
        if unknown:
            found = hubness.corrections(read_vectors(unknown))
            known.update(zip(unknown, found.tolist(), strict=True))
        return np.array([known[i] for i in ids], np.float32)


class KeptRows:
    """The rows of the latest state of a library, for the queries to come."""

    def __init__(self, store: LibraryStore) -> None:
        self._store = store
        self._kept: tuple[int, CatalogRows] | None = None

    def now(self) -> CatalogRows:
        """The rows of the state that this thread's snapshot sees. Call it within a snapshot."""
        sequence = self._store.sequence()
        kept = self._kept
        if kept is not None and kept[0] == sequence and kept[1].size <= MAX_KEPT_CLIPS:
            return kept[1]
        rows = CatalogRows(self._store)
        # A query that began before a change must not displace the rows of the newer state.
        if kept is None or kept[0] <= sequence:
            self._kept = sequence, rows
        return rows
