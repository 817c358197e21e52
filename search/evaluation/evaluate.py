"""Measure how well captions find their videos.

    report = evaluate(SearchEngine(store, encoder), read_captions(file))
    print(report.text_to_video.recall_at_5.value)

Videos are ranked by their best clip, scored as a search scores it. Copies are not folded into one
hit, and neighbouring clips are not merged: neither changes which video comes first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vidseek.core.captions import Captions
from vidseek.core.errors import EvaluationError, Hint
from vidseek.core.job import Job, Progress
from vidseek.core.types import VideoFilter
from vidseek.encoders.outputs import text_vectors
from vidseek.search.evaluation.answers import Answers, Candidate, find_answers
from vidseek.search.evaluation.report import EvaluationReport, retrieval_quality
from vidseek.search.moments.context import SearchContext
from vidseek.search.moments.engine import FIRST_FETCH, SearchEngine
from vidseek.search.moments.query import clean_text
from vidseek.search.moments.retrieval import TEXTS_PER_BATCH, TextCandidates, encode_texts


def evaluate(
    engine: SearchEngine,
    captions: Captions,
    *,
    video_to_text: bool = False,
    rerank: bool = True,
    job: Job | None = None,
) -> EvaluationReport:
    """Rank the library's videos for every caption.

    Args:
        engine: of the library.
        captions: captions of its videos, or of parts of them.
        video_to_text: also rank the captions for every captioned video, by the cosine of its best
            clip.
        rerank: False leaves out the second stage, as for a search.
        job: reports progress and cancels.

    Raises:
        EvaluationError: no caption is of a video that can be searched.
        EncoderError: the library was indexed with another encoder.
        JobCancelledError: the job was cancelled.
    """
    job = job or Job()
    store, spec = engine.store, engine.encoder.spec
    with store.snapshot():
        context = engine.context(VideoFilter())
        encoded = np.empty(0, np.int64) if context is None else context.clip_ids()
        answers = find_answers(store, captions, encoded)
        if context is None or not answers.questions:
            raise EvaluationError(
                f"{captions.file}: no line is of a video that {store.folder} can search"
                + "".join(f"; line {each.line}: {each.reason}" for each in answers.problems[:3]),
                hint=Hint("list_videos"),
            )
        candidates = answers.count(_encoded_videos(context))
        text_to_video = retrieval_quality(
            np.array(list(_text_ranks(context, answers, rerank, job))),
            np.array([question.video_id for question in answers.questions]),
            candidates=candidates,
        )
        backwards = None
        if video_to_text:
            backwards = retrieval_quality(
                _video_ranks(context, answers, job),
                np.array([target.video_id for target in answers.targets]),
                candidates=len(answers.questions),
            )
    return EvaluationReport(
        encoder=spec.source,
        fingerprint=spec.fingerprint,
        text_to_video=text_to_video,
        video_to_text=backwards,
        problems=answers.problems,
        merged_captions=answers.merged_captions,
    )


def _encoded_videos(context: SearchContext) -> int:
    """How many videos can be found."""
    fingerprint = context.encoder.spec.fingerprint
    models = context.store.encoders.models()
    return sum(each.encoded_videos for each in models if each.spec.fingerprint == fingerprint)


def _text_ranks(context: SearchContext, answers: Answers, rerank: bool, job: Job) -> Iterator[int]:
    """Rank of the first right candidate of every caption; 0 is best."""
    questions = answers.questions
    n = min(FIRST_FETCH, context.size)
    for start in range(0, len(questions), TEXTS_PER_BATCH):
        batch = questions[start : start + TEXTS_PER_BATCH]
        texts = [clean_text(question.text).text for question in batch]
        encoded = encode_texts(context, texts, n=n)
        for question, text, vectors in zip(batch, texts, encoded, strict=True):
            candidates = TextCandidates(context, text, second_stage=rerank, encoded=vectors)
            yield _rank(context, candidates, answers, question.right)
            job.check()
        done = start + len(batch)
        job.report(Progress(stage="evaluating", done=done, total=len(questions), unit="captions"))


def _rank(
    context: SearchContext,
    candidates: TextCandidates,
    answers: Answers,
    right: frozenset[Candidate],
) -> int:
    """How many wrong candidates come before the first right one, or with it."""
    n = min(FIRST_FETCH, context.size)
    while True:
        best: dict[Candidate, float] = {}
        for scored in candidates.fetch(n).clips:
            for candidate in answers.candidates_of(scored.clip):
                best[candidate] = max(best.get(candidate, -np.inf), scored.score)
        found = max((best[each] for each in right if each in best), default=None)
        if found is not None:
            return sum(score >= found for each, score in best.items() if each not in right)
        if n >= context.size:
            return len(best)  # its clips were removed meanwhile, or are never hits
        n = min(4 * n, context.size)


def _video_ranks(context: SearchContext, answers: Answers, job: Job) -> NDArray[np.int64]:
    """Rank of the first right caption of every captioned video or part; 0 is best."""
    vectors = _question_vectors(context, answers)
    about: dict[Candidate, list[int]] = defaultdict(list)
    for place, question in enumerate(answers.questions):
        for candidate in question.right:
            about[candidate].append(place)
    ranks = []
    for done, target in enumerate(answers.targets, 1):
        scores = (context.vectors(target.clips) @ vectors.T).max(axis=0)
        right = about[target.candidate]
        found = scores[right].max()
        ranks.append(int((scores >= found).sum() - (scores[right] >= found).sum()))
        job.report(
            Progress(stage="ranking captions", done=done, total=len(answers.targets), unit="videos")
        )
        job.check()
    return np.array(ranks)


def _question_vectors(context: SearchContext, answers: Answers) -> NDArray[np.float32]:
    texts = [clean_text(question.text).text for question in answers.questions]
    return np.concatenate(
        [
            text_vectors(context.encoder, texts[start : start + TEXTS_PER_BATCH])
            for start in range(0, len(texts), TEXTS_PER_BATCH)
        ]
    )
