"""Edits of a view's pixels: colours, blur, noise, compression."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from vidseek.training.lab.copies.compositions import Random
from vidseek.training.networks.copy_network import PICTURE_SIZE

_LUMA = torch.tensor([0.299, 0.587, 0.114])


def recolour(pictures: Tensor, random: Random) -> Tensor:
    """Random brightness, contrast, saturation, hue and gamma for each picture."""
    count = len(pictures)

    def drawn(probability: float, low: float, high: float, default: float) -> Tensor:
        values = np.where(
            random.random(count) < probability, random.uniform(low, high, count), default
        )
        return torch.from_numpy(values.astype(np.float32))[:, None, None, None]

    grey = (pictures * _LUMA[:, None, None]).sum(1, keepdim=True)
    saturation = drawn(0.5, 0, 2.6, 1)
    saturation = torch.where(drawn(0.15, 1, 1, 0) > 0, torch.zeros_like(saturation), saturation)
    out = grey + (pictures - grey) * saturation
    # Hue: a rotation of colours around the grey axis (Rodrigues' formula).
    angle = drawn(0.3, -1.2, 1.2, 0)
    rolled = (out.roll(1, 1) - out.roll(-1, 1)) / math.sqrt(3)
    mean = out.mean(1, keepdim=True)
    out = out * angle.cos() + rolled * angle.sin() + mean * (1 - angle.cos())
    contrast = drawn(0.5, 0.3, 2, 1) * torch.where(drawn(0.06, 1, 1, 0) > 0, -1.0, 1.0)
    middle = out.mean((1, 2, 3), keepdim=True)
    out = (out - middle) * contrast + middle + drawn(0.5, -110, 110, 0)
    out = out.clamp(0, 255)
    return 255 * (out / 255 + 1e-6).pow(drawn(0.2, 0.5, 2, 1))


def soften(pictures: Tensor, random: Random) -> Tensor:
    """Blur or pixelate some pictures, or scale them down and up again."""
    out = pictures
    for row in np.flatnonzero(random.random(len(pictures)) < 0.4):
        kind = random.random()
        picture = pictures[row : row + 1]
        if kind < 0.4:
            sigma = random.uniform(0.5, 7)
            radius = max(1, math.ceil(2.5 * sigma))
            taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
            taps = (taps / taps.sum()).repeat(3, 1)
            picture = functional.pad(picture, (radius,) * 4, mode="replicate")
            picture = functional.conv2d(picture, taps[:, None, None, :], groups=3)
            picture = functional.conv2d(picture, taps[:, None, :, None], groups=3)
        else:
            side = max(10, round(PICTURE_SIZE * random.uniform(0.1, 0.7)))
            picture = functional.interpolate(picture, (side, side), mode="area")
            mode = "nearest" if random.random() < 0.5 else "bilinear"
            picture = functional.interpolate(picture, (PICTURE_SIZE, PICTURE_SIZE), mode=mode)
        out[row] = picture[0]
    return out


def add_noise(pictures: Tensor, random: Random) -> Tensor:
    """Add grey or coloured noise to some pictures, in place."""
    for row in np.flatnonzero(random.random(len(pictures)) < 0.15):
        noise = random.standard_normal((1, *pictures.shape[2:]), np.float32)
        if random.random() < 0.5:
            noise = random.standard_normal(pictures.shape[1:], np.float32)
        pictures[row] += torch.from_numpy(noise * random.uniform(5, 60)).float()
    return pictures.clamp(0, 255)


def compress(
    pictures: Tensor, random: Random, probability: float, *, worst: int, best: int
) -> Tensor:
    """Compress some pictures as JPEG of a quality from ``worst`` to ``best``, in place."""
    for row in np.flatnonzero(random.random(len(pictures)) < probability):
        pixels = pictures[row].permute(1, 2, 0).round().to(torch.uint8).numpy()
        buffer = io.BytesIO()
        quality = int(random.integers(worst, best))
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=quality)
        decoded = np.asarray(Image.open(buffer))
        pictures[row] = torch.from_numpy(np.array(decoded)).permute(2, 0, 1).float()
    return pictures
