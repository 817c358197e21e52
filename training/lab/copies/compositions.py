"""Where an edited view shows its picture, and a second one: layers, crops, turns, perspectives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vidseek.training.networks.copy_network import PICTURE_SIZE

Random: TypeAlias = np.random.Generator


@dataclass(frozen=True)
class Layers:
    """Where a view's main picture and its partner are placed, in coordinates from -1 to 1."""

    main: NDArray[np.float32]
    """(B, 4) centre x, y and half width, half height."""
    partner: NDArray[np.float32]
    """(B, 4) likewise; no area without a partner."""
    main_on_top: NDArray[np.bool_]
    opacity: NDArray[np.float32]
    """(B,) opacity of the layer on top."""


def draw_layers(random: Random, count: int) -> tuple[Layers, NDArray[np.bool_]]:
    """Draw random compositions, and (B,) whether each leaves the partner well visible."""
    main = np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1))
    partner = np.zeros((count, 4), np.float32)
    on_top = np.ones(count, np.bool_)
    opacity = np.ones(count, np.float32)
    visible = np.zeros(count, np.bool_)
    kinds = random.choice(
        ["plain", "pad", "window", "stack", "tiles", "cover", "blend"],
        size=count,
        p=[0.44, 0.2, 0.13, 0.08, 0.03, 0.06, 0.06],
    )
    for row, kind in enumerate(kinds):
        if kind == "pad":
            half = 1 - random.uniform(0, 0.3, 2) * (random.random(2) < 0.75)
            if random.random() < 0.35:  # bars on two sides: another aspect ratio
                half = np.array([1.0, random.uniform(0.45, 0.85)])
                half = half[::-1] if random.random() < 0.4 else half
            main[row] = [*(random.uniform(-1, 1, 2) * (1 - half) * random.choice([0, 1])), *half]
        elif kind == "window":
            half = np.clip(random.uniform(0.4, 0.8) * np.exp(random.uniform(-0.2, 0.2, 2)), 0, 0.85)
            main[row] = [*(random.uniform(-1, 1, 2) * (1 - half)), *half]
            partner[row] = [0, 0, 1, 1]
            opacity[row] = 1 if random.random() < 0.6 else random.uniform(0.6, 1)
            visible[row] = 1 - half.prod() >= 0.35
        elif kind == "stack":
            side, axis = random.choice([-1, 1]), random.integers(2)
            boundary = random.uniform(0.4, 0.6)
            for layer, sign, share in ((main, side, boundary), (partner, -side, 1 - boundary)):
                layer[row, axis], layer[row, 2 + axis] = sign * (1 - share), share
                layer[row, 1 - axis], layer[row, 3 - axis] = 0, 1
            visible[row] = True
        elif kind == "tiles":
            x, y = random.choice([-0.5, 0.5], 2)
            main[row], partner[row] = [x, y, 0.5, 0.5], [-x, y, 0.5, 0.5]
            visible[row] = True
        elif kind == "cover":
            half = random.uniform(0.2, 0.42, 2)
            partner[row] = [*(random.uniform(-1, 1, 2) * (1 - half)), *half]
            on_top[row] = False
        elif kind == "blend":
            partner[row] = [0, 0, 1, 1]
            on_top[row] = False
            opacity[row] = random.uniform(0.1, 0.5)
    return Layers(main, partner, on_top, opacity), visible


def draw_homographies(random: Random, count: int) -> NDArray[np.float32]:
    """(B, 3, 3) maps from coordinates in a view's window to the picture's, both -1 to 1."""
    maps = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1))
    for row in range(count):
        area = 1.0
        if random.random() < 0.75:
            area = (
                math.exp(random.uniform(math.log(0.16), 0))
                if random.random() < 0.5
                else (random.uniform(0.5, 1))
            )
        shape = math.exp(random.uniform(-0.35, 0.35))
        half = np.minimum(np.sqrt([area * shape, area / shape]), 1)
        centre = random.uniform(-1, 1, 2) * (1 - half)
        crop = np.array([[half[0], 0, centre[0]], [0, half[1], centre[1]], [0, 0, 1]])
        turn = np.eye(3)
        if random.random() < 0.3:
            angle = math.radians(random.uniform(-32, 32))
            turn[:2, :2] = [
                [math.cos(angle), -math.sin(angle)],
                [math.sin(angle), math.cos(angle)],
            ]
            turn[:2, :2] *= random.uniform(1.0, 1.35) if random.random() < 0.5 else 1.0
        if random.random() < 0.05:
            quarter = [[0, -1], [1, 0]] if random.random() < 0.5 else [[0, 1], [-1, 0]]
            turn[:2, :2] = turn[:2, :2] @ np.array(quarter)
        flips = np.where(random.random(2) < [0.35, 0.07], -1.0, 1.0)
        turn[:2, :2] = turn[:2, :2] * flips
        if random.random() < 0.2:
            turn[2, :2] = random.uniform(-0.25, 0.25, 2)
        maps[row] = crop @ turn
    return maps


def sample_pictures(
    pictures: Tensor, boxes: NDArray[np.float32], maps: NDArray[np.float32]
) -> tuple[Tensor, Tensor]:
    """Warp pictures by their maps into their boxes; also (B, 1, S, S) where they are visible."""
    axis = (torch.arange(PICTURE_SIZE, dtype=torch.float32) + 0.5) / PICTURE_SIZE * 2 - 1
    placed = torch.from_numpy(boxes)
    half = placed[:, 2:].clamp(min=1e-3)
    x = (axis[None] - placed[:, :1]) / half[:, :1]  # (B, S)
    y = (axis[None] - placed[:, 1:2]) / half[:, 1:]
    homography = torch.from_numpy(maps)[:, :, :, None, None]
    across, down = x[:, None, :], y[:, :, None]
    rows = [
        homography[:, row, 0] * across + homography[:, row, 1] * down + homography[:, row, 2]
        for row in range(3)
    ]
    depth = rows[2].clamp(min=0.2)
    grid = torch.stack([rows[0] / depth, rows[1] / depth], dim=-1)
    inside = (across.abs() <= 1) & (down.abs() <= 1) & (grid.abs() <= 1).all(-1)
    seen = functional.grid_sample(
        pictures, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return seen, inside[:, None].float()
