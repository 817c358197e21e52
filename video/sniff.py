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

from vidseek.core.errors import NotAVideoError, SoundOnlyError, UnreadableVideoError
from vidseek.video.hints import CONVERT_VIDEO, COPY_AGAIN

HEAD_BYTES = 64 * 1024
_QUICK_BYTES = 4096
PROBE_BYTES = 1 << 20
"""How far FFmpeg reads to guess a format (PROBE_BUF_MAX)."""

DEMUXERS = (
    *("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "ogg", "gif", "asf", "mxf"),
    *("dv", "rm", "yuv4mpegpipe", "nut", "ivf", "apng", "wtv", "gxf", "webp"),
    *("h264", "hevc", "mpegvideo", "m4v", "obu"),
)
"""The supported demuxers, by FFmpeg's names. ``mov`` includes MP4, ``matroska`` includes WebM;
``webp`` is read by Pillow; the last row are raw streams. All read the given file only."""
RAW_STREAMS = ("h264", "hevc")
"""Demuxers that give packets no times."""

_MP4_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"uuid"}
_PICTURE_BRANDS = {b"heic", b"heix", b"mif1", b"avif", b"heim", b"heis", b"jxl "}

_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_MXF_HEADER = bytes.fromhex("060e2b34020501010d010201")

_MAGIC = (
    (b"FLV\x01", "flv"),
    (b"OggS\x00", "ogg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (_ASF_HEADER, "asf"),
    (_MXF_HEADER, "mxf"),
    (b".RMF\x00\x00", "rm"),
    (b"YUV4MPEG2 ", "yuv4mpegpipe"),
    (b"nut/multimedia container\x00", "nut"),
    (b"DKIF\x00\x00\x20\x00", "ivf"),
    (bytes.fromhex("b7d800203749da11a64e0007e95ead8d"), "wtv"),
    (b"\x00\x00\x00\x00\x01\xbc\x00\x00\x00\x00\xe1\xe2", "gxf"),
    (b"\x00\x00\x01\xb3", "mpegvideo"),
    (b"\x12\x00\x0a", "obu"),
)
_RAW_STREAMS = (
    (
        re.compile(rb"\x00?\x00\x00\x01(?:\x67|\x27|\x47|\x09[\x10\x30\x50\x70\x90\xb0\xd0\xf0])"),
        "h264",
    ),
    (re.compile(rb"\x00?\x00\x00\x01(?:\x40\x01\x0c|\x42\x01\x01|\x46\x01[\x10\x30\x50])"), "hevc"),
    (re.compile(rb"\x00\x00\x01\xb0.\x00\x00\x01\xb5", re.DOTALL), "m4v"),
)
"""Streams without a container, by their first unit: a parameter set or an access unit delimiter."""

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
        NotAVideoError: the content is not a supported container; ``SoundOnlyError`` if it is a
            sound file.
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
    if reason is not None and reason.startswith("sound only"):
        raise SoundOnlyError(reason, path=path)
    raise NotAVideoError(
        reason or "not a supported video format",
        path=path,
        hint=CONVERT_VIDEO if reason is None else None,
    )


def may_be_video(path: Path) -> bool:
    """True if a file begins like a supported video, whatever its name.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return _demuxer(file.read(_QUICK_BYTES)) is not None


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
    for magic, demuxer in _MAGIC:
        if head.startswith(magic):
            return demuxer
    if re.match(rb"\x00\x00\x01\xba[\x20-\x2f\x40-\x7f]", head):
        return "mpeg"
    for pattern, demuxer in _RAW_STREAMS:
        if pattern.match(head):
            return demuxer
    if _is_transport_stream(head):
        return "mpegts"
    return _animation(head) or ("dv" if _is_dv(head) else None)


def _animation(head: bytes) -> str | None:
    """Tell animated WebP and PNG from still pictures."""
    if head.startswith(b"RIFF") and head[8:16] == b"WEBPVP8X":
        return "webp" if head[20] & 2 else None
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        control = head.find(b"acTL")
        if control >= 0 and (data := head.find(b"IDAT")) != -1 and data < control:
            return None
        frames = int.from_bytes(head[control + 4 : control + 8], "big")
        return "apng" if control >= 0 and frames > 1 else None
    return None


def _is_dv(head: bytes) -> bool:
    """True for tapes' DIF blocks of 80 bytes: a header, then two of subcode and three of VAUX."""
    sections = [head[start] >> 5 for start in range(0, 6 * 80, 80) if start < len(head)]
    return head[:3] == b"\x1f\x07\x00" and sections == [0, 1, 1, 2, 2, 2]


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
