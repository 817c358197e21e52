"""Reader based on Pillow, for animated WebP: FFmpeg takes the file for a single picture.

Times come from the file's chunks (https://developers.google.com/speed/webp/docs/riff_container).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import UnreadableVideoError
from vidseek.core.types import FrameBatch
from vidseek.video.colour import GREY
from vidseek.video.hints import COPY_AGAIN
from vidseek.video.info import VideoInfo
from vidseek.video.limits import DecodeLimits, too_much_memory
from vidseek.video.readers.packets import PacketTable, build_table
from vidseek.video.readers.reader import ReaderName, batched, check_limits

if TYPE_CHECKING:
    from PIL.Image import Image

_MIN_MILLISECONDS = 11
_DEFAULT_MILLISECONDS = 100
"""Shown for less than the first, a picture stays for the second, as in browsers."""


class PillowReader:
    """An open animated WebP. See ``VideoReader``."""

    name: ReaderName = "pillow"

    def __init__(
        self,
        path: Path,
        *,
        short_side: int | None,
        limits: DecodeLimits,
        on_progress: Callable[[], None] | None,
    ) -> None:
        """Open a file.

        Args:
            path: a file that ``sniff`` takes for an animated WebP.
            short_side: as for ``open_video``.
            limits: as for ``open_video``.
            on_progress: as for ``open_video``.

        Raises:
            UnreadableVideoError: the file is damaged.
            DecodeLimitError: it is larger or longer than the limits allow.
        """
        self._path = path
        self._on_progress = on_progress or (lambda: None)
        self._damaged = False
        self._table, (width, height) = _read_chunks(path)
        self._info = VideoInfo(
            duration_seconds=self._table.end_seconds,
            frame_rate=self._table.frame_rate,
            width=width,
            height=height,
            codec="webp",
            container="webp",
            rotation_degrees=0,
        )
        check_limits(self._info, limits, path)
        self._size = self._info.scaled_size(short_side)

    @property
    def info(self) -> VideoInfo:
        """See ``VideoReader``."""
        return self._info

    @property
    def damaged(self) -> bool:
        """See ``VideoReader``."""
        return self._damaged

    def packets(self) -> PacketTable:
        """See ``VideoReader``."""
        return self._table

    def frames(self, rows: NDArray[np.intp]) -> Iterator[FrameBatch]:
        """See ``VideoReader``."""
        has_batch = False
        for batch in batched(self._frames(rows)):
            has_batch = True
            yield batch
        if not has_batch:
            raise UnreadableVideoError(
                "no picture of it can be decoded", path=self._path, hint=COPY_AGAIN
            )

    def close(self) -> None:
        """See ``VideoReader``. The file is open only while pictures are decoded."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _frames(self, rows: NDArray[np.intp]) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        import PIL.Image

        try:
            with PIL.Image.open(self._path, formats=("WEBP",)) as image:
                for row in rows.tolist():
                    self._on_progress()
                    image.seek(row)
                    yield float(self._table.pts_seconds[row]), self._to_rgb(image)
        except MemoryError as error:
            raise too_much_memory(self._path) from error
        except (OSError, EOFError, ValueError, SyntaxError):
            self._damaged = True

    def _to_rgb(self, image: Image) -> NDArray[np.uint8]:
        import PIL.Image

        upright = image.convert("RGBA")
        background = PIL.Image.new("RGBA", upright.size, (GREY, GREY, GREY, 255))
        background.alpha_composite(upright)
        scaled = background.convert("RGB")
        if scaled.size != self._size:
            scaled = scaled.resize(self._size, PIL.Image.Resampling.BICUBIC)
        return np.asarray(scaled, dtype=np.uint8)


def _read_chunks(path: Path) -> tuple[PacketTable, tuple[int, int]]:
    """The pictures of an animated WebP, and the size of its canvas."""
    milliseconds: list[int] = []
    sizes: list[int] = []
    canvas = (0, 0)
    with path.open("rb") as file:
        file.seek(12)
        while len(header := file.read(8)) == 8:
            size = int.from_bytes(header[4:], "little")
            body = file.read(min(size, 16))
            if header[:4] == b"VP8X" and len(body) >= 10:
                width, height = body[4:7], body[7:10]
                canvas = (int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1)
            elif header[:4] == b"ANMF" and len(body) == 16:
                shown = int.from_bytes(body[12:15], "little")
                milliseconds.append(shown if shown >= _MIN_MILLISECONDS else _DEFAULT_MILLISECONDS)
                sizes.append(size)
            file.seek(size + size % 2 - len(body), 1)
    if not sizes or 0 in canvas:
        raise UnreadableVideoError("no picture in it", path=path, hint=COPY_AGAIN)
    durations = np.asarray(milliseconds) / 1000
    starts = np.concatenate([[0.0], np.cumsum(durations)[:-1]])
    # Pillow decodes from the first picture on; any can be asked for.
    return build_table(starts, sizes, np.ones(len(sizes), np.int8), durations), canvas
