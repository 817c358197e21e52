"""Compare the details of two videos in pictures of the same moments.

    details = DetailComparison()
    agreement = details.compare(shown, stored)    # None: too little to compare

The copy descriptor sees 144 pixels of a frame: the layout of a slide, not its words. Here each pair
of pictures is registered: as a whole, or by an affine transform that RANSAC (Fischler and Bolles
1981) fits to matched SIFT features (Lowe 2004). Then small cells are compared by their normalised
correlation.

What stays the same in all pictures of a video, such as a template, a studio or a channel's logo,
says nothing about which film of a series it is. So the mean picture of each video is subtracted
before the cells are compared. From each cell the means of its rows and columns are subtracted too:
lines of any text have them in common, and so have tables, staves and buttons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONG_SIDE = 480
"""Pixels. Pictures are scaled to this, also upwards: 640 separates no better and takes twice as
long."""
FEATURES = 600
"""SIFT features of a picture..."""
MAX_RATIO = 0.8
"""...which match if the nearest is this much nearer than the next (Lowe 2004)."""
MAX_ERROR_PIXELS = 4.0
"""Of a feature, after registration."""
MIN_FEATURES = 4
"""Features that agree on a registration."""
MAX_ZOOM, MAX_STRETCH = 6.0, 3.0
"""Of a registration: a picture shows at least a 36th of the other, stretched at most this much."""
CELL_PIXELS = 18
BLUR_PIXELS = 1.2
"""Standard deviation: cells tolerate a pixel or two of misregistration, and compression."""
MIN_TEXTURE, MIN_DETAIL = 6.0, 3.5
"""Standard deviation, in grey levels, of a cell that is compared: for the registration, and of the
details, without the means of its rows and columns."""
MIN_NOISE, NOISE_FACTOR = 1.0, 3.0
"""Details of the emptiest tenth of the cells, in grey levels: where one video has so much more of
them, it is noisy, or has a pattern over it. Then a cell is compared if it has this many times
those details. All of 10 noisy copies of calibration videos had more; of 18 others one, a
pixelised one."""
MAX_DRAWN = 0.1
"""Details of the emptiest tenth of the cells of drawn pictures, at most: 25 drawn calibration
videos had up to 0.09, and so had 8 of 60 copies of photographs and footage."""
MIN_CORRELATION = 0.5
"""Of a cell that shows the same."""
MIN_CELLS = 12
"""With fewer cells nothing is said."""
CLEAR_SHARE = 0.8
"""With this share of the cells, no other registration is tried."""
MAX_PREPARED = 128
"""Pictures whose features are kept: 0.6 MB each."""

_Grey = NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """How far two videos show the same in pictures of the same moments."""

    whole: float
    """Share of the compared cells that show the same, 0 to 1."""
    changing: float | None
    """The same of what changes in the videos; None if nothing does, or in a single pair of
    pictures."""
    is_drawn: bool = True
    """Whether the pictures are drawn, with flat areas, as slides and screens are. The footage of a
    camera has grain everywhere."""


class DetailComparison:
    """Compares pictures of videos; remembers the features of those compared last."""

    def __init__(self) -> None:
        self._prepared = lru_cache(maxsize=MAX_PREPARED)(_prepared)

    def compare(
        self, shown: Sequence[NDArray[np.uint8]], stored: Sequence[NDArray[np.uint8]]
    ) -> Agreement | None:
        """Compare pictures of two videos, pair by pair.

        Args:
            shown: N pictures (H, W, 3) uint8 RGB of any sizes, N at least 1; the second video may
                be cropped in them, mirrored, turned, stretched, or a part of the picture.
            stored: N pictures of the same moments of the second video, all of one size.

        Returns:
            The agreement; None if the pictures have too little texture to compare.
        """
        queries = [self._prepared(picture.tobytes(), picture.shape) for picture in shown]
        references = [self._prepared(picture.tobytes(), picture.shape) for picture in stored]
        views = _views(queries, references)
        if _rank(views) < CLEAR_SHARE:
            flipped = [query.flipped for query in queries]
            views = max(views, _views(flipped, references), key=_rank)
        floors = [
            min(query.floor, reference.floor)
            for query, reference in zip(queries, references, strict=True)
        ]
        agreement = _agreement(views, references)
        return agreement and replace(agreement, is_drawn=float(np.median(floors)) < MAX_DRAWN)


def _prepared(pixels: bytes, shape: tuple[int, ...]) -> _Picture:
    return _Picture(_grey(np.frombuffer(pixels, np.uint8).reshape(shape)))


def _rank(views: Sequence[_View]) -> float:
    """Mean rank of the views of a video: which of its mirrorings fits."""
    return sum(view.rank for view in views) / len(views)


@cache
def _sift() -> Any:
    import cv2

    return cv2.SIFT.create(nfeatures=FEATURES)


@dataclass(frozen=True)
class _Picture:
    grey: NDArray[np.uint8]
    """(H, W); the longer side has ``LONG_SIDE`` pixels."""

    @cached_property
    def features(self) -> tuple[_Grey, _Grey]:
        """(N, 2) places and (N, 128) descriptors of its SIFT features."""
        places, descriptors = _sift().detectAndCompute(self.grey, None)
        if descriptors is None:
            descriptors = np.zeros((0, 128), np.float32)
        return np.array([place.pt for place in places], np.float32).reshape(-1, 2), descriptors

    @cached_property
    def flipped(self) -> _Picture:
        """Its mirror image."""
        return _Picture(np.ascontiguousarray(self.grey[:, ::-1]))

    @cached_property
    def blurred(self) -> _Grey:
        """(H, W) float32."""
        return _blurred(self.grey)

    @cached_property
    def floor(self) -> float:
        """Deviation of the details of the emptiest tenth of its cells: noise, if anything."""
        return float(np.percentile(_deviations(_details_of(self.blurred)), 10))


@dataclass(frozen=True)
class _View:
    """A picture of one video, laid over the picture of the other video."""

    transform: NDArray[np.float64]
    """(2, 3) affine, to pixels of the other picture."""
    picture: _Grey
    """(H, W) as the other picture; blurred, and inverted where that fits better: a negative."""
    inside: NDArray[np.bool_]
    """(H, W) what the picture covers."""
    same: int
    """Cells that show the same in both pictures..."""
    compared: int
    """...of those compared."""
    min_detail: float
    """Minimum deviation of the details of a cell that is compared."""

    @property
    def share(self) -> float:
        """Share of the compared cells that show the same."""
        return self.same / max(self.compared, 1)

    @property
    def rank(self) -> float:
        """Sort key of views: the share, less for a few cells, which agree by chance."""
        return self.same / (self.compared + MIN_CELLS)


def _grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    scale = LONG_SIDE / max(grey.shape)
    size = tuple(max(CELL_PIXELS, round(side * scale)) for side in grey.shape[::-1])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, size, interpolation=how), np.uint8)


def _blurred(grey: NDArray[Any]) -> _Grey:
    import cv2

    return np.asarray(cv2.GaussianBlur(grey.astype(np.float32), (0, 0), BLUR_PIXELS), np.float32)


def _views(queries: Sequence[_Picture], references: Sequence[_Picture]) -> list[_View]:
    """Lay each picture over its counterpart.

    A picture that cannot be registered alone takes the registration of the best pair: in a video,
    a crop or a window stays where it is.
    """
    views = []
    for query, reference in zip(queries, references, strict=True):
        tried: list[_View] = []
        for transform in _registrations(query, reference):
            tried.append(_view(query, reference, transform))
            if tried[-1].rank >= CLEAR_SHARE:
                break
        views.append(max(tried, key=lambda view: view.rank))
    best = max(views, key=lambda view: view.rank)
    return [
        view
        if view.rank >= CLEAR_SHARE or view is best
        else max(view, _view(query, reference, best.transform), key=lambda view: view.rank)
        for view, query, reference in zip(views, queries, references, strict=True)
    ]


def _registrations(query: _Picture, reference: _Picture) -> Iterator[NDArray[np.float64]]:
    """(2, 3) affine transforms from one picture to the other: as a whole, then by features."""
    import cv2

    (high, wide), (height, width) = query.grey.shape, reference.grey.shape
    yield np.array([[width / wide, 0, 0], [0, height / high, 0]])
    (places, descriptors), (their_places, theirs) = query.features, reference.features
    if min(len(places), len(their_places)) < MIN_FEATURES:
        return
    nearest = cv2.BFMatcher(cv2.NORM_L2).knnMatch(descriptors, theirs, k=2)
    clear = [first for first, second in nearest if first.distance < MAX_RATIO * second.distance]
    if len(clear) < MIN_FEATURES:
        return
    fitted, _ = cv2.estimateAffine2D(
        places[[match.queryIdx for match in clear]],
        their_places[[match.trainIdx for match in clear]],
        ransacReprojThreshold=MAX_ERROR_PIXELS,
    )
    if fitted is not None and _is_plausible(transform := np.asarray(fitted, np.float64)):
        yield transform


def _is_plausible(transform: NDArray[np.float64]) -> bool:
    least, most = sorted(np.linalg.svd(transform[:, :2], compute_uv=False).tolist())
    is_flipped = np.linalg.det(transform[:, :2]) < 0
    return (
        not is_flipped and least > 1 / MAX_ZOOM and most < MAX_ZOOM and most < MAX_STRETCH * least
    )


def _view(query: _Picture, reference: _Picture, transform: NDArray[np.float64]) -> _View:
    import cv2

    size = reference.grey.shape[::-1]
    picture = _blurred(cv2.warpAffine(query.grey, transform, size))
    everything = np.full(query.grey.shape, 255, np.uint8)
    inside = cv2.warpAffine(everything, transform, size) > 200
    ours, theirs = _textures(picture), _textures(reference.blurred)
    same, opposite, compared = _compare(ours, theirs, inside, MIN_TEXTURE)
    if opposite > same:
        picture, same = 255 - picture, opposite
    min_detail = MIN_DETAIL
    if abs(query.floor - reference.floor) > MIN_NOISE:
        min_detail = max(min_detail, NOISE_FACTOR * max(query.floor, reference.floor))
    return _View(transform, picture, inside, same, compared, min_detail)


def _agreement(views: Sequence[_View], references: Sequence[_Picture]) -> Agreement | None:
    """The agreement of all pairs."""
    nothing = np.zeros_like(references[0].blurred)
    same, compared = _details(views, references, nothing, nothing)
    if compared < MIN_CELLS:
        return None
    whole = same / compared
    if len(views) == 1:
        return Agreement(whole, None)
    ours = _mean([view.picture for view in views], [view.inside for view in views])
    theirs = np.mean([reference.blurred for reference in references], axis=0)
    same, compared = _details(views, references, ours, theirs)
    return Agreement(whole, same / compared if compared >= MIN_CELLS else None)


def _details(
    views: Sequence[_View], references: Sequence[_Picture], ours: _Grey, theirs: _Grey
) -> tuple[int, int]:
    """Cells that show the same, and compared cells, of pictures less (H, W) means."""
    counts = [
        _compare(
            _details_of(view.picture - ours),
            _details_of(reference.blurred - theirs),
            view.inside,
            view.min_detail,
        )
        for view, reference in zip(views, references, strict=True)
    ]
    same, _, compared = np.sum(counts, axis=0).tolist()
    return same, compared


def _mean(pictures: Sequence[_Grey], inside: Sequence[NDArray[np.bool_]]) -> _Grey:
    """(H, W) the mean of what pictures show at each place."""
    shown = np.sum(inside, axis=0)
    total = np.sum(
        [picture * where for picture, where in zip(pictures, inside, strict=True)], axis=0
    )
    mean: _Grey = (total / np.maximum(shown, 1)).astype(np.float32)
    return mean


def _compare(
    ours: _Grey, theirs: _Grey, inside: NDArray[np.bool_], min_deviation: float
) -> tuple[int, int, int]:
    """Number of cells that show the same in two pictures, of those that show its negative, and of
    those compared; cells are (Y, X, rows, columns).

    ``inside`` is (H, W), ``min_deviation`` that of a cell in either picture.
    """
    our_deviation, their_deviation = _deviations(ours), _deviations(theirs)
    is_covered = _in_cells(inside.astype(np.float32)).mean((2, 3)) > 0.98
    compared = is_covered & (np.maximum(our_deviation, their_deviation) > min_deviation)
    products = np.einsum("yxij,yxij->yx", ours, theirs) / CELL_PIXELS**2
    correlations = products / np.maximum(our_deviation * their_deviation, 1e-3)
    chosen = correlations[compared]
    return (
        int((chosen > MIN_CORRELATION).sum()),
        int((chosen < -MIN_CORRELATION).sum()),
        int(compared.sum()),
    )


def _deviations(cells: _Grey) -> _Grey:
    """(Y, X) standard deviations of cells with a mean of 0."""
    deviations: _Grey = np.sqrt((cells**2).mean((2, 3)))
    return deviations


def _textures(picture: _Grey) -> _Grey:
    """(Y, X, rows, columns) cells less their means."""
    cells = _in_cells(picture)
    cells -= cells.mean((2, 3), keepdims=True)
    return cells


def _details_of(picture: _Grey) -> _Grey:
    """(Y, X, rows, columns) cells less the means of their rows and columns."""
    cells = _in_cells(picture)
    cells -= cells.mean(2, keepdims=True)
    cells -= cells.mean(3, keepdims=True)
    return cells


def _in_cells(picture: _Grey) -> _Grey:
    rows, columns = (side // CELL_PIXELS for side in picture.shape)
    inner = picture[: rows * CELL_PIXELS, : columns * CELL_PIXELS]
    cells = inner.reshape(rows, CELL_PIXELS, columns, CELL_PIXELS).transpose(0, 2, 1, 3)
    return cells.copy()
