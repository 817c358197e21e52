"""Reading videos: identify files, choose and decode frames, cut videos into clips."""

from vidseek.video.bars import lit_part, without_bars
from vidseek.video.info import VideoInfo
from vidseek.video.limits import DecodeLimits
from vidseek.video.picture import is_picture, read_picture
from vidseek.video.pool import DecodedVideo, DecodePool
from vidseek.video.readers.reader import VideoReader, open_video, probe
from vidseek.video.sampling import SamplingPlan, choose_frames, nearest
from vidseek.video.shots import ClipCut, CutEvidence, cut_clips, frame_grids, frame_signatures
from vidseek.video.sniff import sniff
from vidseek.video.worker import DecodeJob

__all__ = [
    "ClipCut",
    "CutEvidence",
    "DecodeJob",
    "DecodeLimits",
    "DecodePool",
    "DecodedVideo",
    "SamplingPlan",
    "VideoInfo",
    "VideoReader",
    "choose_frames",
    "cut_clips",
    "frame_grids",
    "frame_signatures",
    "is_picture",
    "lit_part",
    "nearest",
    "open_video",
    "probe",
    "read_picture",
    "sniff",
    "without_bars",
]
