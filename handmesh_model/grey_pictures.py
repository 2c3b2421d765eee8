"""
Pictures without colour, as of infrared and mono cameras, made what the detector knows.

It has learned from coloured renders alone, in which skin is one of the signs of a hand; the mesh
networks have seen grey ones, too, and are better without the tint.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

SKIN_TINT = (1.22, 0.93, 0.82)
"""
Red, green and blue over the grey level: the mean of rendered hands at the middle levels (136 of
255). What it is worth stands in docs/accuracy.md.
"""
_TINTED = np.rint(np.arange(256)[:, None] * SKIN_TINT).clip(0, 255).astype(np.uint8)
"""(256, 3): what each grey level becomes."""
_STEP = 61
"""Every so manyth pixel tells most coloured pictures from grey ones."""


def skin_tinted(pixels: np.ndarray | Tensor) -> np.ndarray | Tensor:
    """
    Give a picture, or some, the colour of skin if none of them has any.

    :param pixels: (..., 3) uint8 RGB. Tensors stay where they are, and the host waits for nothing.
    :returns: the same pixels, where one is not grey; else others, of their kind.
    """
    if isinstance(pixels, Tensor):
        return _on_device(pixels)
    flat = pixels.reshape(-1, 3)
    if _has_colour(flat[::_STEP]) or _has_colour(flat):
        return pixels
    return _TINTED[pixels[..., 0]]


def _has_colour(flat: np.ndarray) -> bool:
    red, green, blue = flat.T
    return bool((red != green).any() or (green != blue).any())


def _on_device(pixels: Tensor) -> Tensor:
    is_grey = (pixels == pixels[..., :1]).all()
    return torch.where(is_grey, _table(pixels.device)[pixels[..., 0].int()], pixels)


@cache
def _table(device: torch.device) -> Tensor:
    return torch.from_numpy(_TINTED).to(device)
