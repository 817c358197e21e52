"""Files that clients send: received into a temporary folder, under limits, and deleted afterwards.

async with receive_upload(request, uploads) as upload:
    verdict = library.check(upload.path)

The body is parsed while it arrives, and refused as soon as a limit is reached: no body takes more
disk than that.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from vidseek.web.problems import ProblemError
from vidseek.web.settings import UploadLimits

MAX_FIELD_BYTES = 64 * 1024
MAX_PARTS = 32
MAX_NAME_BYTES = 150
BUFFER_BYTES = 1 << 20
SPACE_EVERY_BYTES = 64 << 20
"""How often the free space is looked at."""
MIN_BYTES_PER_SECOND = 8 * 1024
"""A slower client is cut off ..."""
PATIENCE_SECONDS = 30.0
"""... after this time."""

_PREFIX = "vidseek-serve-"
_STRANGE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\ud800-\udfff\u202a-\u202e\u2066-\u2069]')


@dataclass(frozen=True)
class ReceivedUpload:
    """A file that was received."""

    path: Path
    """Where it is, until the request ends."""
    name: str
    """What the client calls it, safe as a file name."""
    fields: dict[str, str]
    """The other fields of the form."""


class Uploads:
    """The temporary folder of a server, and how many clients send files."""

    def __init__(self, limits: UploadLimits) -> None:
        self.limits = limits
        _remove_folders_of_the_dead()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self.active = 0

    def close(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _remove_folders_of_the_dead() -> None:
    """Delete what servers left that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with suppress(OSError, ValueError):
            owner = folder.lstat().st_uid if hasattr(os, "getuid") else None
            if owner is not None and owner == os.getuid() and not _is_alive(int(number)):
                shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def is_form(request: Request) -> bool:
    """Whether the body is a form that may carry a file."""
    kind, _ = parse_options_header(request.headers.get("content-type"))
    return bool(kind == b"multipart/form-data")


@asynccontextmanager
async def receive_upload(request: Request, uploads: Uploads) -> AsyncIterator[ReceivedUpload]:
    """Receive the form of a request; its part ``file`` is written to a temporary file.

    The file is deleted at the end of the block.

    Raises:
        ProblemError: the body is no such form, or beyond a limit.
        ClientDisconnect: the client went away.
    """
    if uploads.active >= uploads.limits.max_concurrent:
        raise ProblemError(
            503, "busy", "too many files are being received", headers={"Retry-After": "5"}
        )
    uploads.active += 1
    try:
        folder = Path(tempfile.mkdtemp(dir=uploads.folder))
        try:
            received = await _receive(request, uploads.limits, folder)
            uploads.active -= 1
            try:
                yield received
            finally:
                uploads.active += 1
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    finally:
        uploads.active -= 1


async def _receive(request: Request, limits: UploadLimits, folder: Path) -> ReceivedUpload:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.max_bytes + MAX_PARTS * MAX_FIELD_BYTES:
        raise _too_large(limits)
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise ProblemError(415, "wrong_media_type", "send a multipart form with a part `file`")
    await asyncio.to_thread(_check_space, folder, limits, int(length or 0))
    started = time.monotonic()
    with (folder / "upload").open("wb") as file:
        form = _Form(file, options[b"boundary"], limits)
        checked = 0
        try:
            async for piece in request.stream():
                form.feed(piece)
                _check_pace(form.received, time.monotonic() - started, limits)
                if form.is_buffered:
                    await asyncio.to_thread(form.flush)
                if form.received - checked >= SPACE_EVERY_BYTES:
                    checked = form.received
                    await asyncio.to_thread(_check_space, folder, limits, 0)
            await asyncio.to_thread(form.finish)
        except FormParserError as error:
            raise ProblemError(400, "bad_request", f"the form is damaged: {error}") from None
        except OSError as error:
            raise ProblemError(507, "disk_full", "the upload cannot be stored") from error
    if form.name is None:
        raise ProblemError(422, "bad_request", "the form has no part `file`")
    name = safe_name(form.name)
    # The name's ending helps nobody: files are told apart by their content.
    return ReceivedUpload(folder / "upload", name, form.fields)


def _check_space(folder: Path, limits: UploadLimits, wanted_bytes: int) -> None:
    if shutil.disk_usage(folder).free - wanted_bytes < limits.min_free_bytes:
        raise ProblemError(507, "disk_full", "there is no space for the upload")


def _check_pace(received: int, seconds: float, limits: UploadLimits) -> None:
    is_slow = seconds > PATIENCE_SECONDS and received < MIN_BYTES_PER_SECOND * seconds
    if is_slow or seconds > limits.max_receive_seconds:
        raise ProblemError(408, "too_slow", "the upload came too slowly")


def _too_large(limits: UploadLimits) -> ProblemError:
    return ProblemError(413, "too_large", f"a file may have {limits.max_bytes:,} bytes at most")


@dataclass
class _Part:
    """The part of the form that is being read."""

    headers: dict[str, bytearray] = field(default_factory=dict)
    header_name: bytearray = field(default_factory=bytearray)
    header_value: bytearray = field(default_factory=bytearray)
    name: str = ""
    is_file: bool = False
    value: bytearray = field(default_factory=bytearray)


class _Form:
    """A form that is parsed while it arrives."""

    def __init__(self, file: BinaryIO, boundary: bytes, limits: UploadLimits) -> None:
        self.received = 0
        self.name: str | None = None
        self.fields: dict[str, str] = {}
        self._file = file
        self._limits = limits
        self._buffer = bytearray()
        self._file_bytes = 0
        self._parts = 0
        self._part = _Part()
        self._is_complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_part_data": self._add_data,
                "on_part_end": self._end_part,
                "on_header_field": self._add_header_name,
                "on_header_value": self._add_header_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._end_headers,
                "on_end": self._end,
            },
        )

    @property
    def is_buffered(self) -> bool:
        """Whether there is enough to write."""
        return len(self._buffer) >= BUFFER_BYTES

    def feed(self, piece: bytes) -> None:
        """Parse the next piece of the body."""
        self.received += len(piece)
        if self.received > self._limits.max_bytes + MAX_PARTS * MAX_FIELD_BYTES:
            raise _too_large(self._limits)
        self._parser.write(piece)

    def flush(self) -> None:
        """Write what has come to the file."""
        self._file.write(self._buffer)
        self._buffer.clear()

    def finish(self) -> None:
        """Write the rest of the file."""
        self._parser.finalize()
        if not self._is_complete:
            raise ProblemError(400, "bad_request", "the form ends before its last boundary")
        self.flush()
        self._file.flush()

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise ProblemError(413, "too_large", f"a form may have {MAX_PARTS} parts at most")
        self._part = _Part()

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += data[start:end]

    def _end_header(self) -> None:
        part = self._part
        part.headers[part.header_name.decode("latin-1").lower()] = part.header_value
        part.header_name, part.header_value = bytearray(), bytearray()

    def _end_headers(self) -> None:
        part = self._part
        given = bytes(part.headers.get("content-disposition", b""))
        _, options = parse_options_header(given)
        part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if part.name == "file":
            if self.name is not None:
                raise ProblemError(422, "bad_request", "the form has two parts `file`")
            part.is_file = True
            self.name = options.get(b"filename", b"").decode("utf-8", "replace")

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._part.is_file:
            self._file_bytes += end - start
            if self._file_bytes > self._limits.max_bytes:
                raise _too_large(self._limits)
            self._buffer += data[start:end]
            return
        self._part.value += data[start:end]
        if len(self._part.value) > MAX_FIELD_BYTES:
            raise ProblemError(413, "too_large", f"the field {self._part.name!r} is too large")

    def _end_part(self) -> None:
        if not self._part.is_file:
            self.fields[self._part.name] = self._part.value.decode("utf-8", "replace")

    def _end(self) -> None:
        self._is_complete = True


def safe_name(given: str) -> str:
    """A file name without folders, control characters and what file systems refuse.

    >>> safe_name("../../etc/passwd"), safe_name("C:\\\\films\\\\cat.mp4"), safe_name("..")
    ('passwd', 'cat.mp4', 'upload')
    """
    name = re.split(r"[/\\]", given)[-1]
    name = _STRANGE.sub("_", name).strip(" .")
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 16:
        stem, dot, suffix = name, "", ""
    room = MAX_NAME_BYTES - len(f"{dot}{suffix}".encode())
    stem = stem.encode()[:room].decode("utf-8", "ignore").strip(" .")
    return f"{stem}{dot}{suffix}" if stem else "upload"
