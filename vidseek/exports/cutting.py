"""Write each moment as a video file, by stream copy or re-encoded."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vidseek.core.errors import ExportError, PathNotFoundError, UnreadableVideoError, VideoError
from vidseek.core.job import Job, Progress
from vidseek.core.paths import absolute_path
from vidseek.core.types import SearchHit, TimeSpan
from vidseek.exports.moments import ExportNote, Moment, moments_of

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MUXERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".ts": "mpegts",
    ".mts": "mpegts",
    ".m2ts": "mpegts",
}
"""Suffixes whose container is kept; a clip of any other file is Matroska, which takes any codec."""
EDIT_LIST_MUXERS = frozenset(("mp4", "mov"))
SEEKS_BACK_SECONDS = (0.0, 2.0, 10.0, 60.0)
MAX_NAME_CHARACTERS, MAX_NAME_BYTES = 80, 160
"""Of the part of a clip's name that is its video's: file systems take 255 bytes in all."""
SOUND_CODEC = "aac"
CRF = "18"


@dataclass(frozen=True)
class CutClips:
    """The files that were written."""

    files: tuple[Path, ...]
    notes: tuple[ExportNote, ...] = ()
    """Moments without a file, and why."""


def cut_clips(
    hits: Iterable[SearchHit | Moment],
    folder: Path,
    *,
    exact: bool = False,
    handles_seconds: float = 0.0,
    job: Job | None = None,
) -> CutClips:
    """Write each moment as a file of its own: ``001 name 0m12s-0m18s.mp4``.

    By default packets are copied: fast and without loss. Such a clip begins with the keyframe
    before the moment; in MP4 and MOV an edit list hides that part from players that follow edit
    lists.

    Args:
        hits: the moments.
        folder: is made if needed. Existing files are not replaced: names get a number.
        exact: decode and encode again (H.264 and AAC in MP4), from the first frame to the last.
        handles_seconds: seconds to add before and after each moment.
        job: reports progress and cancels.

    Raises:
        ExportError: there is no moment, or none could be cut.
        OSError: the folder cannot be written to.
        JobCancelledError: the job was cancelled; the clip in work is removed.
    """
    moments = moments_of(hits)
    folder = absolute_path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    job = job or Job()
    files: list[Path] = []
    notes: list[ExportNote] = []
    for number, moment in enumerate(moments, 1):
        job.report(Progress(stage="cutting", done=number - 1, total=len(moments), unit="clips"))
        job.check()
        start = max(0.0, moment.start_seconds - handles_seconds)
        span = TimeSpan(start, moment.end_seconds + handles_seconds)
        try:
            files.append(_cut(moment.path, span, folder, number, exact=exact, job=job))
        except PathNotFoundError:
            notes.append(ExportNote(moment.path, "the file is gone"))
        except VideoError as error:
            notes.append(ExportNote(moment.path, error.reason))
    if not files:
        raise ExportError(
            f"no moment could be cut; the first: {notes[0].path}: {notes[0].reason}",
            path=notes[0].path,
        )
    return CutClips(tuple(files), tuple(notes))


def _cut(source: Path, span: TimeSpan, folder: Path, number: int, *, exact: bool, job: Job) -> Path:
    import av

    from vidseek.video.demux import open_container, pick_stream
    from vidseek.video.sniff import sniff

    source = absolute_path(source)
    if not source.exists():
        raise PathNotFoundError(f"{source} does not exist", path=source)
    suffix = source.suffix.lower() if source.suffix.lower() in MUXERS else ".mkv"
    suffix = ".mp4" if exact else suffix
    target = _free_name(folder, _clip_name(source, span, number), suffix)
    part = target.with_name(f".{target.stem}.part{suffix}")
    try:
        with open_container(source, sniff(source)) as container:
            stream = pick_stream(container, source)
            with av.open(str(part), "w", format=MUXERS[suffix]) as output:
                cut = _Cut(container, stream, output, span, job)
                is_written = cut.encode() if exact else cut.copy()
        if not is_written:
            raise UnreadableVideoError("the file ends before the moment begins", path=source)
        part.replace(target)
    except (av.error.FFmpegError, ValueError) as error:
        raise UnreadableVideoError(f"cannot be cut: {error}", path=source) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return target


def _clip_name(source: Path, span: TimeSpan, number: int) -> str:
    # What Windows, macOS and shells take in a name; a name that is not Unicode loses those bytes.
    name = re.sub(r"[^\w .,()+@-]", "_", source.stem).strip(" .")[:MAX_NAME_CHARACTERS]
    name = name.encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore")
    return f"{number:03d} {name or 'clip'} {_clock(span.start_seconds)}-{_clock(span.end_seconds)}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m{rest:02d}s" if hours else f"{minutes}m{rest:02d}s"


def _free_name(folder: Path, name: str, suffix: str) -> Path:
    target = folder / f"{name}{suffix}"
    number = 2
    while target.exists():
        target = folder / f"{name} ({number}){suffix}"
        number += 1
    return target


class _Cut:
    """One clip: streams of a container from a time to another."""

    def __init__(
        self,
        container: InputContainer,
        video: VideoStream,
        output: OutputContainer,
        span: TimeSpan,
        job: Job,
    ) -> None:
        from av.stream import Discard

        self._container = container
        self._video = video
        self._output = output
        self._job = job
        origin = (container.start_time or 0) / 1_000_000
        self._start = span.start_seconds + origin
        self._end = span.end_seconds + origin
        self._sound = container.streams.audio[0] if container.streams.audio else None
        if self._sound is not None:
            self._sound.discard = Discard.default

    def copy(self) -> bool:
        """Copy packets. Returns False if there is no picture in the span."""
        outputs: dict[int, Stream] = {}
        for stream in self._streams():
            outputs[stream.index] = self._output.add_stream_from_template(stream)
        self._seek()
        waiting = {stream.index for stream in self._streams()}
        is_written = False
        origin = self._start if self._output.format.name in EDIT_LIST_MUXERS else None
        for packet in _with_decoding_times(self._container.demux(*self._streams()), self._video):
            self._job.check()
            stream = packet.stream
            seconds = float(packet.dts * packet.time_base)
            is_picture = stream.index == self._video.index
            if origin is None and is_picture:
                origin = float(packet.pts * packet.time_base)
            if seconds >= self._end:
                waiting.discard(stream.index)
                if not waiting:
                    break
                continue
            if origin is None or (not is_picture and seconds < origin):
                continue
            shown_until = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            is_written |= is_picture and shown_until > self._start - self._frame_seconds()
            shift = round(origin / packet.time_base)
            packet.dts -= shift
            packet.pts -= shift
            packet.stream = outputs[stream.index]
            self._output.mux(packet)
        return is_written

    def encode(self) -> bool:
        """Decode, and encode the frames of the span. Returns False if there are none."""
        sound = _SoundWriter(self._output, self._sound, self._start, self._end)
        picture = _PictureWriter(self._output, self._video, self._start)
        early_sound: list[Any] = []  # a file's header needs the picture's size, so that comes first
        for seconds, frame, is_picture in self._frames():
            if not is_picture and not picture.has_begun:
                early_sound.append(frame)
            elif not is_picture:
                sound.write(frame)
            elif self._start - self._frame_seconds() / 2 <= seconds < self._end:
                picture.write(frame)
                while early_sound:
                    sound.write(early_sound.pop(0))
        if not picture.has_begun:
            return False
        picture.finish()
        sound.finish()
        return True

    def _frames(self) -> Iterator[tuple[float, Any, bool]]:
        """Decoded frames with their times, until the pictures are well behind the end."""
        self._seek()
        for packet in self._container.demux(*self._streams()):
            self._job.check()
            is_picture = packet.stream.index == self._video.index
            for frame in packet.decode():
                if frame.pts is None or frame.time_base is None:
                    continue
                seconds = float(frame.pts * frame.time_base)
                if is_picture and seconds >= self._end + 1:
                    return
                if is_picture or seconds > self._start - 1:
                    yield seconds, frame, is_picture

    def _frame_seconds(self) -> float:
        rate = self._video.average_rate
        return float(1 / rate) if rate else 0.04

    def _streams(self) -> Sequence[Any]:
        return [self._video] if self._sound is None else [self._video, self._sound]

    def _seek(self) -> None:
        """Go to a keyframe at or before the start; some containers (MPEG-TS) land behind it."""
        for seconds_back in SEEKS_BACK_SECONDS:
            self._seek_to(self._start - seconds_back)
            packets = self._container.demux(self._video)
            key = next(
                (each for each in packets if each.is_keyframe and each.pts is not None), None
            )
            if key is not None and _seconds(key) <= self._start + 0.001:
                self._seek_to(self._start - seconds_back)
                return
        self._seek_to(-math.inf)

    def _seek_to(self, seconds: float) -> None:
        assert self._video.time_base is not None
        first = self._video.start_time or 0
        pts = first if math.isinf(seconds) else round(seconds / self._video.time_base)
        with contextlib.suppress(OSError):  # raw streams cannot seek; they are read from the start
            self._container.seek(max(pts, first), stream=self._video, backward=True)


def _seconds(packet: Any) -> float:
    return float(packet.pts * packet.time_base)


def _with_decoding_times(packets: Iterable[Any], video: VideoStream) -> Iterator[Any]:
    """Packets with a presentation time, from the first keyframe on, with decoding times.

    After a seek, a container that does not store decoding times names none for the first packets.
    """
    waiting: list[Any] = []
    has_begun = False
    for packet in packets:
        if packet.size == 0 or packet.time_base is None:
            continue
        if packet.pts is None:
            packet.pts = packet.dts
        if packet.pts is None:
            continue
        if packet.stream.index != video.index:
            if packet.dts is None:
                packet.dts = packet.pts
            yield packet
            continue
        has_begun = has_begun or packet.is_keyframe
        if not has_begun:
            continue
        waiting.append(packet)
        if packet.dts is None:
            continue
        step = packet.duration or 1
        for back, each in enumerate(reversed(waiting)):
            each.dts = packet.dts - back * step
        yield from waiting
        waiting.clear()


class _PictureWriter:
    """Encodes pictures as H.264, upright, with their own times and colours."""

    def __init__(self, output: OutputContainer, source: VideoStream, start_seconds: float) -> None:
        self._output = output
        self._source = source
        self._start_seconds = start_seconds
        self._stream: Any = None
        self._rate = source.average_rate or Fraction(25)
        self._last_pts = -1

    @property
    def has_begun(self) -> bool:
        """True once a frame was written."""
        return self._stream is not None

    def write(self, frame: VideoFrame) -> None:
        """Encode one frame."""
        import av

        frame = _upright(frame)
        if self._stream is None:
            self._stream = self._make_stream(frame)
        time_base = self._stream.codec_context.time_base
        assert frame.pts is not None
        assert frame.time_base is not None
        seconds = frame.pts * frame.time_base - Fraction(self._start_seconds)
        context = self._stream.codec_context
        if (frame.width, frame.height, frame.format.name) != (
            context.width,
            context.height,
            context.pix_fmt,
        ):
            frame = frame.reformat(context.width, context.height, context.pix_fmt)
        pts = max(self._last_pts + 1, round(seconds / time_base))
        self._last_pts = frame.pts = pts
        frame.time_base = time_base
        frame.duration = round(1 / (self._rate * time_base))
        frame.pict_type = av.video.frame.PictureType.NONE
        self._output.mux(self._stream.encode(frame))

    def _make_stream(self, frame: VideoFrame) -> Any:
        stream = self._output.add_stream("libx264", rate=self._rate, options={"crf": CRF})
        context = stream.codec_context
        context.width, context.height = frame.width // 2 * 2 or 2, frame.height // 2 * 2 or 2
        kept = {"yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"}
        context.pix_fmt = frame.format.name if frame.format.name in kept else "yuv420p"
        if self._source.sample_aspect_ratio:
            context.sample_aspect_ratio = self._source.sample_aspect_ratio
        for name in ("color_range", "color_primaries", "color_trc", "colorspace"):
            setattr(context, name, getattr(self._source.codec_context, name))
        context.time_base = stream.time_base = Fraction(1, 90_000)
        return stream

    def finish(self) -> None:
        """Write the frames that the encoder still holds."""
        if self.has_begun:
            self._output.mux(self._stream.encode(None))


def _upright(frame: VideoFrame) -> VideoFrame:
    """The frame turned as its file's display matrix asks; other frames as they are."""
    import av

    if not frame.rotation:
        return frame
    turns = round(frame.rotation / 90) % 4
    picture = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    pixels = np.ascontiguousarray(np.rot90(picture, turns))
    turned = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    turned.pts, turned.time_base = frame.pts, frame.time_base
    return turned


class _SoundWriter:
    """Encodes sound as AAC."""

    def __init__(self, output: OutputContainer, source: Any, start: float, end: float) -> None:
        self._output = output
        self._start, self._end = start, end
        self._stream: Any = None
        self._resampler: Any = None
        self._samples = 0
        if source is not None:
            import av

            rate = min(source.rate or 48_000, 48_000)
            layout = "mono" if source.channels == 1 else "stereo"
            self._stream = output.add_stream(SOUND_CODEC, rate=rate, layout=layout)
            self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)

    def write(self, frame: Any) -> None:
        """Encode one frame of samples; those outside the span are left out."""
        for each in self._resampled(frame):
            self._output.mux(self._stream.encode(each))

    def _resampled(self, frame: Any) -> Iterator[Any]:
        import av

        seconds = float(frame.pts * frame.time_base)
        rate = self._stream.codec_context.sample_rate
        for each in self._resampler.resample(frame):
            first = max(0, round((self._start - seconds) * rate))
            last = min(each.samples, max(0, round((self._end - seconds) * rate)))
            if first >= last:
                continue
            part = np.ascontiguousarray(each.to_ndarray()[:, first:last])
            piece = av.AudioFrame.from_ndarray(part, format="fltp", layout=each.layout.name)
            piece.sample_rate = rate
            at = round((seconds - self._start) * rate) + first
            self._samples = max(self._samples, at)
            piece.pts, piece.time_base = self._samples, Fraction(1, rate)
            self._samples += last - first
            yield piece

    def finish(self) -> None:
        """Write the samples that the encoder still holds."""
        if self._samples:
            self._output.mux(self._stream.encode(None))
