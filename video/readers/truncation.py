"""Recognise files that end before they should: aborted downloads and copies, crashed recorders.

The demuxers of FFmpeg end silently at the end of such a Matroska, WebM, FLV or WMV file. The first
three tell the size of each of their parts (RFC 8794 and RFC 9559; Adobe Flash Video File Format
10.1, annex E), so a part that reaches beyond the end of the file is cut. The header of the last
tells the size of the file (Advanced Systems Format, 3.2).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_EBML_HEADER = 0x1A45DFA3
_SEGMENT = 0x18538067
_CLUSTER = 0x1F43B675
_ASF_HEADER_BYTES = 1 << 16
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_FLV_METADATA_BYTES = 4096
_FLV_FILE_SIZE = b"filesize\x00"
"""Precedes the size of the file as a number (AMF 0) in the metadata of most programs."""
_TAG_HEADER_BYTES = 11
_TAG_SIZE_BYTES = 4
_TAG_TYPES = frozenset((8, 9, 18))
"""Sound, pictures and metadata; the lower five bits of a tag's first byte."""


def is_cut_short(path: Path, demuxer: str) -> bool:
    """Whether the file ends within a part of it. False for containers that do not tell.

    Args:
        path: the file.
        demuxer: the sniffed demuxer.
    """
    is_cut = {"matroska": _is_matroska_cut, "flv": _is_flv_cut, "asf": _is_asf_cut}.get(demuxer)
    if is_cut is None:
        return False
    with path.open("rb") as file:
        return is_cut(file, path.stat().st_size)


def _is_matroska_cut(file: BinaryIO, size: int) -> bool:
    """Walk the elements; enter those without a size, which live recorders write."""
    position = 0
    while position < size:
        file.seek(position)
        element = file.read(12)
        parsed = _element(element)
        if parsed is None:
            return len(element) < 12 and any(element)
        identifier, header_bytes, length = parsed
        if position == 0 and identifier != _EBML_HEADER:
            return False
        position += header_bytes
        if length is None:
            if identifier not in (_SEGMENT, _CLUSTER):
                return False  # not as specified: no evidence
            continue
        if identifier == _SEGMENT:
            return position + length > size
        position += length
    return position > size


def _element(data: bytes) -> tuple[int, int, int | None] | None:
    """Identifier, bytes of the header, and length of an EBML element; None if that is none.

    The length is None if it is marked as unknown.
    """
    if len(data) < 2 or data[0] < 0x10:
        return None
    identifier_bytes = 9 - data[0].bit_length()
    if len(data) <= identifier_bytes or data[identifier_bytes] == 0:
        return None
    length_bytes = 9 - data[identifier_bytes].bit_length()
    header_bytes = identifier_bytes + length_bytes
    if len(data) < header_bytes:
        return None
    value_bits = 7 * length_bytes
    length = int.from_bytes(data[identifier_bytes:header_bytes], "big") & ((1 << value_bits) - 1)
    is_unknown = length == (1 << value_bits) - 1
    identifier = int.from_bytes(data[:identifier_bytes], "big")
    return identifier, header_bytes, None if is_unknown else length


def _is_asf_cut(file: BinaryIO, size: int) -> bool:
    _, name, properties = file.read(_ASF_HEADER_BYTES).partition(_ASF_PROPERTIES)
    if not name or len(properties) < 76:
        return False
    is_broadcast = bool(properties[72] & 1)  # then the size is not valid
    return not is_broadcast and int.from_bytes(properties[24:32], "little") > size


def _is_flv_cut(file: BinaryIO, size: int) -> bool:
    header = file.read(_FLV_METADATA_BYTES)
    _, name, value = header.partition(_FLV_FILE_SIZE)
    if name and len(value) >= 8 and struct.unpack(">d", value[:8])[0] > size:
        return True
    position = int.from_bytes(header[5:9], "big") + _TAG_SIZE_BYTES
    if _ends_with_a_tag(file, size, first=position):
        return False
    while position < size:
        file.seek(position)
        tag = file.read(_TAG_HEADER_BYTES)
        if len(tag) == _TAG_HEADER_BYTES and tag[0] & 0x1F not in _TAG_TYPES:
            return False  # other data follows, or this is not as specified: no evidence
        end = position + _TAG_HEADER_BYTES + int.from_bytes(tag[1:4], "big")
        if len(tag) < _TAG_HEADER_BYTES or end > size:
            return True
        position = end + _TAG_SIZE_BYTES
    return position > size


def _ends_with_a_tag(file: BinaryIO, size: int, *, first: int) -> bool:
    """Whether the last bytes name the size of the tag before them, as in every complete file."""
    if size < first + _TAG_HEADER_BYTES + _TAG_SIZE_BYTES:
        return False
    file.seek(size - _TAG_SIZE_BYTES)
    length = int.from_bytes(file.read(_TAG_SIZE_BYTES), "big")
    start = size - _TAG_SIZE_BYTES - length
    if length < _TAG_HEADER_BYTES or start < first:
        return False
    file.seek(start)
    tag = file.read(4)
    return tag[0] & 0x1F in _TAG_TYPES and int.from_bytes(tag[1:4], "big") == (
        length - _TAG_HEADER_BYTES
    )
