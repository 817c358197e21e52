"""Encode the decoded frames of a video into clips that are ready to be stored.

Frames are encoded as they stream in and then dropped. Only the features that will be stored stay in
memory (a few kilobytes a frame), so a long video needs little more memory than a short one. Frames
that a video model needs again wait in a temporary file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import UnreadableVideoError
from vidseek.core.types import (
    Clip,
    CopyFrames,
    EncodedClip,
    FrameBatch,
    FrameFeatures,
)
from vidseek.encoders.base import Encoder, VideoEncoder
from vidseek.encoders.copies.descriptor import CopyDescriptor, is_flat, packed
from vidseek.encoders.frame_spool import FrameSpool, spread_evenly
from vidseek.encoders.outputs import clip_vectors, frame_features, unit_vectors
from vidseek.encoders.thumbnail_spool import ThumbnailSpool
from vidseek.video import (
    ClipCut,
    CutEvidence,
    DecodedVideo,
    VideoInfo,
    cut_clips,
    frame_grids,
    frame_signatures,
    nearest,
    without_bars,
)

MAX_SECONDS_APART = 1.0
"""A frame of a clip may be replaced by another this close to it. The same bytes decode to the same
frames, except that another version of the decoder may drop a damaged frame that an earlier version
decoded."""


@dataclass(frozen=True)
class EncodedVideo:
    """Everything that is stored about a video."""

    info: VideoInfo
    duration_seconds: float
    damaged: bool
    clips: tuple[EncodedClip, ...]
    copies: CopyFrames | None
    """Copy descriptors of the frames; None if no descriptor was given."""
    thumbnails: Mapping[float, bytes]
    """JPEG of the middle frame of each clip, by its time in seconds; empty if not asked for."""


class DescriptorCollector:
    """Collects the copy descriptors of a video's frames, batch by batch.

    Frames of a single colour are left out: a black frame matches every other black frame.
    """

    def __init__(self, descriptor: CopyDescriptor) -> None:
        self._descriptor = descriptor
        self._vectors = [np.empty((0, descriptor.dimension), np.int8)]
        self._seconds = [np.empty(0, np.float64)]

    def add(self, batch: FrameBatch) -> None:
        """Compute the descriptors of the next frames."""
        shows = ~is_flat(batch.data)
        if shows.any():
            self._vectors.append(packed(self._descriptor.describe(batch.data[shows])))
            self._seconds.append(batch.pts_seconds[shows])

    def frames(self) -> CopyFrames:
        """All descriptors so far, for a video that is not stored yet (id 0)."""
        return CopyFrames(0, np.concatenate(self._seconds), np.concatenate(self._vectors))


def encode_video(
    decoded: DecodedVideo,
    encoder: Encoder,
    *,
    descriptor: CopyDescriptor | None = None,
    thumbnails: bool = False,
    on_batch: Callable[[VideoInfo, FrameBatch], None] | None = None,
) -> EncodedVideo:
    """Encode a video while it is being decoded.

    Args:
        decoded: an item of ``DecodePool.read``; its batches are consumed.
        encoder: encodes frames and clips.
        descriptor: computes copy descriptors of the same frames.
        thumbnails: also make a thumbnail of each clip.
        on_batch: called after each encoded batch; an exception it raises ends the video.

    Raises:
        VideoError: the file cannot be read or contains no frame.
    """
    signatures: list[NDArray[np.float32]] = []
    grids: list[NDArray[np.uint8]] = []
    collector = None if descriptor is None else DescriptorCollector(descriptor)

    with (
        FrameSpool() if isinstance(encoder, VideoEncoder) else nullcontext() as frame_spool,
        ThumbnailSpool() if thumbnails else nullcontext() as thumbnail_spool,
    ):

        def use_batch(info: VideoInfo, batch: FrameBatch) -> None:
            signatures.append(frame_signatures(batch.data))
            grids.append(frame_grids(batch.data))
            if collector is not None:
                collector.add(batch)
            if thumbnail_spool is not None:
                thumbnail_spool.add(batch.data)
            if on_batch is not None:
                on_batch(info, batch)

        frames, times = _encode_frames(decoded, encoder, use_batch, frame_spool)
        cuts = cut_clips(
            times,
            np.concatenate(signatures),
            frames.vectors,
            # Later than 0 where the sound begins first, or the beginning is damaged.
            start_seconds=max(decoded.span.start_seconds, float(times[0])),
            duration_seconds=decoded.span.end_seconds,
            evidence=CutEvidence(np.concatenate(grids), decoded.scene_starts),
        )
        clips = _encode_cuts(encoder, frames, times, cuts, frame_spool)
        jpegs = {} if thumbnail_spool is None else _read_thumbnails(thumbnail_spool, times, cuts)
    return EncodedVideo(
        info=decoded.info,
        duration_seconds=decoded.duration_seconds,
        damaged=decoded.damaged,
        clips=clips,
        copies=None if collector is None else collector.frames(),
        thumbnails=jpegs,
    )


def _read_thumbnails(
    spool: ThumbnailSpool, pts_seconds: NDArray[np.float64], cuts: Sequence[ClipCut]
) -> dict[float, bytes]:
    rows = [range(len(pts_seconds))[cut.frames] for cut in cuts]
    middles = {clip[len(clip) // 2] for clip in rows}
    return {float(pts_seconds[row]): spool.read(row) for row in sorted(middles)}


def compute_descriptors(
    decoded: DecodedVideo,
    descriptor: CopyDescriptor,
    *,
    on_batch: Callable[[VideoInfo, FrameBatch], None],
) -> CopyFrames:
    """Compute the copy descriptors of a video's frames without encoding the video.

    Args:
        decoded: an item of ``DecodePool.read``; its batches are consumed.
        descriptor: computes the descriptors.
        on_batch: called after each batch; an exception it raises ends the video.

    Raises:
        VideoError: the file cannot be read or contains no frame.
    """
    info = decoded.info
    collector = DescriptorCollector(descriptor)
    frames = 0
    for batch in decoded.batches():
        if len(batch) == 0:
            continue
        collector.add(batch)
        frames += len(batch)
        on_batch(info, batch)
    if frames == 0:
        raise UnreadableVideoError("none of its frames can be decoded", path=decoded.path)
    return collector.frames()


def reencode_clips(
    decoded: DecodedVideo,
    encoder: Encoder,
    clips: Sequence[Clip],
    *,
    on_batch: Callable[[VideoInfo, FrameBatch], None],
) -> dict[int, EncodedClip]:
    """Encode the clips of a video that is already in the library, from the same frames.

    Args:
        decoded: an item of ``DecodePool.read`` whose job asks for the times of the clips' frames;
            its batches are consumed.
        encoder: encodes frames and clips.
        clips: the stored clips of the video, at least one.
        on_batch: called after each encoded batch; an exception it raises ends the video.

    Returns:
        The encoded clips by clip id.

    Raises:
        VideoError: the file cannot be read, or one of the frames can no longer be decoded.
    """
    with FrameSpool() if isinstance(encoder, VideoEncoder) else nullcontext() as frame_spool:
        features, times = _encode_frames(decoded, encoder, on_batch, frame_spool)
        wanted = np.concatenate([np.asarray(clip.frame_seconds) for clip in clips])
        rows = nearest(times, wanted)
        apart = np.abs(times[rows] - wanted)
        if apart.max() > MAX_SECONDS_APART:
            lost = float(wanted[apart.argmax()])
            raise UnreadableVideoError(
                f"its frame at {lost:.1f} s can no longer be decoded", path=decoded.path
            )
        frames = features[rows]
        ends = np.cumsum([len(clip.frame_seconds) for clip in clips]).tolist()
        slices = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        vectors = _clip_vectors(encoder, frames, wanted, slices, rows, frame_spool)
    return {
        clip.id: EncodedClip(clip.span, clip.frame_seconds, vector, frames[rows_of_clip])
        for clip, rows_of_clip, vector in zip(clips, slices, vectors, strict=True)
    }


def _encode_frames(
    decoded: DecodedVideo,
    encoder: Encoder,
    on_batch: Callable[[VideoInfo, FrameBatch], None],
    frame_spool: FrameSpool | None,
) -> tuple[FrameFeatures, NDArray[np.float64]]:
    """Encode all N frames; gives their features and times (N,), and fills the frame spool."""
    info = decoded.info
    vectors: list[NDArray[np.float32]] = []
    tokens: list[NDArray[np.float16]] = []
    times: list[NDArray[np.float64]] = []
    for batch in decoded.batches():
        if len(batch) == 0:
            continue
        pictures = without_bars(batch.data)
        if frame_spool is not None and isinstance(encoder, VideoEncoder):
            pictures = encoder.fit(pictures)
            frame_spool.add(pictures)
        features = frame_features(encoder, pictures)
        if (
            not encoder.reranks
        ):  # nothing would read them, and they would take most of a library's space
            features = features.without_tokens()
        vectors.append(features.vectors)
        # The library stores half precision; a day of video has 86,400 frames.
        tokens.append(features.tokens.astype(np.float16))
        # A copy: the times may be a view into the buffer that holds the frames too.
        times.append(batch.pts_seconds.copy())
        on_batch(info, batch)
    if not times:
        raise UnreadableVideoError("none of its frames can be decoded", path=decoded.path)
    frames = FrameFeatures(np.concatenate(vectors), np.concatenate(tokens).astype(np.float32))
    return frames, np.concatenate(times)


def _encode_cuts(
    encoder: Encoder,
    frames: FrameFeatures,
    pts_seconds: NDArray[np.float64],
    cuts: Sequence[ClipCut],
    frame_spool: FrameSpool | None,
) -> tuple[EncodedClip, ...]:
    rows = np.arange(len(pts_seconds))
    vectors = _clip_vectors(
        encoder, frames, pts_seconds, [cut.frames for cut in cuts], rows, frame_spool
    )
    return tuple(
        EncodedClip(
            span=cut.span,
            frame_seconds=tuple(pts_seconds[cut.frames].tolist()),
            vector=vector,
            frames=frames[cut.frames],
        )
        for cut, vector in zip(cuts, vectors, strict=True)
    )


def _clip_vectors(
    encoder: Encoder,
    frames: FrameFeatures,
    pts_seconds: NDArray[np.float64],
    clips: Sequence[slice],
    rows: NDArray[np.intp],
    frame_spool: FrameSpool | None,
) -> NDArray[np.float32]:
    """Clip vectors, (len(clips), D), from the frames' features, or for a video model from pixels.

    ``rows`` gives the row in the frame spool of each frame.
    """
    if frame_spool is None or not isinstance(encoder, VideoEncoder):
        return clip_vectors(encoder, frames, pts_seconds, clips)
    wanted = encoder.pictures_per_clip
    found = encoder.encode_pictures(
        frame_spool.take(spread_evenly(rows[clip], wanted)) for clip in clips
    )
    return unit_vectors(found, len(clips), encoder.spec, "encode_pictures")
