"""Why a moment matches a text: where each word looks, and which frames weigh how much.

    explanation = explain_moment(engine, video, "a dog on a beach", 12.5, job=Job())

Everything is computed when it is asked for: the frame is decoded again, and its cells encoded; the
frames' vectors and the clips' are those that the library has stored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import QueryError, UnreadableVideoError
from vidseek.core.job import Job, Progress
from vidseek.core.types import (
    Area,
    Clip,
    Explanation,
    FrameFeatures,
    FrameWeight,
    SearchWarning,
    TimeSpan,
    Video,
    WordMap,
)
from vidseek.encoders.base import CellEncoder, Encoder, TimeAttentionEncoder
from vidseek.encoders.outputs import frame_features, text_vectors
from vidseek.search.moments.engine import SearchEngine
from vidseek.search.moments.query import clean_text

MAX_WORDS = 12
"""Further words of a text get no map."""
PEAK_SIDE = 256
"""Pixels of the enlarged map whose maximum is a word's peak."""
TEMPERATURE = 0.01
"""Of the text's attention to frames, as in X-Pool (Gorti et al., CVPR 2022)."""
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_FUNCTION_WORDS = """
    a an the this that these those his her their its it of in on at to by for from with without
    into over and or but as while who which there is are was be being been
    """
When = float | TimeSpan | None
"""A time in seconds; or the best frame of a part, or of the whole video."""


@dataclass(frozen=True)
class _Frame:
    """A decoded frame."""

    seconds: float
    picture: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB."""
    lit: tuple[slice, slice]
    """Rows and columns without black bars."""

    @property
    def seen(self) -> NDArray[np.uint8]:
        """(1, h, w, 3) what the encoder sees."""
        return np.ascontiguousarray(self.picture[self.lit])[None]


def explain_moment(
    engine: SearchEngine, video: Video, text: str, when: When, *, job: Job
) -> Explanation:
    """Explain why a frame of a video, and the clip around it, match a text.

    Args:
        engine: of the library and the model.
        video: a video of the library.
        text: cleaned as a query is.
        when: which frame.
        job: reports progress and cancels.

    Raises:
        QueryError: an empty text, a time outside the video, a video without searchable clips.
        VideoError: the frame cannot be decoded.
        EncoderError: the library has no vectors of this encoder.
        JobCancelledError: the job was cancelled.
    """
    wanted = clean_text(text)
    _check_time(when, video)
    curve = engine.similarity_curve(video.id, wanted.text)
    if not curve:
        raise QueryError(f"{video.path} has no searchable clips.")
    encoder, store = engine.encoder, engine.store
    words = words_of(wanted.text)
    vectors = text_vectors(encoder, [wanted.text, *words])
    with store.snapshot():
        clips = store.videos.clips(video.id)
        chosen = _candidates(clips, when)
        features = store.clip_vectors.frame_features(
            [clip.id for clip in chosen], encoder.spec.fingerprint
        )
    place, seconds = _choose(chosen, features, vectors[0], when)
    clip, frames = chosen[place], features[place]
    job.report(Progress(stage="reading the frame", done=0, total=1, unit="frames"))
    frame = _decode(video, clip, seconds, encoder.spec.image_size, job)
    seen = frame_features(encoder, frame.seen).vectors[0]
    maps, area = _maps(encoder, frame, [wanted.text, *words], vectors, seen)
    clip_score = next(score for span, score in curve if span == clip.span)
    weights = _weights(encoder, frames, np.asarray(clip.frame_seconds), vectors[0])
    warnings = list(wanted.warnings)
    if not maps:
        message = f"{encoder.spec.source} has no cells, so there are no heat maps"
        warnings.append(SearchWarning("no_cells", message))
    return Explanation(
        video=video,
        text=wanted.text,
        seconds=frame.seconds,
        score=float(seen @ vectors[0]),
        clip=clip.span,
        clip_score=clip_score,
        rest=clip_score - sum(weight.additive for weight in weights),
        picture=frame.picture,
        area=area,
        maps=maps,
        frames=weights,
        curve=tuple(curve),
        warnings=tuple(warnings),
    )


def words_of(text: str) -> list[str]:
    """The words of a text that get a map: each once, without function words.

    >>> words_of("a dog and a cat on the sofa")
    ['dog', 'cat', 'sofa']
    """
    words = list(dict.fromkeys(_WORD.findall(text)))
    skipped = frozenset(_FUNCTION_WORDS.split())
    content = [word for word in words if word.lower() not in skipped]
    found = content or words
    return [] if found == [text] else found[:MAX_WORDS]


def enlarged(cells: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """A map (rows, columns) interpolated to (height, width) float32."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(cells, np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC), np.float32)


def peak_of(cells: NDArray[np.float32], area: Area = (0.0, 0.0, 1.0, 1.0)) -> tuple[float, float]:
    """Where a map (rows, columns) is highest, as shares of the frame's width and height."""
    large = enlarged(cells, PEAK_SIDE, PEAK_SIDE)
    row, column = np.unravel_index(int(large.argmax()), large.shape)
    left, top, right, bottom = area
    x = left + (right - left) * (int(column) + 0.5) / PEAK_SIDE
    y = top + (bottom - top) * (int(row) + 0.5) / PEAK_SIDE
    # A model may pad a picture; what it sees there is not in the frame.
    return min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)


def _check_time(when: When, video: Video) -> None:
    if when is None:
        return
    start = when.start_seconds if isinstance(when, TimeSpan) else when
    if not 0 <= start <= video.duration_seconds:
        raise QueryError(
            f"{video.path} has no moment at {start:g} s: it lasts {video.duration_seconds:.1f} s."
        )


def _candidates(clips: Sequence[Clip], when: When) -> list[Clip]:
    """The clips that may be explained; at least one."""
    if isinstance(when, TimeSpan):
        return [clip for clip in clips if clip.span.overlap(when) > 0] or [
            _nearest(clips, when.start_seconds)
        ]
    return list(clips) if when is None else [_nearest(clips, when)]


def _nearest(clips: Sequence[Clip], seconds: float) -> Clip:
    def distance(clip: Clip) -> float:
        return max(clip.span.start_seconds - seconds, seconds - clip.span.end_seconds, 0.0)

    # A clip ends where the next begins: the later one contains that time.
    return min(reversed(clips), key=distance)


def _choose(
    clips: Sequence[Clip],
    features: Sequence[FrameFeatures],
    text: NDArray[np.float32],
    when: When,
) -> tuple[int, float]:
    """Place of the clip, and the time of the frame."""
    if isinstance(when, float | int):
        return 0, float(when)
    best: tuple[float, int, float] | None = None
    for place, (clip, frames) in enumerate(zip(clips, features, strict=True)):
        for seconds, score in zip(clip.frame_seconds, frames.vectors @ text, strict=True):
            inside = when is None or when.start_seconds <= seconds <= when.end_seconds
            if inside and (best is None or score > best[0]):
                best = float(score), place, seconds
    if best is None:  # no sampled frame lies inside so short a part
        assert when is not None
        return 0, when.start_seconds
    return best[1], best[2]


def _decode(video: Video, clip: Clip, seconds: float, short_side: int, job: Job) -> _Frame:
    from vidseek.video import DecodeJob, DecodePool, lit_part, nearest

    # The clip's other frames tell black bars from a dark scene.
    times = tuple(sorted({*clip.frame_seconds, seconds}))
    pictures: list[NDArray[np.uint8]] = []
    shown: list[float] = []
    with DecodePool(workers=1, short_side=short_side) as pool:
        for decoded in pool.read([DecodeJob(video.path, at_seconds=times)]):
            for batch in decoded.batches():
                job.check()
                pictures.extend(picture.copy() for picture in batch.data)
                shown.extend(batch.pts_seconds.tolist())
    if not pictures:
        raise UnreadableVideoError("no picture of that part can be decoded", path=video.path)
    row = int(nearest(np.asarray(shown), np.array([seconds]))[0])
    picture = pictures[row]
    alike = np.stack([each for each in pictures if each.shape == picture.shape])
    return _Frame(shown[row], picture, lit_part(alike))


def _maps(
    encoder: Encoder,
    frame: _Frame,
    words: Sequence[str],
    vectors: NDArray[np.float32],
    seen: NDArray[np.float32],
) -> tuple[tuple[WordMap, ...], Area]:
    """The map of each word, and the part of the frame that the cells cover."""
    height, width = frame.picture.shape[:2]
    rows, columns = frame.lit
    lit = columns.start / width, rows.start / height, columns.stop / width, rows.stop / height
    cells = encoder.encode_cells(frame.seen) if isinstance(encoder, CellEncoder) else None
    if cells is None:
        return (), lit
    area = _inside(lit, cells.area)
    maps = []
    for word, vector in zip(words, vectors, strict=True):
        values = np.asarray(cells.vectors[0] @ vector, np.float32)
        maps.append(WordMap(word, float(seen @ vector), values, peak_of(values, area)))
    return tuple(maps), area


def _inside(outer: Area, inner: Area) -> Area:
    """A part of a part."""
    left, top, right, bottom = outer
    width, height = right - left, bottom - top
    return (
        left + inner[0] * width,
        top + inner[1] * height,
        left + inner[2] * width,
        top + inner[3] * height,
    )


def _weights(
    encoder: Encoder,
    frames: FrameFeatures,
    seconds: NDArray[np.float64],
    text: NDArray[np.float32],
) -> tuple[FrameWeight, ...]:
    scores = frames.vectors @ text
    attention = None
    if isinstance(encoder, TimeAttentionEncoder):
        attention = encoder.attend_over_time(frames, seconds)
    if attention is None:
        length = float(np.linalg.norm(frames.vectors.mean(axis=0)))
        heads: list[tuple[float, ...]] = [()] * len(scores)
    else:
        length = attention.length
        heads = [tuple(map(float, column)) for column in attention.heads.T]
    additive = scores / (len(scores) * max(length, 1e-12))
    dot_product = np.exp((scores - scores.max()) / TEMPERATURE)
    dot_product /= dot_product.sum()
    return tuple(
        FrameWeight(float(at), float(score), float(adds), float(share), each)
        for at, score, adds, share, each in zip(
            seconds, scores, additive, dot_product, heads, strict=True
        )
    )
