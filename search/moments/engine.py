"""The search engine: text, picture and video queries answered with moments, best first.

engine = SearchEngine(store, encoder)
for hit in engine.search("a dog catching a frisbee", SearchOptions(k=5)):
    print(hit.video.path, hit.span, hit.confidence)

An engine keeps no state of a query and may be used from several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import EncoderError, Hint, QueryError
from vidseek.core.job import Job
from vidseek.core.types import (
    Calibration,
    EncoderSpec,
    QueryTerms,
    SearchOptions,
    SearchResult,
    SearchWarning,
    TimeSpan,
    VideoFilter,
)
from vidseek.encoders.base import Encoder, LimitedTextEncoder, MonolingualEncoder
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.search.moments.catalog_rows import CatalogRows, KeptRows
from vidseek.search.moments.confidence import calibrated_spec, is_usable
from vidseek.search.moments.context import SearchContext
from vidseek.search.moments.folding import Arrangement
from vidseek.search.moments.hits import RankedMoments, make_hits
from vidseek.search.moments.library_hubness import stored_hubness
from vidseek.search.moments.localization import localize_moments
from vidseek.search.moments.merging import (
    DEFAULT_MARGIN,
    Moment,
    ScoredClip,
    find_moments,
    merge_margin,
)
from vidseek.search.moments.paging import Page, make_cursor, query_digest, read_page
from vidseek.search.moments.query import (
    QueryText,
    check_filter,
    check_labels,
    check_limits,
    check_terms,
    clean_text,
)
from vidseek.search.moments.retrieval import (
    NOT_WEIGHT,
    Candidates,
    EncodedText,
    TextCandidates,
    VisualCandidates,
    encode_texts,
)
from vidseek.search.moments.sequences import SequenceFinder, SequenceQuery
from vidseek.search.moments.visual_query import read_appearance, read_visual_query
from vidseek.storage.store import LibraryStore
from vidseek.storage.vectors.protocol import VectorIndex

if TYPE_CHECKING:
    from vidseek.video.limits import DecodeLimits

DEFAULT_OPTIONS = SearchOptions()
NO_TERMS = QueryTerms()
UNWANTED = "text to leave out"
FIRST_FETCH = 256
"""Clips in the first fetch: more than ``RERANK_DEPTH``, but few enough for a query to take
milliseconds."""
MAX_NEIGHBOURS = 1_024
"""Beyond this many clips, no more are fetched only to let a moment grow by another neighbour."""


@dataclass(frozen=True)
class Ranking:
    """How a query makes hits from scored clips."""

    find: Callable[[Sequence[ScoredClip]], Iterable[Moment]]
    """Makes moments, best first, from clips, best first."""
    arrangement: Arrangement
    growth: float = 0.0
    """How far below a moment's score a clip may be and still become part of it."""

    @classmethod
    def merged(cls, arrangement: Arrangement, margin: float) -> Ranking:
        """Neighbouring clips of similar score are merged."""
        return cls(lambda ranked: find_moments(ranked, margin=margin), arrangement, margin)


@dataclass(frozen=True)
class CurrentConfidence:
    """What gives the hits of a library their confidence: sigmoid(scale * score + bias)."""

    scale: float | None
    """None if they have none."""
    bias: float | None
    hubness: HubnessCorrection | None
    """The correction that the scores include."""


@dataclass(frozen=True)
class PreparedText:
    """A text query that was begun together with others."""

    context: SearchContext
    encoded: EncodedText


class SearchEngine:
    """Text, picture and video queries against one library, using the vectors of one encoder."""

    def __init__(self, store: LibraryStore, encoder: Encoder) -> None:
        self._store = store
        self._encoder = encoder
        self._kept = KeptRows(store)
        self._refreshed: tuple[int, VectorIndex] | None = None
        """State of the library in which the index was refreshed."""

    @property
    def store(self) -> LibraryStore:
        """The library."""
        return self._store

    @property
    def encoder(self) -> Encoder:
        """The encoder of the queries."""
        return self._encoder

    def search(
        self,
        text: str,
        options: SearchOptions = DEFAULT_OPTIONS,
        *,
        not_text: str | None = None,
        rerank: bool = True,
        refine_spans: bool = False,
        terms: QueryTerms = NO_TERMS,
        prepared: PreparedText | None = None,
        job: Job | None = None,
    ) -> SearchResult:
        """Find the moments that a sentence describes.

        Args:
            text: the query; beyond ``MAX_QUERY_CHARACTERS`` it is cut, with a warning.
            options: page, filter and limit per video.
            not_text: what hits should not show; see ``TextCandidates``.
            rerank: False skips the second stage, the hubness correction and the cross-modal head.
            refine_spans: end hits where the similarity curve around their best clip falls (see
                ``vidseek.search.moments.localization``) instead of merging neighbours of similar
                score.
            terms: steps that follow, and pictures that hits should resemble or not. Hits that
                resemble a picture have no confidence: encoders are calibrated for sentences. The
                steps of a sequence are not scored by the cross-modal head.
            prepared: what ``prepare`` gave for this text and these options, without ``terms``; None
                to encode the text now.
            job: reports the reading of pictures and videos, and cancels it.

        Raises:
            QueryError: an empty text, ``k`` under 1, a filter that contradicts itself, a cursor of
                another query, ...
            PathNotFoundError: a picture or video of ``terms`` does not exist.
            VideoError: it cannot be read.
            EncoderError: the library has no vectors of this encoder.
            JobCancelledError: the job was cancelled.
        """
        check_terms(terms)
        if terms.then and refine_spans:
            raise QueryError("The spans of a sequence are those of its steps: they are not fitted.")
        wanted = clean_text(text)
        texts = {"query": wanted}
        if not_text is not None:
            texts[UNWANTED] = clean_text(not_text, what=UNWANTED)
        steps = {
            f"text of step {number}": clean_text(step, what=f"text of step {number}")
            for number, step in enumerate(terms.then, 2)
        }
        texts |= steps
        facts = {what: each.text for what, each in texts.items()}
        warnings = self._language_warnings(list(facts.values()))
        digest = self._digest(options, "text", facts, rerank, refine_spans, terms)
        page = self._page(options, digest)
        index = self._index() if prepared is None else prepared.context.index
        if index is None:
            return self._nothing(warnings)
        warnings += self._length_warnings(texts)
        appearance = self._appearance(terms, job or Job())
        # From here on, read one state of the database: no clip disappears between two reads.
        with self._store.snapshot():
            rows = self._kept.now() if prepared is None else prepared.context.rows
            calibration, outdated = rows.fact("calibration", self._calibration)
            warnings += [*outdated, *rows.fact("partial", self._partial_warnings)]
            if prepared is None:
                context = self._context(index, options.where, self._hubness(calibration), rows)
                asked = [wanted.text, *(each.text for each in steps.values())]
                encoded = encode_texts(
                    context, asked, not_text=facts.get(UNWANTED), appearance=appearance
                )
            else:
                context, encoded = prepared.context, [prepared.encoded]
            if not rerank and calibration is not None and calibration.hubness is not None:
                calibration = None  # fitted to corrected scores; these are uncorrected
            spec = None
            if appearance is None:
                spec = calibrated_spec(self._encoder.spec, calibration)
            if steps:
                directions = np.stack([each.direction for each in encoded])
                query = SequenceQuery(directions, terms.within_seconds, spec, is_corrected=rerank)
                ranked = self._ranked_sequences(context, query, options, page)
                if not ranked.moments and page.offset == 0 and context.size > 0:
                    warnings.append(self._no_sequence(query))
            else:
                candidates = TextCandidates(
                    context, wanted.text, second_stage=rerank, encoded=encoded[0]
                )
                arrangement = Arrangement(context, options)
                ranking = self._text_ranking(candidates, arrangement, refine_spans=refine_spans)
                ranked = self._ranked(context, candidates, ranking, page)
            queries = np.stack([each.vector for each in encoded])
            return self._result(context, ranked, queries, spec, digest, warnings)

    def similar(
        self,
        path: Path,
        options: SearchOptions = DEFAULT_OPTIONS,
        *,
        span: TimeSpan | None = None,
        exclude_itself: bool = False,
        job: Job | None = None,
        limits: DecodeLimits | None = None,
    ) -> SearchResult:
        """Find moments that look like a picture, a video or a part of a video.

        If the file is in the library, its own moments come first, which shows that it is there. If
        it has not changed since it was indexed, its stored vectors are used and nothing is decoded.

        Args:
            path: a picture or video, in the library or not.
            options: page, filter and limit per video.
            span: the part of the video to compare; None for the whole video.
            exclude_itself: leave out the file's own moments that ``span`` covers.
            job: reports progress and cancels.
            limits: what a video may be and take if it is decoded; None for the usual limits.

        Returns:
            Hits without confidence: encoders are calibrated for sentences.

        Raises:
            QueryError: no such file, a part outside the video, ``k`` under 1, a cursor of another
                query, ...
            VideoError: the file cannot be read.
            EncoderError: the library has no vectors of this encoder.
            JobCancelledError: the job was cancelled.
        """
        digest = self._digest(options, "file", str(path), span, exclude_itself)
        page = self._page(options, digest)
        index = self._index()
        if index is None:
            return self._nothing([])
        query = read_visual_query(
            self._store, self._encoder, Path(path), span, job or Job(), limits
        )
        with self._store.snapshot():
            rows = self._kept.now()
            context = self._context(index, options.where, None, rows)
            if exclude_itself and query.own_clips:
                context = context.without(query.own_clips)
            candidates = VisualCandidates(
                context, query.vectors, query.weights, is_picture=query.is_picture
            )
            own = {clip.video_id for clip in context.clips(sorted(query.own_clips)).values()}
            arrangement = Arrangement(context, options, preferred=frozenset(own))
            ranking = Ranking.merged(arrangement, DEFAULT_MARGIN)
            ranked = self._ranked(context, candidates, ranking, page)
            warnings = list(rows.fact("partial", self._partial_warnings))
            return self._result(context, ranked, query.vectors, None, digest, warnings)

    @property
    def kept(self) -> KeptRows:
        """The rows of the catalog that queries share."""
        return self._kept

    def current_confidence(self) -> CurrentConfidence:
        """How hits get their confidence now."""
        calibration, _ = self._calibration()
        spec = calibrated_spec(self._encoder.spec, calibration)
        return CurrentConfidence(
            spec.confidence_scale, spec.confidence_bias, self._hubness(calibration)
        )

    def prepare(
        self, texts: Sequence[str], options: SearchOptions, *, not_text: str | None = None
    ) -> list[PreparedText | None]:
        """Encode the texts of several searches with the same options, and look them up, at once.

        Call it and ``search`` within one ``snapshot`` of the library.

        Returns:
            For each text what ``search`` takes; None if the library has nothing to search.

        Raises:
            QueryError: an empty text.
            EncoderError: the library has no vectors of this encoder.
        """
        cleaned = [clean_text(text).text for text in texts]
        unwanted = None if not_text is None else clean_text(not_text).text
        index = self._index()
        if index is None:
            return [None] * len(texts)
        rows = self._kept.now()
        calibration, _ = rows.fact("calibration", self._calibration)
        context = self._context(index, options.where, self._hubness(calibration), rows)
        n = min(max(FIRST_FETCH, 2 * options.k), context.size)
        encoded = encode_texts(context, cleaned, not_text=unwanted, n=n)
        return [PreparedText(context, each) for each in encoded]

    def context(self, where: VideoFilter) -> SearchContext | None:
        """The context in which ``search`` answers, with the library's hubness correction.

        Returns:
            None if the library has no searchable clips.

        Raises:
            EncoderError: the library has no vectors of this encoder.
        """
        index = self._index()
        if index is None:
            return None
        return self._context(index, where, self._hubness(self._calibration()[0]))

    def everything(self) -> SearchContext | None:
        """The context of a query over all clips, ignoring the library's calibration.

        Returns:
            None if the library has no searchable clips.

        Raises:
            EncoderError: the library has no vectors of this encoder.
        """
        index = self._index()
        if index is None:
            return None
        return self._context(index, VideoFilter(), self._encoder.hubness)

    def best_clips(self, context: SearchContext, text: str, n: int) -> list[ScoredClip]:
        """At least ``n`` nearest clips to a text, best first, scored as ``search`` does."""
        fetched = TextCandidates(context, text).fetch(n).clips
        return sorted(fetched, key=lambda scored: (-scored.score, scored.clip.id))

    def similarity_curve(self, video_id: int, text: str) -> list[tuple[TimeSpan, float]]:
        """How much each clip of a video looks like a text, in order of time.

        Args:
            video_id: a video of the library.
            text: cleaned as a query is.

        Returns:
            The clips' spans and first-stage scores, cosines from -1 to 1; empty if the video has no
            clips.

        Raises:
            QueryError: an empty text.
            EncoderError: the library has no vectors of this encoder.
        """
        wanted = clean_text(text).text
        with self._store.snapshot():
            clips = self._store.videos.clips(video_id)
            context = self.context(VideoFilter()) if clips else None
            if context is None:
                return []
            stored = self._store.clip_vectors.read(
                [clip.id for clip in clips], self._encoder.spec.fingerprint
            )
            vector = encode_texts(context, [wanted])[0].vector
        scores = stored @ vector
        return [(clip.span, float(score)) for clip, score in zip(clips, scores, strict=True)]

    # -- what is searched --------------------------------------------------------------------------

    def _digest(self, options: SearchOptions, *facts: object) -> str:
        spec = self._encoder.spec
        encoder = (spec.fingerprint, spec.revision, spec.head_hash)
        return query_digest(*facts, options.where, options.per_video, options.copies, encoder)

    def _page(self, options: SearchOptions, digest: str) -> Page:
        check_limits(k=options.k, per_video=options.per_video)
        check_filter(options.where)
        if options.where.labels:
            check_labels(options.where.labels, self._store.labels.names())
        return read_page(options.cursor, size=options.k, query=digest)

    def _index(self) -> VectorIndex | None:
        """The refreshed vector index; None if it is empty."""
        sequence = self._store.sequence()
        if self._refreshed is not None and self._refreshed[0] == sequence:
            return self._refreshed[1]
        spec = self._encoder.spec
        stored = self._store.encoders.specs()
        if not stored:
            return None
        if all(each.fingerprint != spec.fingerprint for each in stored):
            raise self._other_encoder(stored)
        index = self._store.vector_index(spec)
        index.refresh()
        if len(index) == 0:
            return None
        self._refreshed = sequence, index
        return index

    def _other_encoder(self, stored: Sequence[EncoderSpec]) -> EncoderError:
        spec = self._encoder.spec
        models = " and ".join(map(str, stored))
        same = any(each.source == spec.source for each in stored)
        what = "other weights of" if same else "the encoder"
        return EncoderError(
            f"{self._store.folder} was indexed with the encoder {models}; this is {what} "
            f"{spec}, and their vectors cannot be compared",
            hint=Hint("use_or_add_model", {"model": spec.source}),
        )

    def _context(
        self,
        index: VectorIndex,
        where: VideoFilter,
        hubness: HubnessCorrection | None,
        rows: CatalogRows | None = None,
    ) -> SearchContext:
        return SearchContext(
            self._store, self._encoder, index, where=where, hubness=hubness, kept=rows
        )

    def _hubness(self, calibration: Calibration | None) -> HubnessCorrection | None:
        """The hubness correction: the library's, else the encoder's own."""
        if calibration is not None and calibration.hubness is not None:
            return stored_hubness(calibration.hubness, self._store.folder)
        return self._encoder.hubness

    def _text_ranking(
        self, candidates: TextCandidates, arrangement: Arrangement, *, refine_spans: bool
    ) -> Ranking:
        if not refine_spans:
            margin = merge_margin(self._encoder.spec.confidence_scale)
            return Ranking.merged(arrangement, margin)
        around = arrangement.context.around

        def find(ranked: Sequence[ScoredClip]) -> Iterable[Moment]:
            return localize_moments(ranked, candidates.direction, around)

        return Ranking(find, arrangement)

    # -- moments -----------------------------------------------------------------------------------

    def _ranked(
        self, context: SearchContext, candidates: Candidates, ranking: Ranking, page: Page
    ) -> RankedMoments:
        """A page of moments: fetch more clips until the page is final."""
        n = min(max(FIRST_FETCH, 2 * page.end), context.size)
        while n > 0:
            fetched = candidates.fetch(n)
            videos = context.videos({scored.clip.video_id for scored in fetched.clips})
            present = [scored for scored in fetched.clips if scored.clip.video_id in videos]
            # Order equal scores (copies of a file) independently of the order of indexing.
            present.sort(
                key=lambda scored: (
                    -scored.score,
                    videos[scored.clip.video_id].path,
                    scored.clip.span,
                )
            )
            hits = ranking.arrangement.hits(ranking.find(present), videos)
            # An extra hit tells whether there is a next page.
            moments = list(islice(hits, page.end + 1))
            enough = len(moments) >= page.end
            grown = enough and (
                n >= MAX_NEIGHBOURS
                or fetched.floor < moments[page.end - 1].moment.score - ranking.growth
            )
            if grown or n >= context.size:
                chosen = moments[page.offset : page.end]
                has_more = len(moments) > page.end or (enough and n < context.size)
                return RankedMoments(chosen, page, has_more)
            n = min(4 * n, context.size)
        return RankedMoments([], page, has_more=False)

    def _ranked_sequences(
        self, context: SearchContext, query: SequenceQuery, options: SearchOptions, page: Page
    ) -> RankedMoments:
        """A page of sequences."""
        finder = SequenceFinder(context, query)
        found = finder.moments(max(FIRST_FETCH, 2 * page.end))
        hits = Arrangement(context, options).hits(found, finder.videos)
        moments = list(islice(hits, page.end + 1))
        return RankedMoments(moments[page.offset : page.end], page, len(moments) > page.end)

    # -- results -----------------------------------------------------------------------------------

    def _result(
        self,
        context: SearchContext,
        ranked: RankedMoments,
        queries: NDArray[np.float32],
        calibrated: EncoderSpec | None,
        digest: str,
        warnings: list[SearchWarning],
    ) -> SearchResult:
        position = context.rows.fact("position", self._store.clip_vectors.position)
        state = f"{position.sequence}-{position.stamp}"
        if ranked.page.library_state not in (None, state):
            warnings.append(
                SearchWarning(
                    "library_changed",
                    f"{self._store.folder} has changed since the first page: hits may be missing "
                    "or come twice",
                )
            )
        cursor = None
        if ranked.has_more:
            cursor = make_cursor(ranked.page, query=digest, library_state=state)
        hits = make_hits(context, ranked.moments, queries, calibrated)
        return SearchResult(tuple(hits), tuple(warnings), cursor)

    def _nothing(self, warnings: Sequence[SearchWarning]) -> SearchResult:
        empty = SearchWarning(
            "empty_library", f"{self._store.folder} has no searchable video yet", Hint("index")
        )
        return SearchResult((), (*warnings, empty))

    @staticmethod
    def _no_sequence(query: SequenceQuery) -> SearchWarning:
        within = query.within_seconds
        close = "" if within is None else f", at most {within:g} s apart"
        return SearchWarning(
            "no_sequence", f"no video has {len(query.directions)} clips{close}, for as many steps"
        )

    def _appearance(self, terms: QueryTerms, job: Job) -> NDArray[np.float32] | None:
        """(D,) what the pictures add to the direction of a text; None for no pictures."""
        parts = []
        if terms.like is not None:
            like = read_appearance(self._store, self._encoder, terms.like, job)
            parts.append(np.float32(terms.like_weight) * like)
        if terms.not_like is not None:
            not_like = read_appearance(
                self._store, self._encoder, terms.not_like, job, terms.not_like_span
            )
            parts.append(np.float32(-NOT_WEIGHT) * not_like)
        return sum(parts[1:], parts[0]) if parts else None

    def _language_warnings(self, texts: Sequence[str]) -> list[SearchWarning]:
        encoder = self._encoder
        if not isinstance(encoder, MonolingualEncoder):
            return []
        return [
            SearchWarning(
                "english_only",
                f"{encoder.spec.source} understands English only, not {text[:60]!r}",
            )
            for text in texts
            if not encoder.understands(text)
        ]

    def _length_warnings(self, texts: Mapping[str, QueryText]) -> list[SearchWarning]:
        """A warning for each text of which only the beginning is used."""
        encoder = self._encoder
        warnings: list[SearchWarning] = []
        for what, each in texts.items():
            if isinstance(encoder, LimitedTextEncoder) and not encoder.reads_whole(each.text):
                name = encoder.spec.source
                message = f"the {what} is too long for {name}: only its beginning is used"
                warnings.append(SearchWarning("query_truncated", message))
            else:
                warnings += each.warnings
        return warnings

    def _partial_warnings(self) -> list[SearchWarning]:
        """A warning if the encoder has not encoded every video."""
        spec = self._encoder.spec
        name = spec.source
        return [
            SearchWarning(
                "partial_model",
                f"{name} covers {model.encoded_videos} of {model.videos} videos; the others are "
                "not found",
                Hint("add_model", {"model": name}),
            )
            for model in self._store.encoders.models()
            if model.spec.fingerprint == spec.fingerprint and not model.is_complete
        ]

    def _calibration(self) -> tuple[Calibration | None, list[SearchWarning]]:
        """The library's calibration for this encoder, or None with a warning if it is outdated."""
        spec = self._encoder.spec
        stored = self._store.encoders.calibration(spec.fingerprint)
        if stored is None or is_usable(spec, stored):
            return stored, []
        warning = SearchWarning(
            "calibration_outdated",
            f"{self._store.folder} was calibrated with revision "
            f"{stored.head_hash or stored.encoder_revision} of "
            f"{spec.source}, which is now at {spec.head_hash or spec.revision}; its calibration is "
            "not used",
            Hint("calibrate_again"),
        )
        return None, [warning]
