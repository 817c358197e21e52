"""How well a model finds a user's held-out clips by their captions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vidseek.training.networks.temporal import Temporal
from vidseek.training.networks.vision import FrameOutput, Vision
from vidseek.training.stem_maps import load_maps
from vidseek.training.user.clip_maps import TrainingClips
from vidseek.training.user.retrieval_figures import caption_truth, retrieval_figures


@dataclass(frozen=True)
class ClipMeasures:
    """A model's scores on held-out clips, and its retrieval figures."""

    figures: dict[str, float]
    """Per cent."""
    scores: NDArray[np.float32]
    """(Q, N) cosines of captions and clips; -1 where another clip has the same caption."""
    truth: NDArray[np.intp]
    """(Q,) the clip of every caption."""
    outputs: list[FrameOutput]
    """The model's output for the frames of each clip."""


@torch.inference_mode()
def measure_clips(vision: Vision, temporal: Temporal, data: TrainingClips) -> ClipMeasures:
    """Search all held-out clips with every held-out caption."""
    vision.eval()
    vectors, outputs = [], []
    for place in data.held_out:
        rows = data.maps.frames[place]
        output = vision(load_maps(np.array(data.maps.fine[rows])).to(vision.device))
        seconds = torch.from_numpy(data.maps.seconds[rows] - data.maps.seconds[rows.start])
        mask = torch.ones(1, len(seconds), device=vision.device)
        clip = temporal(output.vectors[None], seconds[None].to(vision.device), mask)
        vectors.append(clip[0].cpu().numpy())
        outputs.append(output)
    clips = np.stack(vectors)
    queries = np.concatenate([data.sentences[place] for place in data.held_out])
    truth, same = caption_truth([data.clips[place] for place in data.held_out])
    scores = np.where(same, np.float32(-1.0), (queries @ clips.T).astype(np.float32))
    figures = retrieval_figures(scores, truth)
    return ClipMeasures(figures, scores, truth, outputs)
