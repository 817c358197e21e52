"""Look at a file's first bytes before any decoder does.

FFmpeg, under both our readers, guesses a format from the content: a text file named ``.mp4`` that
begins with ``#EXTM3U`` is a playlist to it, and it opens what the playlist names, other files and
network addresses alike. So the kind is decided here, from magic numbers that leave no doubt, out of
a short list, and the demuxer is then forced by name.

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
"""As far as FFmpeg looks to guess a format (PROBE_BUF_MAX)."""

DEMUXERS = ("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "ogg", "gif", "asf", "mxf")
"""All that a file can be opened as, by FFmpeg's names (mp4 is among ``mov``, WebM ``matroska``)."""

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
"""Signs of formats that name other files."""


def sniff(path: Path) -> str:
    """Decide which demuxer may open a file, from its bytes alone.

    Returns:
        One of ``DEMUXERS``.

    Raises:
        NotAVideoError: the bytes are none of the containers that are read.
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
        reason or "the content is no video format that vidseek reads",
        path=path,
        hint=CONVERT_VIDEO if reason is None else None,
    )


def is_unmistakable(path: Path) -> bool:
    """True if FFmpeg's own guess cannot turn the file into a list of other files.

    decord takes no options: neither a forced demuxer nor a protocol whitelist. What it opens is
    guessed from the first MiB, where formats such as DASH and SDP are recognised by words anywhere
    in it, so a crafted file may be two things at once. Files with such a word there never reach
    decord.
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
    """Packets of 188 bytes (192 on a disc, 204 from a tuner), each begun by 0x47."""
    for packet_size in (188, 192, 204):
        for offset in range(packet_size):
            syncs = head[offset::packet_size]
            if len(syncs) >= 5 and syncs[:100].count(0x47) == len(syncs[:100]):
                return True
    return False


def _what_else(head: bytes) -> str | None:
    """What a file is that is no video; None if that is unknown."""
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
