"""Which seconds of one video show which seconds of another, at what speed, forwards or backwards.

query = FrameSequence(vectors, seconds, noise)     # (N, D) float32 unit vectors, (N,), (N,)
for match in align(query, library):
    print(match.query, match.library, match.speed, match.score)

Pairs of similar frames vote for lines ``library = speed * query + offset``: a Hough transform, as
for temporal alignment in Douze, Jegou, Schmid & Perez (ECCV 2010), over offsets *and* speeds. A
pair counts the less, the more other frames each of the two is similar to (Jegou, Douze & Schmid,
"On the burstiness of visual elements", CVPR 2009): of a scene that stands still, every frame is
similar to every other, and says nothing of when. The strongest line is fitted by least squares;
along it, the stretch with the largest sum of similarity above a threshold (Kadane's maximum
subarray; Bentley, CACM 1984) is a match. What it explains is taken out, and the rest votes again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import TimeSpan

MIN_SIMILARITY = 0.5
"""Frames whose cosine, less their noise, is below this are not the same. Depends on the descriptor:
`copies.MIN_SIMILARITY` is that of the one that ships."""
SPEEDS = (0.5, 0.57, 0.67, 0.8, 0.9, 1.0, 1.11, 1.25, 1.5, 1.75, 2.0)
"""Library seconds a second of the query, forwards and backwards. The fit finds what is between."""
MIN_SPEED, MAX_SPEED = 0.45, 2.2
SPEED_PRIOR, BACKWARDS_PRIOR = 0.95, 0.9
"""Other speeds and backwards must have this much more evidence: few frames lie on many lines."""
MAX_GAP_SECONDS = 5.0
"""A match goes on behind a gap up to this."""
HITS_PER_FRAME = 20
"""Library frames that a query frame votes for at most: the most similar ones."""
BLOCK_ENTRIES = 4_000_000
"""Similarities held in memory at once: 16 MB."""
STATIC_SIMILARITY = 0.9
"""Frames of *one* video that are more similar than this begin to count as one frame."""
STATIC_DISTINCT = 2.0
"""A match of fewer distinct frames than this is one picture: it does not tell when."""
CERTAIN_FRAMES = 2.0
"""A match of so many distinct frames scores half its similarity, one of many scores all of it."""
_SAMPLED_FRAMES = 256
"""Of a longer match, so many frames are counted: more than enough to be sure."""
PLAIN_GAIN = 0.6
"""Speed 1 is taken where the frames are as alike at it as at the best speed, and it explains this
much of what that does."""
WHOLE_TOLERANCE, LITTLE_MOTION = 0.01, 3.0
"""Cosine that a whole video as a whole other one, at another speed, may be less alike than the best
line if it has fewer distinct frames than this; and must be more alike if it has more."""
NEARLY_PLAIN = 0.14
"""Logarithm of a speed that videos of one length may seem to have, sampled as they are."""
PLAIN_TOLERANCE = 0.02
"""Cosine that frames may be less alike at speed 1 than at the best speed."""
MOVE_GAIN = 0.003
"""Cosine that frames must be more alike for a line of speed 1 to be moved."""
PLAIN_REACH_SECONDS, _COARSE_SECONDS, PLAIN_STEP_SECONDS = 10.0, 1.0, 0.25
"""How far around a match speed 1 is tried, and how finely: everywhere, and around the best."""
PIECE_GAIN, MIN_PIECE_SECONDS = 0.02, 2.0
"""Cosine that frames must be more alike along two lines of speed 1, one behind the other, than
along one of any speed, to be two pieces; and how long each is, and how far from the other, at
least."""
_MIN_VOTES, _MIN_VOTES_SHARE = 0.1, 0.05
"""Lines with fewer votes, or fewer than this part of the first line's, are noise."""
_LARGEST_OVERLAP = 0.3


@dataclass(frozen=True)
class FrameSequence:
    """Frames of one video, in order of time. They need not be evenly spaced."""

    vectors: NDArray[np.float32]
    """(N, D) float32, L2-normalised; N may be 0."""
    seconds: NDArray[np.float64]
    """(N,) float64, ascending presentation times."""
    noise: NDArray[np.float32] | None = None
    """(N,) what is taken off a frame's cosines (`CopyDescriptor.noise`); nothing if None."""

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.seconds.shape != self.vectors.shape[:1]:
            raise ValueError(
                f"FrameSequence needs (N, D) vectors and (N,) seconds, got {self.vectors.shape} "
                f"and {self.seconds.shape}"
            )
        if self.noise is not None and self.noise.shape != self.seconds.shape:
            raise ValueError(
                f"FrameSequence has {len(self)} frames but noise of shape {self.noise.shape}"
            )
        if (np.diff(self.seconds) < 0).any():
            raise ValueError("FrameSequence needs its frames in order of time")

    def __len__(self) -> int:
        return len(self.vectors)

    def noise_of(self, rows: slice | NDArray[np.intp]) -> NDArray[np.float32] | float:
        """What is taken off the cosines of some frames."""
        return 0.0 if self.noise is None else self.noise[rows]

    @cached_property
    def spacing_seconds(self) -> float:
        """Median time between frames; infinite if there is only one."""
        return float(np.median(np.diff(self.seconds))) if len(self) > 1 else float("inf")


@dataclass(frozen=True)
class Alignment:
    """A stretch of the query that shows a stretch of the library's video."""

    query: TimeSpan
    library: TimeSpan
    speed: float
    """Library seconds a second of the query; negative where the query plays backwards."""
    score: float
    """0 to 1: similarity, times how sure so many distinct frames make it."""
    similarity: float
    """Mean cosine of the frames along it, gaps among them."""
    distinct_frames: float
    """How many different pictures agree; 1 for a scene that stands still, however long."""

    def library_seconds(self, query_seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N,) what of the library is shown at (N,) times of the query."""
        start = self.library.start_seconds if self.speed > 0 else self.library.end_seconds
        return start + self.speed * (query_seconds - self.query.start_seconds)


def align(
    query: FrameSequence,
    library: FrameSequence,
    *,
    min_similarity: float = MIN_SIMILARITY,
    max_segments: int = 10,
) -> list[Alignment]:
    """Find the stretches that two videos have in common.

    Args:
        query: of N frames, one or two a second.
        library: of M frames, whose vectors are as long as the query's.
        min_similarity: cosine above which two frames speak for a match.
        max_segments: matches at most.

    Returns:
        Matches, best score first; none if either is empty. They may share parts of the query (the
        library's video shows something twice) or of the library, not of both.

    Raises:
        ValueError: the vectors are of different lengths.
    """
    if len(query) == 0 or len(library) == 0:
        return []
    if query.vectors.shape[1] != library.vectors.shape[1]:
        raise ValueError(
            f"vectors of {query.vectors.shape[1]} and {library.vectors.shape[1]} dimensions "
            "cannot be compared: describe both videos with one descriptor"
        )
    hits = _find_hits(query, library, min_similarity)
    spacings = [one.spacing_seconds for one in (query, library) if len(one) > 1]
    width = max(1.0, *spacings) if spacings else 1.0
    found: list[Alignment] = []
    # The first line is looked at however weak it is: two stills may be one picture.
    min_votes = 0.0
    for _ in range(3 * max_segments):
        line, votes = _strongest_line(hits, width)
        if votes <= min_votes:
            break
        min_votes = max(min_votes, _MIN_VOTES, _MIN_VOTES_SHARE * votes)
        match = _match_along(query, library, hits, line, width, min_similarity, found)
        gone = np.zeros(len(hits.query), np.bool_)
        if match is not None:
            gone = _explained(hits, match, width)
            if not any(_overlap(match, other) > _LARGEST_OVERLAP for other in found):
                found.append(match)
                if len(found) == max_segments:
                    break
        hits = hits.where(~gone if gone.any() else np.abs(line.distances(hits)) > width)
    return sorted(found, key=lambda match: -match.score)


# -- votes -----------------------------------------------------------------------------------------


def strongest_votes(
    query_seconds: NDArray[np.float64],
    library_seconds: NDArray[np.float64],
    strengths: NDArray[np.float64],
    *,
    width_seconds: float,
) -> float:
    """How much pairs of similar frames speak for the best line: what candidates are ranked by.

    Args:
        query_seconds: (H,) of each pair's frame of the query.
        library_seconds: (H,) of its frame of the library's video.
        strengths: (H,) what each says, 0 to 1.
        width_seconds: how far from a line a pair still counts for it.
    """
    return _strongest_line(_Hits(query_seconds, library_seconds, strengths), width_seconds)[1]


@dataclass(frozen=True)
class _Hits:
    """Pairs of similar frames."""

    query: NDArray[np.float64]
    """(H,) seconds."""
    library: NDArray[np.float64]
    """(H,) seconds."""
    weights: NDArray[np.float64]
    """(H,) 0 to 1: how much the pair says."""

    def where(self, mask: NDArray[np.bool_]) -> _Hits:
        return _Hits(self.query[mask], self.library[mask], self.weights[mask])


@dataclass(frozen=True)
class _Line:
    speed: float
    offset: float

    def at(self, query_seconds: NDArray[np.float64] | float) -> NDArray[np.float64] | float:
        return self.speed * query_seconds + self.offset

    def distances(self, hits: _Hits) -> NDArray[np.float64]:
        """(H,) seconds of the library, in units of the line's speed if that is more than 1."""
        distances: NDArray[np.float64] = hits.library - self.at(hits.query)
        return distances / max(1.0, abs(self.speed))

    def inverse(self) -> _Line:
        return _Line(1 / self.speed, -self.offset / self.speed)


def _find_hits(query: FrameSequence, library: FrameSequence, least: float) -> _Hits:
    block = max(1, BLOCK_ENTRIES // len(library))
    rows, columns, similarities = [], [], []
    row_counts = np.zeros(len(query), np.intp)
    column_counts = np.zeros(len(library), np.intp)
    for start in range(0, len(query), block):
        rows_here = slice(start, start + block)
        cosines = query.vectors[rows_here] @ library.vectors.T
        if query.noise is not None:
            cosines -= query.noise[rows_here, None]
        if library.noise is not None:
            cosines -= library.noise
        above = cosines > least
        counts = np.count_nonzero(above, axis=1)
        row_counts[start : start + block] = counts
        column_counts += np.count_nonzero(above, axis=0)
        crowded = np.flatnonzero(counts > HITS_PER_FRAME)
        if len(crowded):
            some = cosines[crowded]
            best = np.argpartition(some, -HITS_PER_FRAME, axis=1)[:, -HITS_PER_FRAME:]
            kept = np.zeros(some.shape, np.bool_)
            np.put_along_axis(kept, best, True, axis=1)
            above[crowded] = kept
        row, column = np.nonzero(above)
        rows.append(row + start)
        columns.append(column)
        similarities.append(cosines[row, column])
    row, column = np.concatenate(rows), np.concatenate(columns)
    crowd = np.maximum(row_counts[row], column_counts[column])
    strength = (np.concatenate(similarities).astype(np.float64) - least) / (1 - least)
    return _Hits(query.seconds[row], library.seconds[column], strength / crowd)


def _strongest_line(hits: _Hits, width: float) -> tuple[_Line, float]:
    """The line with the most votes, among speeds of the grid and offsets ``width`` apart."""
    best, most = _Line(1.0, 0.0), 0.0
    if len(hits.weights) == 0:
        return best, most
    for speed, sign in itertools.product(SPEEDS, (1, -1)):
        offsets = hits.library - sign * speed * hits.query
        low = offsets.min()
        step = width * max(1.0, speed)
        bins = ((offsets - low) / step).astype(np.intp)
        votes = np.bincount(bins, hits.weights)
        # Two neighbours at a time: what lies on the border of two bins is not halved.
        pairs = votes + np.append(votes[1:], 0.0)
        place = int(pairs.argmax())
        prior = (1.0 if speed == 1.0 else SPEED_PRIOR) * (BACKWARDS_PRIOR if sign < 0 else 1.0)
        if prior * pairs[place] > most:
            most = float(prior * pairs[place])
            best = _Line(sign * speed, float(low + (place + 1) * step))
    return best, most


def _fitted(hits: _Hits, line: _Line, width: float) -> _Line:
    """The line through the hits near it, by weighted least squares, until no more come near.

    The grid's speed may be a tenth off: only part of the hits is near at first, and each round
    brings the line closer to the rest.
    """
    count = 0
    for _ in range(10):
        near = np.abs(line.distances(hits)) <= width
        if np.count_nonzero(near) <= count:
            break
        count = int(np.count_nonzero(near))
        line = _least_squares(hits.where(near), line)
    return line


def _least_squares(hits: _Hits, line: _Line) -> _Line:
    share = hits.weights / hits.weights.sum()
    middle_query = float(share @ hits.query)
    middle_library = float(share @ hits.library)
    across = hits.query - middle_query
    spread = float(share @ across**2)
    if spread < 0.25:  # seconds squared: one moment, any speed fits
        return _Line(line.speed, middle_library - line.speed * middle_query)
    speed = float(share @ (across * (hits.library - middle_library))) / spread
    if speed * line.speed <= 0 or not MIN_SPEED <= abs(speed) <= MAX_SPEED:
        speed = line.speed
    # A few frames half a second apart do not tell 0.98 from 1.
    plain = np.copysign(1.0, speed)
    if abs(speed - plain) * float(np.ptp(hits.query)) <= 0.5:
        speed = float(plain)
    return _Line(speed, middle_library - speed * middle_query)


# -- along a line ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Walk:
    """The frames of the sparser video along a line, each with its partner in the other."""

    rows: NDArray[np.intp]
    """(K,) ascending frames of the sparser video that the other has something at."""
    partners: NDArray[np.intp]
    """(K,) the most similar of the frames around where the line says."""
    partner_seconds: NDArray[np.float64]
    """(K,) where the line says."""
    similarities: NDArray[np.float32]
    """(K,) cosines."""


def _match_along(
    query: FrameSequence,
    library: FrameSequence,
    hits: _Hits,
    line: _Line,
    width: float,
    least: float,
    found: Sequence[Alignment],
) -> Alignment | None:
    """The best stretch of the line, once it is fitted; None if there is nothing on it."""
    line = _fitted(hits, line, width)
    near = hits.where(np.abs(line.distances(hits)) <= width)
    match = _fitted_match(query, library, hits, line, width, least, found)
    if match is None or len(near.weights) == 0:
        return match
    whole = _whole_match(query, library, width, least, found)
    if whole is not None:
        # Of what hardly moves, any speed is as good as another. Else the right one must be better.
        tolerance = WHOLE_TOLERANCE if match.distinct_frames < LITTLE_MOTION else -WHOLE_TOLERANCE
        if whole.similarity >= match.similarity - tolerance:
            return whole
    # Where little moves, neighbours are alike and a line may turn about, lie beside the right one,
    # or lead from one piece of a film to another: what no other speed is needed for is taken to be
    # at the plain one, where that fits best, and so is what two lines of it fit better.
    plain = _at_plain_speed(query, library, match)
    if plain is None:
        return match
    unedited = _match_on(query, library, plain.line, least, found, plain.within)
    if unedited is None or plain.within is not None:
        return unedited or match
    return unedited if _gain(unedited, least) >= PLAIN_GAIN * _gain(match, least) else match


def _whole_match(
    query: FrameSequence,
    library: FrameSequence,
    width: float,
    least: float,
    found: Sequence[Alignment],
) -> Alignment | None:
    """All of the query as all of the library's video, at whatever speed; None if it is not.

    The commonest copy, and of a scene where little moves it cannot be told from others by voting.
    """
    if len(query) == 1 or len(library) == 1:
        return None
    (first, last), (there, end) = _limits(query), _limits(library)
    speed = (end - there) / max(last - first, 1e-6)
    # Nearly 1 is 1: where videos end is known to half a frame's distance only.
    if not MIN_SPEED <= speed <= MAX_SPEED or abs(math.log(speed)) <= NEARLY_PLAIN:
        return None
    match = _match_on(query, library, _Line(speed, there - speed * first), least, found)
    return match if match and _is_whole(match, query, library, width) else None


def _is_whole(
    match: Alignment, query: FrameSequence, library: FrameSequence, margin: float
) -> bool:
    """True if a match covers both videos from end to end."""
    return all(
        span.start_seconds <= first + margin and span.end_seconds >= last - margin
        for span, (first, last) in (
            (match.query, _limits(query)),
            (match.library, _limits(library)),
        )
    )


@dataclass(frozen=True)
class _Plain:
    """A line of speed 1 or -1 that says as much as a match does, or more."""

    line: _Line
    within: TimeSpan | None = None
    """Of the query, the part that it is the line of, where it is one of two."""


def _at_plain_speed(
    query: FrameSequence, library: FrameSequence, match: Alignment
) -> _Plain | None:
    """The line of speed 1 (or -1) that a match's frames are most alike along; the longer of two if
    they are more alike along two, one behind the other; None if they are less alike than along the
    match's own.

    Every frame counts with what lies at its very time, between two frames as much of each as it is
    near: a matched filter, which tells neighbours apart where votes and best partners do not.
    """
    sign = float(np.copysign(1.0, match.speed))
    rows = np.flatnonzero(
        (query.seconds >= match.query.start_seconds) & (query.seconds <= match.query.end_seconds)
    )
    if len(rows) > _SAMPLED_FRAMES:
        rows = rows[np.linspace(0, len(rows) - 1, _SAMPLED_FRAMES).astype(np.intp)]
    near = (library.seconds >= match.library.start_seconds - PLAIN_REACH_SECONDS) & (
        library.seconds <= match.library.end_seconds + PLAIN_REACH_SECONDS
    )
    columns = np.flatnonzero(near)
    if len(rows) < 2 or len(columns) < 2:
        return None
    own = _Line(
        match.speed,
        float(match.library_seconds(np.array([match.query.start_seconds]))[0])
        - match.speed * match.query.start_seconds,
    )
    seconds, times = query.seconds[rows], library.seconds[columns]
    cosines = query.vectors[rows] @ library.vectors[columns].T
    before = _alike(cosines, seconds, times, own.speed, np.array([own.offset]))[0].mean()

    def refined(some: slice, offset: float) -> tuple[_Line, float]:
        offsets = offset + np.arange(-_COARSE_SECONDS, _COARSE_SECONDS + 1e-6, PLAIN_STEP_SECONDS)
        values = _alike(cosines[some], seconds[some], times, sign, offsets).sum(1)
        best = int(values.argmax())
        return _Line(sign, float(offsets[best])), float(values[best])

    middle = float(seconds.mean())
    low, high = times[0] - sign * middle, times[-1] - sign * middle
    offsets = np.arange(low, high + _COARSE_SECONDS, _COARSE_SECONDS)
    # (O, 1 + R): how alike the first frames are, along every line.
    sums = np.cumsum(_alike(cosines, seconds, times, sign, offsets), axis=1)
    sums = np.concatenate([np.zeros((len(offsets), 1)), sums], axis=1)
    everything = slice(0, len(rows))
    line, total = refined(everything, float(offsets[sums[:, -1].argmax()]))
    after = sums[:, -1:] - sums
    cut = int((sums.max(0) + after.max(0)).argmax())
    pieces = [slice(0, cut), slice(cut, len(rows))]
    if (
        min(
            seconds[piece][-1] - seconds[piece][0] if piece.start < piece.stop else 0.0
            for piece in pieces
        )
        >= MIN_PIECE_SECONDS
    ):
        starts = (offsets[sums[:, cut].argmax()], offsets[after[:, cut].argmax()])
        lines = [refined(*each) for each in zip(pieces, starts, strict=True)]
        alone = max(float(before), total / len(rows))
        is_jump = abs(lines[0][0].offset - lines[1][0].offset) >= MIN_PIECE_SECONDS
        if is_jump and sum(value for _, value in lines) >= (alone + PIECE_GAIN) * len(rows):
            longer = int(pieces[1].stop - pieces[1].start > cut)
            piece = seconds[pieces[longer]]
            half = query.spacing_seconds / 2
            return _Plain(
                lines[longer][0], TimeSpan(float(piece[0]) - half, float(piece[-1]) + half)
            )
    if own.speed == sign and total < (before + MOVE_GAIN) * len(rows):
        return _Plain(own)
    return _Plain(line) if total >= (before - PLAIN_TOLERANCE) * len(rows) else None


def _alike(
    cosines: NDArray[np.float32],
    seconds: NDArray[np.float64],
    times: NDArray[np.float64],
    speed: float,
    offsets: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(O, R) how alike R frames are to what O lines of one speed say that they show.

    Args:
        cosines: (R, C) of the frames and C frames of the library.
        seconds: (R,) of the frames.
        times: (C,) of the library's.
        speed: of the lines.
        offsets: (O,) of the lines.
    """
    at = speed * seconds[None] + offsets[:, None]
    after = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
    steps = np.diff(times)
    share = np.clip((at - times[after - 1]) / np.maximum(steps[after - 1], 1e-6), 0, 1)
    rows = np.arange(len(seconds))[None]
    values = (1 - share) * cosines[rows, after - 1] + share * cosines[rows, after]
    # Beyond the ends there is nothing to be like.
    reach = float(np.median(steps))
    return np.where((at < times[0] - reach) | (at > times[-1] + reach), 0.0, values)


def _gain(match: Alignment, least: float) -> float:
    """What a match explains: similarity above the least, over the seconds of both videos."""
    seconds = math.sqrt(match.query.duration_seconds * match.library.duration_seconds)
    return (match.similarity - least) * seconds


def _fitted_match(
    query: FrameSequence,
    library: FrameSequence,
    hits: _Hits,
    line: _Line,
    width: float,
    least: float,
    found: Sequence[Alignment],
) -> Alignment | None:
    """The best stretch of a line that was fitted, and fitted once more to that stretch."""
    match = _match_on(query, library, line, least, found)
    if match is None:
        return None
    if match.distinct_frames < STATIC_DISTINCT:
        # One picture fits every speed: say 1, where the two are longest alike.
        middles = [
            (span.start_seconds + span.end_seconds) / 2 for span in (match.query, match.library)
        ]
        line = _Line(1.0, middles[1] - middles[0])
        return _match_on(query, library, line, least, found) or match
    # Hits beyond its ends, of another match with nearly this line, may have bent the line.
    inside = (hits.query >= match.query.start_seconds - width) & (
        hits.query <= match.query.end_seconds + width
    )
    line = _fitted(hits.where(inside), line, width)
    return _match_on(query, library, line, least, found) or match


def _match_on(
    query: FrameSequence,
    library: FrameSequence,
    line: _Line,
    least: float,
    found: Sequence[Alignment],
    within: TimeSpan | None = None,
) -> Alignment | None:
    # Of a library that keeps one frame in ten seconds, most query frames have no partner: the
    # sparser video's frames are gone through.
    by_query = library.spacing_seconds <= 1.01 * query.spacing_seconds * abs(line.speed)
    base, other = (query, library) if by_query or len(query) == 1 else (library, query)
    walk = _walk(base, other, line if base is query else line.inverse())
    for match in found:
        # Another match on the same line, before or behind this one, is not found again.
        walk.similarities[_shown_by(match, base, walk, base is query)] = -1.0
    if within is not None:
        at = base.seconds[walk.rows] if base is query else walk.partner_seconds
        walk.similarities[(at < within.start_seconds) | (at > within.end_seconds)] = -1.0
    stretch = _best_stretch(walk, base, least)
    if stretch is None:
        return None
    return _as_alignment(query, library, base, walk, stretch, line, least)


def _walk(base: FrameSequence, other: FrameSequence, line: _Line) -> _Walk:
    reach = 1.5 * other.spacing_seconds if len(other) > 1 else 1.0
    expected = np.asarray(line.at(base.seconds))
    rows = np.flatnonzero(
        (expected >= other.seconds[0] - reach) & (expected <= other.seconds[-1] + reach)
    )
    expected = expected[rows]
    after = np.searchsorted(other.seconds, expected)
    best = np.full(len(rows), -1.0, np.float32)
    partners = np.zeros(len(rows), np.intp)
    for step in (-2, -1, 0, 1):
        places = np.clip(after + step, 0, len(other) - 1)
        cosines = np.einsum("nd,nd->n", base.vectors[rows], other.vectors[places])
        cosines -= base.noise_of(rows) + other.noise_of(places)
        near = np.abs(other.seconds[places] - expected) <= reach
        better = near & (cosines > best)
        best[better] = cosines[better]
        partners[better] = places[better]
    return _Walk(rows, partners, expected, best)


def _shown_by(
    match: Alignment, base: FrameSequence, walk: _Walk, by_query: bool
) -> NDArray[np.bool_]:
    """(K,) True for frames of a walk that lie in a match with their partners."""
    spans = (match.query, match.library) if by_query else (match.library, match.query)
    inside = np.ones(len(walk.rows), np.bool_)
    for span, seconds in zip(spans, (base.seconds[walk.rows], walk.partner_seconds), strict=True):
        inside &= (seconds >= span.start_seconds) & (seconds <= span.end_seconds)
    return inside


def _best_stretch(walk: _Walk, base: FrameSequence, least: float) -> slice | None:
    """Part of the walk with the largest sum above ``least``, without a gap longer than allowed."""
    gains = walk.similarities - least
    good = np.flatnonzero(gains > 0)
    if len(good) == 0:
        return None
    times = base.seconds[walk.rows]
    longest = MAX_GAP_SECONDS
    if len(base) > 1:
        longest = max(longest, 3 * base.spacing_seconds)
    breaks = np.flatnonzero(np.diff(times[good]) > longest)
    starts = good[np.append(0, breaks + 1)]
    ends = good[np.append(breaks, len(good) - 1)] + 1
    best, most = None, 0.0
    for start, end in zip(starts, ends, strict=True):
        sums = np.append(0.0, np.cumsum(gains[start:end], dtype=np.float64))
        rises = sums[1:] - np.minimum.accumulate(sums)[:-1]
        last = int(rises.argmax())
        if rises[last] > most:
            most = float(rises[last])
            first = int(sums[: last + 1].argmin())
            best = slice(int(start) + first, int(start) + last + 1)
    return best


def _as_alignment(
    query: FrameSequence,
    library: FrameSequence,
    base: FrameSequence,
    walk: _Walk,
    stretch: slice,
    line: _Line,
    least: float,
) -> Alignment:
    other = library if base is query else query
    similarities = walk.similarities[stretch]
    good = similarities > least
    rows, partners = walk.rows[stretch], walk.partners[stretch]
    distinct = min(
        _distinct_frames(base.vectors, rows[good]),
        _distinct_frames(other.vectors, partners[good]),
    )
    # A frame stands for the time until halfway to its neighbours.
    half = base.spacing_seconds / 2 if len(base) > 1 else 0.0
    ends = np.array([base.seconds[rows[0]] - half, base.seconds[rows[-1]] + half])
    if base is library:
        ends = np.sort((ends - line.offset) / line.speed)
    start, end = (float(at) for at in np.clip(ends, *_limits(query)))
    there = np.sort([line.at(start), line.at(end)])
    low, high = (float(at) for at in np.clip(there, *_limits(library)))
    similarity = float(similarities.mean())
    return Alignment(
        TimeSpan(start, end),
        TimeSpan(low, high),
        line.speed,
        score=max(0.0, similarity) * distinct / (distinct + CERTAIN_FRAMES),
        similarity=similarity,
        distinct_frames=distinct,
    )


def _limits(sequence: FrameSequence) -> tuple[float, float]:
    """The first and the last second that its frames stand for."""
    half = sequence.spacing_seconds / 2 if len(sequence) > 1 else 0.0
    return max(0.0, sequence.seconds[0] - half), sequence.seconds[-1] + half


def _distinct_frames(vectors: NDArray[np.float32], rows: NDArray[np.intp]) -> float:
    """How many different pictures some frames show: each counts one over those that are like it."""
    if len(rows) > _SAMPLED_FRAMES:
        rows = rows[np.linspace(0, len(rows) - 1, _SAMPLED_FRAMES).astype(np.intp)]
    some = vectors[rows]
    alike = (some @ some.T - STATIC_SIMILARITY) / (1 - STATIC_SIMILARITY)
    np.fill_diagonal(alike, 1.0)
    return float((1 / np.clip(alike, 0, 1).sum(axis=1)).sum())


# -- what is explained -----------------------------------------------------------------------------


def _explained(hits: _Hits, match: Alignment, margin: float) -> NDArray[np.bool_]:
    """Which hits a match accounts for."""
    here = (hits.query >= match.query.start_seconds - margin) & (
        hits.query <= match.query.end_seconds + margin
    )
    there = (hits.library >= match.library.start_seconds - margin) & (
        hits.library <= match.library.end_seconds + margin
    )
    # A picture that stands still is like itself at every time: once is enough.
    return here | there if match.distinct_frames < STATIC_DISTINCT else here & there


def _overlap(one: Alignment, other: Alignment) -> float:
    """Common part of two matches, in both videos, over the smaller one."""
    common = one.query.overlap(other.query) * one.library.overlap(other.library)
    areas = [
        match.query.duration_seconds * match.library.duration_seconds for match in (one, other)
    ]
    return common / min(areas) if min(areas) > 0 else float(common > 0)
