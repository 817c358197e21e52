"""What an uploader may do to a picture, in batches of tensors: the copy descriptor's augmentations.

    views = edited_views(pictures, random)          # (B, 3, 144, 144) and what each shows besides
    plain = library_views(pictures, random)         # as a library holds them

Strong augmentations and compositions as for SSCD (Pizzi et al., CVPR 2022; its "advanced" set) and
S2VS (Kordopatis-Zilos et al. 2023; video in video). Written apart from the edits of
`benchmarks/copies`: what is measured there must not be what was trained here.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from vidseek.training.networks.copy_network import PICTURE_SIZE

_Random = np.random.Generator

BANK_SIZE = 600
VISIBLE_SHARE = 0.2
"""Of a view, so much must show a second picture for the view to be a copy of that one as well."""


@dataclass(frozen=True)
class EditedViews:
    """Pictures after edits."""

    pictures: Tensor
    """(B, 3, S, S) float32, 0 to 255."""
    partners: NDArray[np.int64]
    """(B,) the batch's picture that a view shows besides its own; -1 if none."""
    is_partner_copied: NDArray[np.bool_]
    """(B,) True if that is seen well enough to be a copy too."""


# -- geometry --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layers:
    """Where a view's own picture and another one lie, in coordinates from -1 to 1."""

    own: NDArray[np.float32]
    """(B, 4) centre x, y and half width, height."""
    other: NDArray[np.float32]
    """(B, 4) the same; no area where there is none."""
    own_on_top: NDArray[np.bool_]
    opacity: NDArray[np.float32]
    """(B,) of the layer on top."""


def _place(random: _Random, count: int) -> tuple[_Layers, NDArray[np.bool_]]:
    """Draw compositions; which of them leave the other picture well visible."""
    own = np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1))
    other = np.zeros((count, 4), np.float32)
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
            if random.random() < 0.35:  # a bar on two sides: another aspect ratio
                half = np.array([1.0, random.uniform(0.45, 0.85)])
                half = half[::-1] if random.random() < 0.4 else half
            own[row] = [*(random.uniform(-1, 1, 2) * (1 - half) * random.choice([0, 1])), *half]
        elif kind == "window":
            half = np.clip(random.uniform(0.4, 0.8) * np.exp(random.uniform(-0.2, 0.2, 2)), 0, 0.85)
            own[row] = [*(random.uniform(-1, 1, 2) * (1 - half)), *half]
            other[row] = [0, 0, 1, 1]
            opacity[row] = 1 if random.random() < 0.6 else random.uniform(0.6, 1)
            visible[row] = 1 - half.prod() >= 0.35
        elif kind == "stack":
            side, axis = random.choice([-1, 1]), random.integers(2)
            at = random.uniform(0.4, 0.6)
            for layer, sign, share in ((own, side, at), (other, -side, 1 - at)):
                layer[row, axis], layer[row, 2 + axis] = sign * (1 - share), share
                layer[row, 1 - axis], layer[row, 3 - axis] = 0, 1
            visible[row] = True
        elif kind == "tiles":
            x, y = random.choice([-0.5, 0.5], 2)
            own[row], other[row] = [x, y, 0.5, 0.5], [-x, y, 0.5, 0.5]
            visible[row] = True
        elif kind == "cover":
            half = random.uniform(0.2, 0.42, 2)
            other[row] = [*(random.uniform(-1, 1, 2) * (1 - half)), *half]
            on_top[row] = False
        elif kind == "blend":
            other[row] = [0, 0, 1, 1]
            on_top[row] = False
            opacity[row] = random.uniform(0.1, 0.5)
    return _Layers(own, other, on_top, opacity), visible


def _homographies(random: _Random, count: int) -> NDArray[np.float32]:
    """(B, 3, 3) from coordinates in a view's window to coordinates in the picture, both -1 to 1."""
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


def _sampled(
    pictures: Tensor, boxes: NDArray[np.float32], maps: NDArray[np.float32]
) -> tuple[Tensor, Tensor]:
    """Pictures put through their maps into their boxes, and (B, 1, S, S) where they are seen."""
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


# -- looks -----------------------------------------------------------------------------------------

_LUMA = torch.tensor([0.299, 0.587, 0.114])


def _recoloured(pictures: Tensor, random: _Random) -> Tensor:
    """Brightness, contrast, saturation, hue and gamma, each picture its own."""
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
    # Hue: a turn of colours around the grey axis (Rodrigues' formula).
    angle = drawn(0.3, -1.2, 1.2, 0)
    rolled = (out.roll(1, 1) - out.roll(-1, 1)) / math.sqrt(3)
    mean = out.mean(1, keepdim=True)
    out = out * angle.cos() + rolled * angle.sin() + mean * (1 - angle.cos())
    contrast = drawn(0.5, 0.3, 2, 1) * torch.where(drawn(0.06, 1, 1, 0) > 0, -1.0, 1.0)
    middle = out.mean((1, 2, 3), keepdim=True)
    out = (out - middle) * contrast + middle + drawn(0.5, -110, 110, 0)
    out = out.clamp(0, 255)
    return 255 * (out / 255 + 1e-6).pow(drawn(0.2, 0.5, 2, 1))


def _softened(pictures: Tensor, random: _Random) -> Tensor:
    """Some blurred, pixelated or scaled down and up again."""
    out = pictures
    for row in np.flatnonzero(random.random(len(pictures)) < 0.4):
        kind = random.random()
        one = pictures[row : row + 1]
        if kind < 0.4:
            sigma = random.uniform(0.5, 7)
            radius = max(1, math.ceil(2.5 * sigma))
            taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
            taps = (taps / taps.sum()).repeat(3, 1)
            one = functional.pad(one, (radius,) * 4, mode="replicate")
            one = functional.conv2d(one, taps[:, None, None, :], groups=3)
            one = functional.conv2d(one, taps[:, None, :, None], groups=3)
        else:
            side = max(10, round(PICTURE_SIZE * random.uniform(0.1, 0.7)))
            one = functional.interpolate(one, (side, side), mode="area")
            mode = "nearest" if random.random() < 0.5 else "bilinear"
            one = functional.interpolate(one, (PICTURE_SIZE, PICTURE_SIZE), mode=mode)
        out[row] = one[0]
    return out


def _noised(pictures: Tensor, random: _Random) -> Tensor:
    for row in np.flatnonzero(random.random(len(pictures)) < 0.15):
        noise = random.standard_normal((1, *pictures.shape[2:]), np.float32)
        if random.random() < 0.5:
            noise = random.standard_normal(pictures.shape[1:], np.float32)
        pictures[row] += torch.from_numpy(noise * random.uniform(5, 60)).float()
    return pictures.clamp(0, 255)


def _compressed(
    pictures: Tensor, random: _Random, probability: float, *, worst: int, best: int
) -> Tensor:
    for row in np.flatnonzero(random.random(len(pictures)) < probability):
        pixels = pictures[row].permute(1, 2, 0).round().to(torch.uint8).numpy()
        buffer = io.BytesIO()
        quality = int(random.integers(worst, best))
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=quality)
        again = np.asarray(Image.open(buffer))
        pictures[row] = torch.from_numpy(np.array(again)).permute(2, 0, 1).float()
    return pictures


# -- things drawn on top ---------------------------------------------------------------------------


def draw_overlays(seed: int, count: int = BANK_SIZE) -> Tensor:
    """(count, 4, S, S) uint8 RGBA: writing, bars with writing, logos, spots and shapes."""
    random = np.random.default_rng([seed, 77])
    drawn = [np.asarray(_overlay(random)) for _ in range(count)]
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).contiguous()


def _overlay(random: _Random) -> Image.Image:
    side = PICTURE_SIZE
    canvas = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(canvas)
    kind = random.choice(["text", "bar", "logo", "spots", "shapes"], p=[0.35, 0.2, 0.25, 0.1, 0.1])
    if kind == "text":
        for _ in range(int(random.integers(1, 4))):
            _write(pen, random, random.uniform(0, 0.7 * side), random.uniform(-0.1, 0.85) * side)
    elif kind == "bar":
        high = random.uniform(0.08, 0.26) * side
        top = random.choice([0.0, side - high])
        colour = _tint(random) if random.random() < 0.4 else random.choice([0, 255]).repeat(3)
        pen.rectangle((0, top, side, top + high), fill=(*(int(c) for c in colour), 255))
        _write(pen, random, random.uniform(0, 0.3 * side), top + 0.1 * high, size=0.7 * high)
    elif kind == "logo":
        for _ in range(int(random.integers(1, 5))):
            _shape(pen, random, random.uniform(0.08, 0.3) * side)
    elif kind == "spots":
        for _ in range(int(random.integers(30, 200))):
            _shape(pen, random, random.uniform(0.01, 0.03) * side)
    else:
        for _ in range(int(random.integers(1, 4))):
            _shape(pen, random, random.uniform(0.05, 0.25) * side)
    return canvas


def draw_slides(seed: int, count: int) -> NDArray[np.uint8]:
    """(count, S, S, 3) uint8 RGB: titles and slides, writing and shapes on fields of colour.

    They look alike whatever they say: score normalisation has to know them.
    """
    random = np.random.default_rng([seed, 78])
    slides = np.empty((count, PICTURE_SIZE, PICTURE_SIZE, 3), np.uint8)
    for row in range(count):
        canvas = Image.new("RGB", (PICTURE_SIZE, PICTURE_SIZE), _tint(random))
        pen = ImageDraw.Draw(canvas)
        for _ in range(int(random.integers(0, 4))):
            corner = random.uniform(-0.2, 0.8, 2) * PICTURE_SIZE
            size = random.uniform(0.2, 1.4, 2) * PICTURE_SIZE
            pen.rectangle((*corner, *(corner + size)), fill=_tint(random))
        for _ in range(int(random.integers(1, 3))):
            overlay = _overlay(random)
            canvas.paste(overlay, (0, 0), overlay)
        slides[row] = np.asarray(canvas)
    return slides


def _tint(random: _Random) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in random.integers(0, 256, 3))
    return red, green, blue


def _write(
    pen: ImageDraw.ImageDraw, random: _Random, x: float, y: float, size: float | None = None
) -> None:
    signs = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789    !?.#@"
    words = "".join(random.choice(list(signs), int(random.integers(3, 22))))
    height = max(6.0, size if size is not None else random.uniform(0.06, 0.28) * PICTURE_SIZE)
    font = ImageFont.load_default(height)
    edge = int(random.integers(0, 3))
    pen.text((x, y), words, _tint(random), font, stroke_width=edge, stroke_fill=_tint(random))


def _shape(pen: ImageDraw.ImageDraw, random: _Random, radius: float) -> None:
    x, y = random.uniform(0, PICTURE_SIZE, 2)
    box = (x - radius, y - radius, x + radius, y + radius)
    colour = (*_tint(random), int(random.integers(120, 256)))
    kind = random.integers(4)
    if kind == 0:
        pen.ellipse(box, fill=colour, outline=_tint(random))
    elif kind == 1:
        pen.rectangle(box, fill=colour)
    elif kind == 2:
        pen.regular_polygon((x, y, max(1.0, radius)), int(random.integers(3, 8)), fill=colour)
    else:  # a face, as emoji have one
        pen.ellipse(box, fill=colour)
        for sign in (-1, 1):
            eye = (x + sign * 0.4 * radius, y - 0.3 * radius)
            pen.ellipse(
                (
                    eye[0] - 0.12 * radius,
                    eye[1] - 0.12 * radius,
                    eye[0] + 0.12 * radius,
                    eye[1] + 0.12 * radius,
                ),
                fill=(0, 0, 0, 255),
            )
        pen.arc(
            (x - 0.5 * radius, y - 0.4 * radius, x + 0.5 * radius, y + 0.6 * radius),
            20,
            160,
            fill=(0, 0, 0, 255),
            width=max(1, int(radius / 8)),
        )


def _drawn_over(pictures: Tensor, overlays: Tensor, random: _Random) -> Tensor:
    for row in np.flatnonzero(random.random(len(pictures)) < 0.35):
        overlay = overlays[int(random.integers(len(overlays)))].float()
        opacity = 1.0 if random.random() < 0.6 else random.uniform(0.2, 1)
        alpha = overlay[3:] / 255 * opacity
        pictures[row] = pictures[row] * (1 - alpha) + overlay[:3] * alpha
    return pictures


# -- views -----------------------------------------------------------------------------------------


def edited_views(pictures: Tensor, overlays: Tensor, random: _Random) -> EditedViews:
    """What uploads might show of some pictures.

    Args:
        pictures: (B, 3, 176, 176) float32, 0 to 255; B at least 2.
        overlays: what ``draw_overlays`` drew.
        random: the same state gives the same views.
    """
    count = len(pictures)
    layers, visible = _place(random, count)
    partners = (np.arange(count) + random.integers(1, count)) % count
    plain = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1))
    own, own_seen = _sampled(pictures, layers.own, _homographies(random, count))
    has_other = layers.other[:, 2] > 0
    canvas = _fill(pictures, random)
    opacity = torch.from_numpy(layers.opacity)[:, None, None, None]
    other_seen = torch.zeros_like(own_seen)
    other = torch.zeros_like(own)
    rows = np.flatnonzero(has_other)
    if len(rows):
        some, seen = _sampled(pictures[partners[rows]], layers.other[rows], plain[rows])
        other[rows], other_seen[rows] = some, seen
    on_top = torch.from_numpy(layers.own_on_top)[:, None, None, None]
    bottom = torch.where(on_top, other, own)
    bottom_seen = torch.where(on_top, other_seen, own_seen)
    top = torch.where(on_top, own, other)
    top_seen = torch.where(on_top, own_seen, other_seen) * opacity
    out = canvas * (1 - bottom_seen) + bottom * bottom_seen
    out = out * (1 - top_seen) + top * top_seen
    out = _recoloured(out, random)
    out = _drawn_over(out, overlays, random)
    out = _softened(out, random)
    out = _noised(out, random)
    out = _compressed(out, random, 0.35, worst=3, best=70)
    return EditedViews(out, np.where(has_other, partners, -1), visible)


def _fill(pictures: Tensor, random: _Random) -> Tensor:
    """What lies behind: black, a colour, or the picture itself, blurred."""
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


def library_views(pictures: Tensor, random: _Random) -> Tensor:
    """(B, 3, S, S) what a library holds: the picture, a little moved, lit and compressed."""
    count = len(pictures)
    maps = np.tile(np.eye(3, dtype=np.float32), (count, 1, 1))
    half = random.uniform(0.92, 1.0, (count, 2))
    maps[:, 0, 0], maps[:, 1, 1] = half[:, 0], half[:, 1]
    maps[:, :2, 2] = random.uniform(-1, 1, (count, 2)) * (1 - half)
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (count, 1))
    out, _ = _sampled(pictures, boxes, maps)
    light = torch.from_numpy(random.uniform(0.93, 1.07, count).astype(np.float32))
    out = (out * light[:, None, None, None]).clamp(0, 255)
    return _compressed(out, random, 0.4, worst=25, best=90)
