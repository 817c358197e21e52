"""The packets of a video stream: presentation time and size of each picture.

Demuxing costs a hundredth of decoding and shows where the keyframes are and where much happens, so
sampling chooses the frames to decode from this table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class PacketTable:
    """One row per picture, in order of presentation."""

    pts_seconds: NDArray[np.float64]
    """(N,) presentation times from the file's start, ascending."""
    size_bytes: NDArray[np.int64]
    """(N,) bytes of the compressed picture."""
    is_keyframe: NDArray[np.bool_]
    """(N,) pictures that can be decoded independently."""
    decode_index: NDArray[np.int64]
    """(N,) position of each picture's packet in the file."""
    packets: int
    """Number of packets in the file, including those that are never shown."""
    key_packets: NDArray[np.int64]
    """Positions of all keyframes in the file, ascending."""
    end_seconds: float
    """End of the last picture."""

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
        """Average frame rate; 0 for a single picture."""
        if len(self) < 2:
            return 0.0
        span = float(self.pts_seconds[-1] - self.pts_seconds[0])
        return (len(self) - 1) / span if span > 0 else 0.0

    @property
    def has_leading_pictures(self) -> bool:
        """True if pictures stored after a keyframe are shown before it (open GOP)."""
        pts_of_packet = np.full(self.packets, np.inf)
        pts_of_packet[self.decode_index] = self.pts_seconds
        starts = np.searchsorted(self.key_packets, self.decode_index, side="right") - 1
        after_key = starts >= 0
        keys = self.key_packets[starts[after_key]]
        return bool(np.any(self.pts_seconds[after_key] < pts_of_packet[keys]))

    def to_decode(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Find the packets that a decoder needs for given pictures.

        Args:
            rows: rows of the wanted pictures.

        Returns:
            (packets,) bool: True from the keyframe before each wanted picture to the picture.
        """
        wanted = self.decode_index[rows]
        starts = np.searchsorted(self.key_packets, wanted, side="right") - 1
        first = (
            np.where(starts >= 0, self.key_packets[np.maximum(starts, 0)], 0)
            if len(self.key_packets)
            else np.zeros_like(wanted)
        )
        # Pictures stored after a keyframe but shown before it also depend on pictures before the
        # keyframe (open GOP, HEVC's RASL pictures): start a keyframe earlier.
        pts_of_packet = np.full(self.packets, -np.inf)
        pts_of_packet[self.decode_index] = self.pts_seconds
        leading = (starts > 0) & (self.pts_seconds[rows] < pts_of_packet[first])
        if leading.any():
            first = np.where(leading, self.key_packets[np.maximum(starts - 1, 0)], first)
        # Mark the range [first, wanted] of each picture: +1 at its start, -1 after its end.
        edges = np.zeros(self.packets + 1, dtype=np.int64)
        np.add.at(edges, first, 1)
        np.add.at(edges, wanted + 1, -1)
        needed: NDArray[np.bool_] = np.cumsum(edges[:-1]) > 0
        return needed


def build_table(
    pts: ArrayLike, sizes: ArrayLike, flags: ArrayLike, durations: ArrayLike
) -> PacketTable:
    """Build the table from packets in file order.

    Args:
        pts: seconds from the file's start; NaN for a packet without a picture.
        sizes: bytes.
        flags: bit 0 for keyframes, bit 1 for pictures that are not shown.
        durations: seconds, 0 if unknown.
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
