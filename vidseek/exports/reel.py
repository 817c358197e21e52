"""Write several moments as one video file, one after the other, with their sound."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vidseek.core.errors import ExportError
from vidseek.core.job import Job
from vidseek.core.types import SearchHit
from vidseek.exports.cutting import cut_clips
from vidseek.exports.moments import ExportNote, Moment


def write_reel(
    hits: Iterable[SearchHit | Moment], file: Path, *, job: Job | None = None
) -> tuple[ExportNote, ...]:
    """Write an MP4 (H.264 and AAC), in one step.

    Args:
        hits: the moments, in the order in which they are shown.
        file: the file to write or replace.
        job: reports progress and cancels.

    Returns:
        Moments that were left out, and why.

    Raises:
        ExportError: there is no moment, or none could be cut.
        OSError: the file cannot be written.
        JobCancelledError: the job was cancelled; nothing is written.
    """
    job = job or Job()
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".reel-") as folder:
        cut = cut_clips(hits, Path(folder), exact=True, job=job)
        part = Path(folder) / "reel.part"
        notes = _join(cut.files, part, job)
        part.replace(file)
    return (*cut.notes, *(ExportNote(file, reason) for reason in notes))


def _join(clips: Sequence[Path], target: Path, job: Job) -> list[str]:
    """Copy the packets of clips that were encoded alike into one file."""
    import av

    notes: list[str] = []
    with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as output:
        streams: dict[str, Any] = {}
        shape: tuple[int, int, bytes | None] | None = None
        sound = _any_sound(clips)
        offset = 0.0
        for clip in clips:
            job.check()
            with av.open(str(clip)) as source:
                picture = source.streams.video[0]
                ours = (picture.width, picture.height, picture.codec_context.extradata)
                if shape is None:
                    shape = ours
                    streams["video"] = output.add_stream_from_template(picture)
                    if sound is not None:
                        _add_sound(output, streams, sound)
                elif ours != shape:
                    notes.append("a part with pictures of another size was left out")
                    continue
                offset = _copy(source, output, streams, offset)
    if not streams:
        raise ExportError("there are no moments to export")
    return notes


def _any_sound(clips: Sequence[Path]) -> Path | None:
    """The first clip with sound: a film may be silent where the reel begins."""
    import av

    for clip in clips:
        with av.open(str(clip)) as source:
            if source.streams.audio:
                return clip
    return None


def _add_sound(output: Any, streams: dict[str, Any], clip: Path) -> None:
    import av

    with av.open(str(clip)) as source:
        streams["audio"] = output.add_stream_from_template(source.streams.audio[0])


def _copy(source: Any, output: Any, streams: dict[str, Any], offset: float) -> float:
    """Copy the packets of a clip; returns when it ends."""
    end = offset
    inputs = [source.streams.video[0], *source.streams.audio[:1]]
    for packet in source.demux(inputs):
        if packet.size == 0 or packet.dts is None or packet.pts is None:
            continue
        shift = round(offset / packet.time_base)
        kind = packet.stream.type
        last = float((packet.pts + (packet.duration or 0)) * packet.time_base) + offset
        end = max(end, last)
        packet.pts += shift
        packet.dts += shift
        packet.stream = streams[kind]
        output.mux(packet)
    return end
