"""Split a user's captioned videos into those to train on and those held out to measure with.

check_enough(captions)
train, held_out = hold_out(captions.clips, seed=1)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vidseek.core.captions import CaptionedClip, Captions
from vidseek.core.errors import Hint, TrainingError

MIN_VIDEOS = 8
"""Fewer videos leave almost nothing to hold out, and figures over so few mean nothing."""
HELD_OUT_SHARE = 0.15


def check_enough(captions: Captions) -> None:
    """Check that there are enough videos to train on and to measure with.

    Raises:
        TrainingError: there are too few; the message has the first reasons why lines were left out.
    """
    videos = len(captions.videos)
    if videos >= MIN_VIDEOS:
        return
    message = f"{captions.file} has captions of {videos} usable videos; {MIN_VIDEOS} are needed"
    if captions.problems:
        first = "; ".join(
            f"line {problem.line}: {problem.reason}" for problem in captions.problems[:3]
        )
        message += f" ({len(captions.problems)} lines were left out: {first})"
    raise TrainingError(message, hint=Hint("caption_more_videos"))


def hold_out(clips: Sequence[CaptionedClip], *, seed: int) -> tuple[list[int], list[int]]:
    """Split into clips to train on and clips to measure with; a video's clips stay together.

    Returns:
        Positions of training clips and of held-out clips, ascending.
    """
    videos = sorted({clip.path for clip in clips})
    count = max(2, round(HELD_OUT_SHARE * len(videos)))
    chosen = np.random.default_rng([seed, 5]).permutation(len(videos))[:count]
    held_out = {videos[place] for place in chosen}
    places = range(len(clips))
    return (
        [place for place in places if clips[place].path not in held_out],
        [place for place in places if clips[place].path in held_out],
    )
