"""A few free photographs as backgrounds; see ``assets/background_photographs.md``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

FILE = Path(__file__).parent.parent / 'assets' / 'background_photographs.npz'
_LINEAR = ((np.arange(256) / 255) ** 2.2).astype(np.float32)


@lru_cache(maxsize=1)
def photographs() -> tuple[np.ndarray, ...]:
    """Colour pictures (H, W, 3) and grey textures (H, W), uint8, RGB."""
    pictures = []
    with np.load(FILE, allow_pickle=False) as data:
        for name in sorted(data.files):
            picture = np.asarray(cv2.imdecode(data[name], cv2.IMREAD_UNCHANGED))
            if picture.ndim == 3:
                picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            pictures.append(picture)
    return tuple(pictures)


def cut_photograph(
    rng: np.random.Generator, width: int, height: int, tint: np.ndarray
) -> np.ndarray:
    """
    A random part of a random photograph, turned or mirrored.

    :param tint: (3,) linear RGB that grey textures take on.
    :returns: (height, width, 3) float32 linear RGB.
    """
    pictures = photographs()
    picture = pictures[int(rng.integers(len(pictures)))]
    rows, columns = picture.shape[:2]
    scale = float(rng.uniform(0.25, 1.0)) * min(rows, columns) / max(width, height)
    turn = float(rng.normal(0, 0.15) if rng.random() < 0.7 else rng.uniform(-np.pi, np.pi))
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    middle = rng.uniform(0.25, 0.75, 2) * (columns, rows)
    matrix = np.array([[mirror * cos, -sin, 0], [mirror * sin, cos, 0]])
    matrix[:, 2] = middle - matrix[:, :2] @ np.array([width / 2, height / 2])
    flags = (cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(
        picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101
    )
    linear = _LINEAR[cut]
    if linear.ndim == 2:
        return linear[..., None] * (np.asarray(tint) * 3).astype(np.float32)
    return linear
