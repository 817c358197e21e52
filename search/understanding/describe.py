"""Captions of a video's clips, answers about its frames, and the search for words in captions."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import QueryError, UnreadableVideoError
from vidseek.core.job import Job, Progress
from vidseek.core.spacing import evenly_spaced
from vidseek.core.types import AnswerFrame, Caption, Clip, TimeSpan, Video, VideoAnswer
from vidseek.encoders.outputs import text_vectors
from vidseek.search.moments.engine import SearchEngine
from vidseek.search.moments.query import clean_text

if TYPE_CHECKING:
    from vidseek.encoders.base import Captioner

SHORT_SIDE = 448
"""Pixels of frames for models that put pictures into words, which take 224 to 448."""
CLIPS_AT_ONCE = 8
"""Clips whose frames are in memory together."""
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


def caption_clips(
    captioner: Captioner, video: Video, clips: Sequence[Clip], *, limit: int, job: Job
) -> list[Caption]:
    """Caption evenly spaced clips of a video.

    Args:
        captioner: writes the captions.
        video: the video.
        clips: its clips that may be captioned, in order of time.
        limit: captions at most.
        job: reports progress and cancels.

    Raises:
        VideoError: the video cannot be decoded.
        UnsupportedModelError: the model makes no captions.
        JobCancelledError: the job was cancelled.
    """
    chosen = [clips[place] for place in evenly_spaced(len(clips), limit)]
    captions: list[Caption] = []
    for start in range(0, len(chosen), CLIPS_AT_ONCE):
        part = chosen[start : start + CLIPS_AT_ONCE]
        times = [_times(clip, captioner.pictures_at_once) for clip in part]
        shown = _decode(video, sorted({at for each in times for at in each}), job)
        for clip, wanted in zip(part, times, strict=True):
            job.report(
                Progress(stage="captions", done=len(captions), total=len(chosen), unit="clips")
            )
            job.check()
            text = captioner.caption(_alike(shown.at(wanted)))
            captions.append(Caption(video.id, clip.span, text, captioner.source))
    return captions


@dataclass(frozen=True)
class Question:
    """A question about a video."""

    video: Video
    text: str
    span: TimeSpan | None
    """Only frames of this part; None for the whole video."""
    limit: int
    """Frames to look at, at most."""


def answer_question(
    engine: SearchEngine, captioner: Captioner, question: Question, *, job: Job
) -> VideoAnswer:
    """Answer a question from the frames of a video that are most like it.

    Args:
        engine: of the library and the model that finds the frames.
        captioner: answers. A model that sees several frames at once is asked once; any other is
            asked about each frame, and the most frequent answer counts, on a tie the answer of the
            frames most like the question.
        question: its text is cleaned as a query is.
        job: reports progress and cancels.

    Raises:
        QueryError: an empty question, a video without searchable frames.
        VideoError: the video cannot be decoded.
        UnsupportedModelError: the model answers no questions.
        JobCancelledError: the job was cancelled.
    """
    video, asked = question.video, clean_text(question.text, what="question").text
    together = captioner.pictures_at_once
    limit = min(question.limit, together) if together > 1 else question.limit
    chosen = _frames_like(engine, replace(question, limit=limit), asked)
    shown = _decode(video, [frame.seconds for frame in chosen], job)
    pictures = shown.at([frame.seconds for frame in chosen])
    if together > 1:
        text = captioner.answer(_alike(pictures), asked)
        return VideoAnswer(video, asked, text, tuple(chosen), 1.0, captioner.source)
    answers = []
    for place, picture in enumerate(pictures):
        job.report(Progress(stage="answers", done=place, total=len(pictures), unit="frames"))
        job.check()
        answers.append(captioner.answer(picture[None], asked))
    text, resting = _majority(answers, chosen)
    share = len(resting) / len(chosen)
    return VideoAnswer(video, asked, text, tuple(resting), share, captioner.source)


def rank_captions(captions: Sequence[Caption], words: Sequence[str]) -> list[tuple[Caption, float]]:
    """Captions with any of some words, best first, with scores from 0 to 1.

    A score is the share of the words that the caption has, rare words counting more: their weight
    is the logarithm of how few of the captions have them.

    Args:
        captions: that may have the words, also as parts of other words.
        words: in lower case, each once.
    """
    sets = [set(words_in(caption.text)) for caption in captions]
    counts = {word: sum(word in each for each in sets) for word in words}
    weights = {word: math.log1p(len(captions) / max(counts[word], 1)) for word in words}
    total = sum(weights.values())
    scored = [
        (caption, sum(weights[word] for word in words if word in each) / total)
        for caption, each in zip(captions, sets, strict=True)
        if each.intersection(words)
    ]
    return sorted(scored, key=lambda pair: (-pair[1], pair[0].video_id, pair[0].span))


def words_in(text: str) -> list[str]:
    """The words of a text in lower case, each once.

    >>> words_in("A dog and a Dog")
    ['a', 'dog', 'and']
    """
    return list(dict.fromkeys(_WORD.findall(text.lower())))


def _times(clip: Clip, wanted: int) -> list[float]:
    """Times of the frames of a clip that a model sees."""
    times = clip.frame_seconds
    if wanted == 1:
        return [times[len(times) // 2]]
    return [times[place] for place in evenly_spaced(len(times), wanted)]


class _Shown:
    """Decoded frames by time."""

    def __init__(self, seconds: Sequence[float], pictures: Sequence[NDArray[np.uint8]]) -> None:
        self._seconds, self._pictures = np.asarray(seconds), pictures

    def at(self, seconds: Sequence[float]) -> list[NDArray[np.uint8]]:
        """The frames nearest to some times, (H, W, 3) each."""
        from vidseek.video import nearest

        return [self._pictures[int(row)] for row in nearest(self._seconds, np.asarray(seconds))]


def _decode(video: Video, seconds: Sequence[float], job: Job) -> _Shown:
    from vidseek.video import DecodeJob, DecodePool

    pictures: list[NDArray[np.uint8]] = []
    shown: list[float] = []
    with DecodePool(workers=1, short_side=SHORT_SIDE) as pool:
        for decoded in pool.read([DecodeJob(video.path, at_seconds=tuple(seconds))]):
            for batch in decoded.batches():
                job.check()
                pictures.extend(picture.copy() for picture in batch.data)
                shown.extend(batch.pts_seconds.tolist())
    if not pictures:
        raise UnreadableVideoError("no picture of that part can be decoded", path=video.path)
    return _Shown(shown, pictures)


def _alike(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Frames as one array; a video may change its size midway."""
    from vidseek.video import without_bars

    shape = pictures[len(pictures) // 2].shape
    return without_bars(np.stack([each for each in pictures if each.shape == shape]))


def _frames_like(engine: SearchEngine, question: Question, text: str) -> list[AnswerFrame]:
    """The frames most like a text, from different clips as far as possible, in order of time."""
    encoder, store = engine.encoder, engine.store
    video, span = question.video, question.span
    vector = text_vectors(encoder, [text])[0]
    with store.snapshot():
        clips = [
            clip
            for clip in store.videos.clips(video.id)
            if span is None or clip.span.overlap(span) > 0
        ]
        features = store.clip_vectors.frame_features(
            [clip.id for clip in clips], encoder.spec.fingerprint
        )
    ranked: list[tuple[int, AnswerFrame]] = []
    for clip, frames in zip(clips, features, strict=True):
        found = [
            AnswerFrame(float(at), float(score))
            for at, score in zip(clip.frame_seconds, frames.vectors @ vector, strict=True)
            if span is None or span.start_seconds <= at <= span.end_seconds
        ]
        found.sort(key=lambda frame: -frame.score)
        ranked += enumerate(found)
    if not ranked:
        raise QueryError(f"{video.path} has no searchable frames there.")
    # The best frame of each clip comes before the second of any.
    ranked.sort(key=lambda pair: (pair[0], -pair[1].score))
    return sorted((frame for _, frame in ranked[: question.limit]), key=lambda frame: frame.seconds)


def _majority(
    answers: Sequence[str], frames: Sequence[AnswerFrame]
) -> tuple[str, list[AnswerFrame]]:
    """The most frequent answer, and the frames that it rests on."""
    counts = Counter(answer.lower() for answer in answers)
    best_scores: dict[str, float] = {}
    for answer, frame in zip(answers, frames, strict=True):
        key = answer.lower()
        best_scores[key] = max(best_scores.get(key, -math.inf), frame.score)
    winner = max(counts, key=lambda key: (counts[key], best_scores[key]))
    text = next(answer for answer in answers if answer.lower() == winner)
    resting = [
        frame for answer, frame in zip(answers, frames, strict=True) if answer.lower() == winner
    ]
    return text, resting
