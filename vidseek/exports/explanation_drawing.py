"""Draw an explanation: heat maps over the frame, the video's curve, the weights of the frames.

Heat maps range from the least to the highest cosine of their own cells, which their captions name.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import Explanation, WordMap
from vidseek.search.understanding.explain import enlarged

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

WIDTH, MARGIN, GAP = 1080, 20, 12
COLUMNS = 4
CAPTION, CHART, HEADING = 22, 110, 30
TEXT_SIZE = 14
MAX_TILE_HEIGHT = 420
INK, FAINT, LINE, MARK = "#222222", "#e4e4e4", "#3b6fb6", "#d9822b"
SERIES = (("additive", "#3b6fb6"), ("dot product", "#d9822b"), ("multi-head", "#4f9d54"))
_HEAT = np.array([(255, 241, 118), (255, 152, 0), (198, 20, 20)], np.float32)
"""Colours of low, middle and high values; low values are see-through."""
MAX_OPACITY = 0.7


def heat_over(
    picture: NDArray[np.uint8], cells: NDArray[np.float32], area: Sequence[float]
) -> NDArray[np.uint8]:
    """A picture (H, W, 3) with a heat map of cells (rows, columns) over the part they cover."""
    height, width = picture.shape[:2]
    left, right = (round(min(max(x, 0.0), 1.0) * width) for x in (area[0], area[2]))
    top, bottom = (round(min(max(y, 0.0), 1.0) * height) for y in (area[1], area[3]))
    if right <= left or bottom <= top:
        return picture
    # Cells may reach over the edge, where a model pads pictures.
    full = enlarged(
        cells,
        max(1, round((area[2] - area[0]) * width)),
        max(1, round((area[3] - area[1]) * height)),
    )
    skip_y, skip_x = max(0, round(-area[1] * height)), max(0, round(-area[0] * width))
    values = full[skip_y : skip_y + bottom - top, skip_x : skip_x + right - left]
    low, high = float(values.min()), float(values.max())
    shares = (values - low) / max(high - low, 1e-6)
    stops = np.linspace(0, 1, len(_HEAT))
    colours = np.stack([np.interp(shares, stops, _HEAT[:, c]) for c in range(3)], axis=-1)
    result = picture.astype(np.float32)
    part = result[top : top + values.shape[0], left : left + values.shape[1]]
    part += (colours - part) * (shares * MAX_OPACITY)[..., None]
    return result.clip(0, 255).astype(np.uint8)


class Drawing:
    """The picture of an explanation."""

    def __init__(self, explanation: Explanation) -> None:
        from PIL import ImageFont

        self._explained = explanation
        self._font = ImageFont.load_default(TEXT_SIZE)
        height, width = explanation.picture.shape[:2]
        self._tile_width = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) // COLUMNS
        self._tile_height = min(round(self._tile_width * height / width), MAX_TILE_HEIGHT)

    def png(self) -> bytes:
        """The bytes of a PNG file."""
        from PIL import Image, ImageDraw

        tiles = 1 + len(self._explained.maps)
        tile_rows = -(-tiles // COLUMNS)
        height = MARGIN + HEADING + tile_rows * (self._tile_height + CAPTION + GAP)
        curve_top = height
        height += 2 * (HEADING + CHART) + MARGIN
        self._picture = Image.new("RGB", (WIDTH, height), "white")
        self._pen = ImageDraw.Draw(self._picture)
        explained = self._explained
        self._write((MARGIN, MARGIN), f'"{explained.text}" in {explained.video.path.name}')
        self._draw_tiles()
        self._draw_curve(curve_top)
        self._draw_weights(curve_top + HEADING + CHART)
        buffer = io.BytesIO()
        self._picture.save(buffer, "PNG")
        return buffer.getvalue()

    def _draw_tiles(self) -> None:
        explained = self._explained
        caption = f"{explained.seconds:.2f} s, score {explained.score:.3f}"
        self._draw_tile(0, explained.picture, caption)
        for place, each in enumerate(explained.maps, 1):
            heat = heat_over(explained.picture, each.cells, explained.area)
            self._draw_tile(place, heat, _caption(each), peak=each.peak)

    def _draw_tile(
        self,
        place: int,
        pixels: NDArray[np.uint8],
        caption: str,
        *,
        peak: tuple[float, float] | None = None,
    ) -> None:
        tile = _picture_of(pixels).resize((self._tile_width, self._tile_height))
        left = MARGIN + (place % COLUMNS) * (self._tile_width + GAP)
        top = MARGIN + HEADING + (place // COLUMNS) * (self._tile_height + CAPTION + GAP)
        self._picture.paste(tile, (left, top))
        if peak is not None:
            x, y = left + peak[0] * self._tile_width, top + peak[1] * self._tile_height
            self._pen.ellipse((x - 6, y - 6, x + 6, y + 6), outline="white", width=2)
        self._write((left, top + self._tile_height + 3), caption, self._tile_width)

    def _draw_curve(self, top: int) -> None:
        explained = self._explained
        self._write((MARGIN, top), "Score of each clip of the video")
        top += HEADING
        scores = [score for _, score in explained.curve]
        low, high = min(0.0, *scores), max(0.05, *scores)
        length = max(explained.video.duration_seconds, explained.curve[-1][0].end_seconds, 1e-6)
        scale = (WIDTH - 2 * MARGIN) / length
        bottom = top + CHART - HEADING
        for span, score in explained.curve:
            left = MARGIN + span.start_seconds * scale
            right = max(MARGIN + span.end_seconds * scale, left + 1)
            y = bottom - (score - low) / (high - low) * (bottom - top)
            colour = MARK if span == explained.clip else LINE
            self._pen.rectangle((left, min(y, bottom - 1), right, bottom), colour)
        x = MARGIN + explained.seconds * scale
        self._pen.line((x, top - 4, x, bottom + 4), INK, 2)
        self._write((MARGIN, bottom + 4), f"0 s, scores {low:.2f} to {high:.2f}")
        self._write((WIDTH - MARGIN - 70, bottom + 4), f"{length:.1f} s")

    def _draw_weights(self, top: int) -> None:
        series = self._series()
        x = MARGIN
        for name, colour, values in series:
            caption = f"{name}, at most {values.max():.3f}"
            self._pen.rectangle((x, top + 4, x + 10, top + 14), colour)
            self._write((x + 16, top), caption)
            x += 320
        top += HEADING
        bottom = top + CHART - HEADING
        frames = self._explained.frames
        slot = (WIDTH - 2 * MARGIN) / max(len(frames), 1)
        bar = min(slot / (len(series) + 1), 24.0)
        self._pen.line((MARGIN, bottom, WIDTH - MARGIN, bottom), FAINT)
        for row, frame in enumerate(frames):
            left = MARGIN + row * slot
            for place, (_, colour, values) in enumerate(series):
                share = max(float(values[row]), 0.0) / max(float(values.max()), 1e-9)
                box_left = left + place * bar
                y = bottom - share * (bottom - top)
                self._pen.rectangle((box_left, min(y, bottom - 1), box_left + bar, bottom), colour)
            self._write((left, bottom + 4), f"{frame.seconds:.1f} s", max(slot, 30))

    def _series(self) -> list[tuple[str, str, NDArray[np.float64]]]:
        """Name, colour and values of the weights that the model has."""
        frames = self._explained.frames
        columns = [[frame.additive for frame in frames], [frame.dot_product for frame in frames]]
        if frames and frames[0].heads:
            columns.append([float(np.mean(frame.heads)) for frame in frames])
        return [
            (name, colour, np.asarray(values, np.float64))
            for (name, colour), values in zip(SERIES, columns, strict=False)
        ]

    def _write(self, place: tuple[float, float], text: str, width: float = WIDTH) -> None:
        # The font covers Latin-1 only; drawing other letters would fail.
        shown = text.encode("latin-1", "replace").decode("latin-1")
        while len(shown) > 4 and self._pen.textlength(shown, self._font) > width:
            shown = f"{shown[:-4]}..."
        self._pen.text(place, shown, INK, self._font)


def _caption(found: WordMap) -> str:
    low, high = float(found.cells.min()), float(found.cells.max())
    return f"{found.word}: {low:.2f} to {high:.2f}"


def _picture_of(pixels: NDArray[np.uint8]) -> Picture:
    from PIL import Image

    return Image.fromarray(pixels)
