"""Write the key frames of a video as a list, a page, a picture or a reel."""

from __future__ import annotations

import io
import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import ExportError
from vidseek.core.job import Job
from vidseek.exports.contact_sheet import SheetRow, write_contact_sheet
from vidseek.exports.files import write_atomically
from vidseek.exports.moments import ExportNote, Moment
from vidseek.exports.reel import write_reel
from vidseek.search.understanding.summary import KeyFrame, decode_frames
from vidseek.video.thumbnail import encode_thumbnail

SUFFIXES = (".json", ".html", ".jpg", ".jpeg", ".mp4")
CELL = (320, 200)
"""Pixels of a frame on the sheet, with its time below."""
CAPTION_HEIGHT = 20
MAX_COLUMNS = 6


def summary_json(frames: Sequence[KeyFrame], thumbnails: Sequence[Path | None]) -> list[Any]:
    """The key frames as ``vidseek summary --json`` writes them."""
    return [
        {
            "path": str(frame.video.path),
            "seconds": round(frame.seconds, 3),
            "thumbnail": None if thumbnail is None else str(thumbnail),
        }
        for frame, thumbnail in zip(frames, thumbnails, strict=True)
    ]


def write_summary(
    frames: Sequence[KeyFrame],
    thumbnails: Sequence[Path | None],
    file: Path,
    *,
    title: str = "",
    job: Job | None = None,
) -> tuple[ExportNote, ...]:
    """Write a summary; the suffix of the file chooses the form.

    Args:
        frames: of one video, in order of time.
        thumbnails: the library's picture of each frame, or of its clip.
        file: ``.json``, ``.html``, ``.jpg`` or ``.mp4``; written or replaced in one step.
        title: of the page.
        job: cancels.

    Returns:
        What was left out of a reel, and why.

    Raises:
        ExportError: there is no frame, the suffix is another one, or no part could be cut.
        OSError: the file cannot be written.
    """
    suffix = check_suffix(file)
    if not frames:
        raise ExportError("there is nothing to summarise: every frame is blank")
    if suffix == ".mp4":
        return write_reel(_moments(frames, thumbnails), file, job=job)
    file.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".json":
        text = json.dumps(summary_json(frames, thumbnails), indent=2, allow_nan=False)
        write_atomically(file, f"{text}\n".encode())
    elif suffix == ".html":
        _write_page(frames, thumbnails, file, title)
    else:
        write_atomically(file, _sheet(frames, thumbnails))
    return ()


def check_suffix(file: Path) -> str:
    """The suffix of a summary's file.

    Raises:
        ExportError: summaries are not written in such files.
    """
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise ExportError(f"{file}: a summary is written to .json, .html, .jpg or .mp4", path=file)
    return suffix


def _moments(frames: Sequence[KeyFrame], thumbnails: Sequence[Path | None]) -> list[Moment]:
    """The clips of the frames, each once; neighbours are joined."""
    moments: list[Moment] = []
    for frame, thumbnail in zip(frames, thumbnails, strict=True):
        start, end = frame.span.start_seconds, frame.span.end_seconds
        if moments and start <= moments[-1].end_seconds + 0.001:
            last = moments.pop()
            start, end = last.start_seconds, max(end, last.end_seconds)
        moments.append(Moment(frame.video.path, start, end, thumbnail=thumbnail))
    return moments


def _pictures(
    frames: Sequence[KeyFrame], thumbnails: Sequence[Path | None]
) -> list[NDArray[np.uint8] | None]:
    """The frames themselves; thumbnails of their clips where they cannot be decoded."""
    from vidseek.storage.thumbnails import read_thumbnail

    decoded = decode_frames(frames[0].video, [frame.seconds for frame in frames])
    return [
        picture if picture is not None or path is None else read_thumbnail(path)
        for picture, path in zip(decoded, thumbnails, strict=True)
    ]


def _write_page(
    frames: Sequence[KeyFrame], thumbnails: Sequence[Path | None], file: Path, title: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        moments = []
        for number, (frame, picture) in enumerate(
            zip(frames, _pictures(frames, thumbnails), strict=True)
        ):
            path = None
            if picture is not None:
                path = Path(folder) / f"{number}.jpg"
                path.write_bytes(encode_thumbnail(picture))
            end = max(frame.span.end_seconds, frame.seconds)
            moments.append(Moment(frame.video.path, frame.seconds, end, thumbnail=path))
        row = SheetRow(title or frames[0].video.path.name, moments)
        write_contact_sheet(file, title=row.query, rows=[row])


def _sheet(frames: Sequence[KeyFrame], thumbnails: Sequence[Path | None]) -> bytes:
    """A JPEG with the frames in rows, each with its time."""
    from PIL import Image, ImageDraw

    columns = min(MAX_COLUMNS, math.ceil(math.sqrt(len(frames))))
    rows = math.ceil(len(frames) / columns)
    width, height = CELL
    sheet = Image.new("RGB", (columns * width, rows * height), (22, 24, 28))
    draw = ImageDraw.Draw(sheet)
    for number, (frame, pixels) in enumerate(
        zip(frames, _pictures(frames, thumbnails), strict=True)
    ):
        left, top = number % columns * width, number // columns * height
        if pixels is not None:
            picture = Image.fromarray(pixels)
            picture.thumbnail((width, height - CAPTION_HEIGHT))
            space = width - picture.width, height - CAPTION_HEIGHT - picture.height
            sheet.paste(picture, (left + space[0] // 2, top + space[1] // 2))
        minutes, seconds = divmod(int(frame.seconds), 60)
        draw.text((left + 8, top + height - CAPTION_HEIGHT + 4), f"{minutes}:{seconds:02d}")
    jpeg = io.BytesIO()
    sheet.save(jpeg, "JPEG", quality=85)
    return jpeg.getvalue()
