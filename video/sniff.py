"""Identify a file by its first bytes before any decoder opens it.

FFmpeg, which both readers use, guesses the format from the content. To it, a text file named
``.mp4`` that begins with ``#EXTM3U`` is a playlist, and it opens the files and network addresses in
that playlist. So the format is decided here, by unambiguous magic numbers from a short list, and
FFmpeg is then forced to use that demuxer.

>>> import tempfile, pathlib
>>> path = pathlib.Path(tempfile.mkdtemp()) / "holiday.mp4"
>>> _ = path.write_text("#EXTM3U\\nhttp://example.org/a.ts")
>>> sniff(path)
Traceback (most recent call last):
vidseek.core.errors.NotAVideoError: ...holiday.mp4: a playlist, not a video
"""

from __future__ import annotations

import re
from pathlib import Path

from vidseek.core.errors import NotAVideoError, UnreadableVideoError
from vidseek.video.hints import CONVERT_VIDEO, COPY_AGAIN

HEAD_BYTES = 64 * 1024
PROBE_BYTES = 1 << 20
"""How far FFmpeg reads to guess a format (PROBE_BUF_MAX)."""

DEMUXERS = ("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "ogg", "gif", "asf", "mxf")
"""The supported demuxers, by FFmpeg's names. ``mov`` includes MP4, ``matroska`` includes WebM."""

_MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"uuid"}
_PICTURE_BRANDS = {b"heic", b"heix", b"mif1", b"avif", b"heim", b"heis", b"jxl "}

_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_MXF_HEADER = bytes.fromhex("060e2b34020501010d010201")

_OTHER_MAGIC = (
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"BM", "a picture (BMP)"),
    (b"II*\x00", "a picture (TIFF)"),
    (b"MM\x00*", "a picture (TIFF)"),
    (b"8BPS", "a picture (Photoshop)"),
    (b"%PDF", "a document (PDF)"),
    (b"PK\x03\x04", "an archive (zip)"),
    (b"\x1f\x8b", "an archive (gzip)"),
    (b"Rar!", "an archive (rar)"),
    (b"7z\xbc\xaf", "an archive (7z)"),
    (b"ID3", "sound only (MP3)"),
    (b"fLaC", "sound only (FLAC)"),
)

_LISTS = re.compile(
    rb"#EXTM3U|ffconcat|<MPD|<AssetMap|<CompositionPlaylist|c=IN IP|v=0\r?\n|\[playlist\]|<ASX"
    rb"|<SmoothStreamingMedia|rtsp://|PRESENTATION|\[Reference\]|RTSPtext",
    re.IGNORECASE,
)
"""Markers of formats that refer to other files."""


def sniff(path: Path) -> str:
    """Choose the demuxer for a file from its bytes alone.

    Returns:
        One of ``DEMUXERS``.

    Raises:
        NotAVideoError: the content is not a supported container.
        UnreadableVideoError: the file cannot be opened.
    """
    head = _read(path, HEAD_BYTES)
    if not head:
        raise NotAVideoError("the file is empty", path=path, hint=COPY_AGAIN)
    demuxer = _demuxer(head)
    if demuxer is not None:
        return demuxer
    if not any(head):
        raise NotAVideoError("the file begins with nothing but zeros", path=path, hint=COPY_AGAIN)
    reason = _what_else(head)
    raise NotAVideoError(
        reason or "not a supported video format",
        path=path,
        hint=CONVERT_VIDEO if reason is None else None,
    )


def is_unmistakable(path: Path) -> bool:
    """True if FFmpeg cannot mistake the file for a list of other files.

    decord accepts neither a forced demuxer nor a protocol whitelist. Its format is guessed from the
    first MiB, in which formats such as DASH and SDP are recognised by words at any position, so a
    crafted file may be valid in two formats. Files that contain such a word never reach decord.
    """
    return _LISTS.search(_read(path, PROBE_BYTES)) is None


def _read(path: Path, size: int) -> bytes:
    try:
        if not path.is_file():
            # A pipe or a device would block or never end.
            reason = "no such file" if not path.exists() else "not a regular file"
            raise UnreadableVideoError(reason, path=path)
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        reason = f"cannot be opened: {error.strerror or error}"
        raise UnreadableVideoError(reason, path=path) from error


def _demuxer(head: bytes) -> str | None:
    if head[4:8] in _MP4_BOXES and not (
        head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS | {b"crx "}
    ):
        return "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3") and (
        b"webm" in head[:4096] or b"matroska" in head[:4096]
    ):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if head.startswith(b"FLV\x01"):
        return "flv"
    if head.startswith(b"OggS\x00"):
        return "ogg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head.startswith(_ASF_HEADER):
        return "asf"
    if head.startswith(_MXF_HEADER):
        return "mxf"
    if re.match(rb"\x00\x00\x01\xba[\x20-\x2f\x40-\x7f]", head):
        return "mpeg"
    if _is_transport_stream(head):
        return "mpegts"
    return None


def _is_transport_stream(head: bytes) -> bool:
    """True for packets of 188 bytes (192 on discs, 204 from tuners) that start with 0x47."""
    for packet_size in (188, 192, 204):
        for offset in range(packet_size):
            syncs = head[offset::packet_size]
            if len(syncs) >= 5 and syncs[:100].count(0x47) == len(syncs[:100]):
                return True
    return False


def _what_else(head: bytes) -> str | None:
    """Name the format of a file that is not a video; None if unknown."""
    if _LISTS.search(head[:4096]):
        return "a playlist, not a video"
    for magic, name in _OTHER_MAGIC:
        if head.startswith(magic):
            return f"{name}, not a video"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "a picture (WebP), not a video"
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return "sound only (WAV), not a video"
    if head[4:8] == b"ftyp":
        return "a picture (HEIF or AVIF), not a video"
    if _is_text(head):
        return "a text file, not a video"
    return None


def _is_text(head: bytes) -> bool:
    try:
        text = head[:4096].decode("utf-8", errors="strict" if len(head) <= 4096 else "ignore")
    except UnicodeDecodeError:
        return False
    return bool(text) and all(c.isprintable() or c in "\t\r\n\f" for c in text)
