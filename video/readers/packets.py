"""The packets of a video stream: when each picture is shown and how many bytes it took.

Demuxing costs a hundredth of decoding and says where the keyframes are and where much happened, so
sampling looks here first and only then decides what to decode.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class PacketTable:
    """One row a picture, in order of presentation."""

    pts_seconds: NDArray[np.float64]
    """(N,) presentation times from the stream's start, ascending."""
    size_bytes: NDArray[np.int64]
    """(N,) bytes of the compressed picture."""
    is_keyframe: NDArray[np.bool_]
    """(N,) pictures that can be decoded without any other."""
    decode_index: NDArray[np.int64]
    """(N,) position of each picture's packet in the file."""
    packets: int
    """Packets in the file, those that are never shown included."""
    key_packets: NDArray[np.int64]
    """Positions of all keyframes in the file, ascending."""
    end_seconds: float
    """When the last picture stops being shown."""

    def __len__(self) -> int:
        return len(self.pts_seconds)

    @property
    def keyframes(self) -> NDArray[np.intp]:
        """Rows of the keyframes, ascending."""
        return np.flatnonzero(self.is_keyframe)

    @property
    def keyframe_seconds(self) -> NDArray[np.float64]:
        """Times of the keyframes, ascending."""
        return self.pts_seconds[self.is_keyframe]

    @property
    def frame_rate(self) -> float:
        """Average pictures a second; 0 if there is but one."""
        if len(self) < 2:
            return 0.0
        span = float(self.pts_seconds[-1] - self.pts_seconds[0])
        return (len(self) - 1) / span if span > 0 else 0.0

    @property
    def has_leading_pictures(self) -> bool:
        """True if pictures follow a keyframe in the file that are shown before it (open GOP)."""
        pts_of_packet = np.full(self.packets, np.inf)
        pts_of_packet[self.decode_index] = self.pts_seconds
        starts = np.searchsorted(self.key_packets, self.decode_index, side="right") - 1
        after_key = starts >= 0
        keys = self.key_packets[starts[after_key]]
        return bool(np.any(self.pts_seconds[after_key] < pts_of_packet[keys]))

    def to_decode(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which packets a decoder needs for some pictures.

        Args:
            rows: pictures wanted.

        Returns:
            (packets,) bool: from the keyframe before each picture wanted to the picture itself.
        """
        wanted = self.decode_index[rows]
        starts = np.searchsorted(self.key_packets, wanted, side="right") - 1
        first = (
            np.where(starts >= 0, self.key_packets[np.maximum(starts, 0)], 0)
            if len(self.key_packets)
            else np.zeros_like(wanted)
        )
        # Pictures that follow a keyframe in the file but are shown before it also lean on the
        # pictures before it (open GOP, HEVC's RASL): start one keyframe earlier.
        pts_of_packet = np.full(self.packets, -np.inf)
        pts_of_packet[self.decode_index] = self.pts_seconds
        leading = (starts > 0) & (self.pts_seconds[rows] < pts_of_packet[first])
        if leading.any():
            first = np.where(leading, self.key_packets[np.maximum(starts - 1, 0)], first)
        # Mark [first, wanted] of each picture: +1 where it begins, -1 after it ends.
        edges = np.zeros(self.packets + 1, dtype=np.int64)
        np.add.at(edges, first, 1)
        np.add.at(edges, wanted + 1, -1)
        needed: NDArray[np.bool_] = np.cumsum(edges[:-1]) > 0
        return needed


def build_table(
    pts: ArrayLike, sizes: ArrayLike, flags: ArrayLike, durations: ArrayLike
) -> PacketTable:
    """Make the table from packets in the file's order.

    Args:
        pts: seconds from the stream's start; NaN for a packet without a picture of its own.
        sizes: bytes.
        flags: bit 0 keyframe, bit 1 not shown.
        durations: seconds, 0 where unknown.
    """
    times = np.asarray(pts, dtype=np.float64)
    flag = np.asarray(flags, dtype=np.int64)
    is_key = (flag & 1) > 0
    shown = ~np.isnan(times) & ((flag & 2) == 0)
    position = np.flatnonzero(shown)
    position = position[np.argsort(times[position], kind="stable")]
    ordered = times[position]
    end = 0.0
    if len(ordered):
        last = float(np.asarray(durations)[position[-1]])
        if last <= 0 and len(ordered) > 1:
            last = float(np.median(np.diff(ordered)))
        end = float(ordered[-1]) + max(0.0, last)
    return PacketTable(
        pts_seconds=ordered,
        size_bytes=np.asarray(sizes, dtype=np.int64)[position],
        is_keyframe=is_key[position],
        decode_index=position.astype(np.int64),
        packets=len(times),
        key_packets=np.flatnonzero(is_key).astype(np.int64),
        end_seconds=end,
    )
