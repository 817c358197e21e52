"""The copy descriptor's augmentations: edits that an uploader may make, on batches of tensors.

    views = edited_views(pictures, overlays, random)    # (B, 3, 144, 144), and each view's partner
    plain = library_views(pictures, random)             # references, as a library has them

Strong augmentations and compositions as for SSCD (Pizzi et al., CVPR 2022; its "advanced" set) and
S2VS (Kordopatis-Zilos et al. 2023; video in video). They are written independently of the edits in
`benchmarks/copies`, so that the benchmark does not use the training edits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vidseek.training.lab.copies.compositions import (
    Random,
    draw_homographies,
    draw_layers,
    sample_pictures,
)
from vidseek.training.lab.copies.degradations import add_noise, compress, recolour, soften
from vidseek.training.lab.copies.overlays import draw_over
from vidseek.training.networks.copy_network import PICTURE_SIZE


@dataclass(frozen=True)
class EditedViews:
    """Pictures after edits."""

    pictures: Tensor
    """(B, 3, S, S) float32, 0 to 255."""
    partners: NDArray[np.int64]
    """(B,) position of the second picture that a view shows; -1 if none."""
    is_partner_copied: NDArray[np.bool_]
    """(B,) True if the partner is visible enough for the view to be a copy of it, too."""


def edited_views(pictures: Tensor, overlays: Tensor, random: Random) -> EditedViews:
    """Edit pictures as uploads might.

    Args:
        pictures: (B, 3, 176, 176) float32, 0 to 255; B at least 2.
        overlays: from ``draw_overlays``.
        random: source of randomness; the same state gives the same views.
    """
    count = len(pictures)
    layers, visible = draw_layers(random, count)
    partners = (np.arange(count) + random.integers(1, count)) % count
    plain = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1))
    main, main_seen = sample_pictures(pictures, layers.main, draw_homographies(random, count))
    has_partner = layers.partner[:, 2] > 0
    canvas = _fill(pictures, random)
    opacity = torch.from_numpy(layers.opacity)[:, None, None, None]
    partner_seen = torch.zeros_like(main_seen)
    partner = torch.zeros_like(main)
    rows = np.flatnonzero(has_partner)
    if len(rows):
        pixels, seen = sample_pictures(pictures[partners[rows]], layers.partner[rows], plain[rows])
        partner[rows], partner_seen[rows] = pixels, seen
    on_top = torch.from_numpy(layers.main_on_top)[:, None, None, None]
    bottom = torch.where(on_top, partner, main)
    bottom_seen = torch.where(on_top, partner_seen, main_seen)
    top = torch.where(on_top, main, partner)
    top_seen = torch.where(on_top, main_seen, partner_seen) * opacity
    out = canvas * (1 - bottom_seen) + bottom * bottom_seen
    out = out * (1 - top_seen) + top * top_seen
    out = recolour(out, random)
    out = draw_over(out, overlays, random)
    out = soften(out, random)
    out = add_noise(out, random)
    out = compress(out, random, 0.35, worst=3, best=70)
    return EditedViews(out, np.where(has_partner, partners, -1), visible)


def _fill(pictures: Tensor, random: Random) -> Tensor:
    """Backgrounds: black, a colour, or the picture itself, blurred."""
    count = len(pictures)
    colours = random.integers(0, 256, (count, 3)).astype(np.float32)
    colours[random.random(count) < 0.5] = 0
    canvas = torch.from_numpy(colours)[:, :, None, None].expand(-1, -1, PICTURE_SIZE, PICTURE_SIZE)
    canvas = canvas.clone()
    for row in np.flatnonzero(random.random(count) < 0.15):
        small = functional.interpolate(pictures[row : row + 1], (7, 7), mode="area")
        size = (PICTURE_SIZE, PICTURE_SIZE)
        canvas[row] = functional.interpolate(small, size, mode="bilinear")[0]
    return canvas


def library_views(pictures: Tensor, random: Random) -> Tensor:
    """(B, 3, S, S) references: the pictures, slightly shifted, relit and compressed."""
    count = len(pictures)
    maps = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1))
    half = random.uniform(0.92, 1.0, (count, 2))
    maps[:, 0, 0], maps[:, 1, 1] = half[:, 0], half[:, 1]
    maps[:, :2, 2] = random.uniform(-1, 1, (count, 2)) * (1 - half)
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1))
    out, _ = sample_pictures(pictures, boxes, maps)
    light = torch.from_numpy(random.uniform(0.93, 1.07, count).astype(np.float32))
    out = (out * light[:, None, None, None]).clamp(0, 255)
    return compress(out, random, 0.4, worst=25, best=90)
