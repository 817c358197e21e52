"""Many text queries at once: one batch for the encoder and one call of the index.

results = search_many(engine, ["a dog", "a red car"], SearchOptions(k=5))
"""

from __future__ import annotations

from collections.abc import Sequence

from vidseek.core.job import Job, Progress
from vidseek.core.types import SearchOptions, SearchResult
from vidseek.search.moments.engine import SearchEngine
from vidseek.search.moments.query import clean_text
from vidseek.search.moments.retrieval import TEXTS_PER_BATCH


def search_many(
    engine: SearchEngine,
    texts: Sequence[str],
    options: SearchOptions,
    *,
    not_text: str | None = None,
    rerank: bool = True,
    refine_spans: bool = False,
    job: Job | None = None,
) -> list[SearchResult]:
    """Answer many text queries.

    Args:
        engine: of the library.
        texts: the queries; each is answered as ``SearchEngine.search`` does, to the rounding of
            float32.
        options: page size, filter and limit per video of all of them.
        not_text: as for a search.
        rerank: as for a search.
        refine_spans: as for a search.
        job: reports progress and cancels.

    Raises:
        QueryError: as for a search; for an empty text, it says which. Nothing was searched.
        EncoderError: the library has no vectors of this encoder.
        JobCancelledError: the job was cancelled.
    """
    job = job or Job()
    for place, text in enumerate(texts, 1):
        clean_text(text, what=f"query at place {place} of {len(texts)}")
    results: list[SearchResult] = []
    for start in range(0, len(texts), TEXTS_PER_BATCH):
        batch = texts[start : start + TEXTS_PER_BATCH]
        with engine.store.snapshot():
            prepared = engine.prepare(batch, options, not_text=not_text)
            for text, each in zip(batch, prepared, strict=True):
                job.check()
                results.append(
                    engine.search(
                        text,
                        options,
                        not_text=not_text,
                        rerank=rerank,
                        refine_spans=refine_spans,
                        prepared=each,
                    )
                )
        done = len(results)
        job.report(Progress(stage="searching", done=done, total=len(texts), unit="queries"))
    return results
