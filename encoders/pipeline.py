"""From the decoded frames of one video to its clips, ready to be stored.

Frames are encoded and dropped as they stream in; what stays in memory is what will be stored of
them (a few kilobytes a frame), so a long video needs little more than a short one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.encoders.base import Encoder
from vidseek.encoders.video import DecodedVideo, VideoInfo, cut_clips, frame_signatures
from vidseek.storage.errors import UnreadableVideoError
from vidseek.storage.types import EncodedClip, FrameBatch, FrameFeatures, TimeSpan


@dataclass(frozen=True)
class EncodedVideo:
    """All that is stored of a video."""

    info: VideoInfo
    duration_seconds: float
    damaged: bool
    clips: tuple[EncodedClip, ...]


def encode_video(
    decoded: DecodedVideo,
    encoder: Encoder,
    *,
    on_batch: Callable[[VideoInfo, FrameBatch], None] | None = None,
) -> EncodedVideo:
    """Encode a video while it is being decoded.

    Args:
        decoded: an item of ``DecodePool.read``; its batches are consumed.
        encoder: encodes frames and clips.
        on_batch: called after each batch was encoded; whatever it raises ends the video.

    Raises:
        VideoError: the file cannot be read, or holds no frame.
    """
    info = decoded.info
    vectors: list[NDArray[np.float32]] = []
    tokens: list[NDArray[np.float16]] = []
    signatures: list[NDArray[np.float32]] = []
    times: list[NDArray[np.float64]] = []
    for batch in decoded.batches():
        if len(batch) == 0:
            continue
        features = encoder.encode_frames(batch.data)
        vectors.append(features.vectors)
        # Half precision is what the library stores; a day of video has 86,400 frames.
        tokens.append(features.tokens.astype(np.float16))
        signatures.append(frame_signatures(batch.data))
        # A copy: the times may be a view into the buffer that holds the frames too.
        times.append(batch.pts_seconds.copy())
        if on_batch is not None:
            on_batch(info, batch)
    if not times:
        raise UnreadableVideoError("no frame of it could be decoded", path=decoded.path)
    frames = FrameFeatures(np.concatenate(vectors), np.concatenate(tokens).astype(np.float32))
    clips = _cut(encoder, frames, np.concatenate(times), np.concatenate(signatures), decoded.span)
    return EncodedVideo(info, decoded.duration_seconds, decoded.damaged, clips)


def _cut(
    encoder: Encoder,
    frames: FrameFeatures,
    pts_seconds: NDArray[np.float64],
    signatures: NDArray[np.float32],
    span: TimeSpan,
) -> tuple[EncodedClip, ...]:
    cuts = cut_clips(
        pts_seconds,
        signatures,
        frames.vectors,
        start_seconds=span.start_seconds,
        duration_seconds=span.end_seconds,
    )
    vectors = encoder.encode_clips(frames, pts_seconds, [cut.frames for cut in cuts])
    return tuple(
        EncodedClip(
            span=cut.span,
            frame_seconds=tuple(pts_seconds[cut.frames].tolist()),
            vector=vector,
            frames=frames[cut.frames],
        )
        for cut, vector in zip(cuts, vectors, strict=True)
    )
