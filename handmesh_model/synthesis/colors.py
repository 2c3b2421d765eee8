"""Colours of things about us."""

from __future__ import annotations

import numpy as np

from handmesh_model.synthesis.compilation import njit


def natural_colors(rng: np.random.Generator, count: int, vivid: float = 0.12) -> np.ndarray:
    """
    Colours of things about us: mostly greyish, some wood and cloth, a few vivid.

    :param vivid: share of vivid ones.
    :returns: (count, 3) linear RGB.
    """
    return _colors(rng.standard_normal((count, 3)), rng.random((count, 3)), vivid)


@njit()
def _colors(normal: np.ndarray, uniform: np.ndarray, vivid: float) -> np.ndarray:
    """Colours from three standard normal and three uniform numbers each."""
    colors = np.empty((normal.shape[0], 3))
    for i in range(normal.shape[0]):
        luminance = min(max(np.exp(-1.5 + 0.95 * normal[i, 0]), 0.012), 0.85)
        warm, tint = 0.06 + 0.13 * normal[i, 1], 0.05 * normal[i, 2]
        red, green, blue = warm, -tint, tint - warm
        if uniform[i, 0] < vivid:
            hue, chroma = 2 * np.pi * uniform[i, 1], 0.3 + 0.9 * uniform[i, 2]
            red += chroma * np.cos(hue)
            green += 0.8 * chroma * np.cos(hue - 2.094)
            blue += chroma * np.cos(hue + 2.094)
        colors[i, 0] = min(luminance * np.exp(red), 0.9)
        colors[i, 1] = min(luminance * np.exp(green), 0.9)
        colors[i, 2] = min(luminance * np.exp(blue), 0.9)
    return colors


def natural_color(rng: np.random.Generator, vivid: float = 0.15) -> tuple[float, float, float]:
    """One of :func:`natural_colors`."""
    color = natural_colors(rng, 1, vivid)[0]
    return float(color[0]), float(color[1]), float(color[2])
