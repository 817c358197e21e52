"""Convert wide-gamut and high dynamic range colours to those of an ordinary screen.

The encoders, the copy descriptor and the thumbnails expect what an ordinary video holds: BT.709
colours, encoded for a screen of gamma 2.4. Taken as such, HDR pictures are grey and pale.

The path follows the standards. PQ is decoded to light by SMPTE ST 2084, HLG by ITU-R BT.2100 for
a screen of 1,000 candelas per square metre. Diffuse white is at 203 (BT.2408), which becomes
white here. Colours are converted to BT.709 in linear light. Highlights are rolled off with the
Hermite spline of BT.2390, applied to the largest channel so that hues stay as they are. The peak
that it maps to white is measured in each picture, like mpv's ``hdr-compute-peak``: the metadata
for it are often absent or wrong, and a picture without highlights comes out unchanged.
"""

from __future__ import annotations

import enum
import functools

import numpy as np
from numpy.typing import NDArray

WHITE_NITS = 203.0
"""Luminance of diffuse white in HDR, in candelas per square metre (BT.2408)."""
HLG_PEAK_NITS = 1000.0
"""Nominal peak of a screen for HLG (BT.2100)."""
_HLG_GAMMA = 1.2
"""System gamma of HLG on a screen of ``HLG_PEAK_NITS``."""
_PQ_PEAK_NITS = 10_000.0
_SCREEN_GAMMA = 2.4
"""Gamma of an ordinary screen (BT.1886)."""
_PEAK_PERCENTILE = 99.9
"""Share of the pixels that the measured peak is not below; the rest are glints and overshoots."""
_CURVE_POINTS = 512
_BAND_PIXELS = 1 << 18
"""Pixels converted at a time: a picture of 8K would need gigabytes."""


class Transfer(enum.Enum):
    """How a signal encodes light."""

    GAMMA = enum.auto()
    """Like an ordinary screen."""
    PQ = enum.auto()
    """SMPTE ST 2084: HDR10, HDR10+, Dolby Vision 8.1."""
    HLG = enum.auto()
    """ARIB STD-B67: broadcasts, phones, Dolby Vision 8.4."""


class Gamut(enum.Enum):
    """Primary colours of a signal."""

    BT709 = enum.auto()
    """Also BT.601's, which differ little."""
    BT2020 = enum.auto()
    P3 = enum.auto()
    """Display P3, and DCI-P3 with its white taken as white."""


_TO_BT709 = {
    Gamut.BT2020: (
        (1.660491, -0.587641, -0.072850),
        (-0.124550, 1.132900, -0.008349),
        (-0.018151, -0.100579, 1.118730),
    ),
    Gamut.P3: (
        (1.224940, -0.224940, 0.0),
        (-0.042057, 1.042057, 0.0),
        (-0.019638, -0.078636, 1.098274),
    ),
}
"""From linear RGB to linear RGB of BT.709; derived from the primaries (BT.2087)."""
_LUMINANCE = {
    Gamut.BT709: (0.2126, 0.7152, 0.0722),
    Gamut.BT2020: (0.2627, 0.6780, 0.0593),
    Gamut.P3: (0.2290, 0.6917, 0.0793),
}


def to_standard(signal: NDArray[np.uint16], transfer: Transfer, gamut: Gamut) -> NDArray[np.uint8]:
    """Convert a picture to BT.709 colours of standard dynamic range.

    Args:
        signal: (H, W, 3) uint16 RGB, full range, as encoded.
        transfer: how the signal encodes light.
        gamut: primary colours of the signal.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = signal.shape[:2]
    rows = max(1, _BAND_PIXELS // max(1, width))
    bands = [slice(top, top + rows) for top in range(0, height, rows)]
    peak_nits = WHITE_NITS
    if transfer is not Transfer.GAMMA:
        # Measured in a sample of at most one band's pixels, spread over the picture.
        sample = _to_light(signal[:: len(bands)], transfer, gamut)
        peak_nits = float(np.percentile(_largest(sample), _PEAK_PERCENTILE))
    result = np.empty(signal.shape, dtype=np.uint8)
    for band in bands:
        light = _to_light(signal[band], transfer, gamut)
        if peak_nits > WHITE_NITS:
            _roll_off(light, peak_nits)
        light /= WHITE_NITS
        np.clip(light, 0.0, 1.0, out=light)
        np.power(light, 1 / _SCREEN_GAMMA, out=light)
        light *= 255.0
        light += 0.5
        result[band] = light
    return result


def _to_light(signal: NDArray[np.uint16], transfer: Transfer, gamut: Gamut) -> NDArray[np.float32]:
    """Light of the screen in candelas per square metre: (H, W, 3) float32, BT.709, not negative."""
    light: NDArray[np.float32] = _light_table(transfer)[signal]
    if transfer is Transfer.HLG:
        luminance = light @ np.asarray(_LUMINANCE[gamut], dtype=np.float32)
        light *= HLG_PEAK_NITS * luminance[..., np.newaxis] ** (_HLG_GAMMA - 1)
    if gamut in _TO_BT709:
        light = light @ np.asarray(_TO_BT709[gamut], dtype=np.float32).T
    return np.maximum(light, 0.0, out=light)


@functools.cache
def _light_table(transfer: Transfer) -> NDArray[np.float32]:
    """(65536,) light of every code; of the scene (0 to 1) for HLG, else of the screen in nits."""
    code = np.arange(1 << 16, dtype=np.float64) / ((1 << 16) - 1)
    if transfer is Transfer.PQ:
        light = _pq_to_nits(code)
    elif transfer is Transfer.HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    else:
        light = WHITE_NITS * code**_SCREEN_GAMMA
    return light.astype(np.float32)


_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def _pq_to_nits(code: NDArray[np.float64]) -> NDArray[np.float64]:
    power = code ** (1 / _M2)
    base = np.maximum(power - _C1, 0.0) / (_C2 - _C3 * power)
    return np.asarray(_PQ_PEAK_NITS * base ** (1 / _M1), dtype=np.float64)


def _nits_to_pq(nits: NDArray[np.float64]) -> NDArray[np.float64]:
    power = (nits / _PQ_PEAK_NITS) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2, dtype=np.float64)


def _roll_off(light: NDArray[np.float32], peak_nits: float) -> None:
    """Compress highlights in place so that the peak becomes white (BT.2390, section 5.4.1)."""
    nits, factors = _roll_off_curve(peak_nits)
    light *= np.interp(_largest(light), nits, factors).astype(np.float32)[..., np.newaxis]


def _largest(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) largest channel; ``max(axis=2)`` takes twenty times as long."""
    return np.maximum(np.maximum(light[..., 0], light[..., 1]), light[..., 2])


def _roll_off_curve(peak_nits: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of the curve: ascending luminances, and the factor that each is multiplied by."""
    peak, white = _nits_to_pq(np.array([peak_nits, WHITE_NITS]))
    top = white / peak
    knee = 1.5 * top - 0.5
    level = np.linspace(knee, 1.0, _CURVE_POINTS)
    t = (level - knee) / (1 - knee)
    mapped = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * top
    )
    nits = _pq_to_nits(level * peak)
    return nits, _pq_to_nits(mapped * peak) / nits
