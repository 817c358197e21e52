"""Clips with a direction, and attention over time that learns it."""

from __future__ import annotations

import numpy as np
import pytest

from vidseek.training.lab.motion import MotionClip, reversed_captions


def clip(label: str | None, *captions: str) -> MotionClip:
    return MotionClip(0, "train", (0.0, 1.0), label, captions, "rt1:scene1", "somewhere")


@pytest.mark.parametrize(
    ("label", "caption", "turned"),
    [
        ("open drawer", "a robot arm opens the top drawer", "a robot arm closes the top drawer"),
        ("close drawer", "close top drawer", "open top drawer"),
        (
            "take out of drawer",
            "a robot arm takes the can out of the drawer and puts it on the counter",
            "a robot arm puts the can into the drawer",
        ),
        ("put into drawer", "place can into drawer", "pick can from drawer and place on counter"),
    ],
)
def test_a_reversed_clip_shows_the_opposite(label, caption, turned):
    assert reversed_captions(clip(label, caption)) == (turned,)
    opposite = {
        "open drawer": "close drawer",
        "close drawer": "open drawer",
        "take out of drawer": "put into drawer",
        "put into drawer": "take out of drawer",
    }[label]
    assert reversed_captions(clip(opposite, turned)) == (caption,)


def test_a_clip_without_a_direction_has_no_opposite():
    assert reversed_captions(clip("move next to", "a robot arm opens the top drawer")) == ()
    assert reversed_captions(clip(None, "a man closes the door")) == ()


def units(random: np.random.Generator, count: int) -> np.ndarray:
    vectors = random.normal(size=(count, 384)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.full
def test_attention_learns_the_direction_and_leaves_other_videos_near_their_mean():
    import torch

    from vidseek.training.lab.motion_training import MotionItem, MotionSettings, train_on_motion

    random = np.random.default_rng(0)
    shut, wide, opens, closes = units(random, 4)
    seconds = np.arange(4, dtype=np.float32)

    def frames(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        shares = np.linspace(0, 1, 4, dtype=np.float32)[:, None]
        vectors = (1 - shares) * first + shares * last + 0.02 * units(random, 4)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def directed() -> list[MotionItem]:
        return [
            MotionItem(frames(shut, wide), seconds, opens[None], closes[None], "robots"),
            MotionItem(frames(wide, shut), seconds, closes[None], opens[None], "robots"),
        ]

    others = [
        MotionItem(frames(*units(random, 2)), seconds, units(random, 1), opens[None][:0])
        for _ in range(16)
    ]
    settings = MotionSettings(steps=60, batch=16)
    temporal = train_on_motion([*directed(), *directed(), *others], settings)

    def encode(vectors: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            count = len(vectors)
            times = torch.arange(count, dtype=torch.float32)[None]
            return temporal(torch.from_numpy(vectors)[None], times, torch.ones(1, count))[0].numpy()

    seen = encode(frames(shut, wide))
    assert seen @ opens > seen @ closes
    seen = encode(frames(wide, shut))
    assert seen @ closes > seen @ opens
    for item in others:
        mean = item.vectors.mean(0)
        assert encode(item.vectors) @ (mean / np.linalg.norm(mean)) > 0.95
    still = units(random, 1)
    np.testing.assert_allclose(encode(still), still[0], atol=1e-5)
