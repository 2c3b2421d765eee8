"""What is behind the hand."""

from __future__ import annotations

import cv2
import numpy as np

from handmesh_model.synthesis.colors import natural_colors
from handmesh_model.synthesis.noise import pick
from handmesh_model.synthesis.painter import paint, seen_through
from handmesh_model.synthesis.photographs import cut_photograph
from handmesh_model.synthesis.rooms import RECIPES, person

_RECIPE_SHARES = tuple(share for _, share in RECIPES)
_BLURS = (0.42, 0.33, 0.25)
_PHOTOGRAPH_SHARE = 0.1


def _view(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """(3, 3) scene from pixel: zoom, shift, turn, some perspective; w is 1 in the middle."""
    zoom = float(np.exp(rng.uniform(np.log(0.35), np.log(1.3))))
    turn = float(rng.normal(0, 0.12) if rng.random() < 0.7 else rng.uniform(-np.pi, np.pi))
    cos, sin = np.cos(turn), np.sin(turn)
    half = max(width, height) / 2
    to_unit = np.array(
        [[1 / half, 0, -width / 2 / half], [0, 1 / half, -height / 2 / half], [0, 0, 1]]
    )
    tilt = rng.normal(0, 0.22, 2).clip(-0.45, 0.45)
    view = np.array([[cos * zoom, -sin * zoom, 0], [sin * zoom, cos * zoom, 0], [*tilt, 1]])
    shift = np.eye(3)
    shift[:2, 2] = rng.uniform(-0.4, 0.4, 2) * (1.3 - min(zoom, 1.3) + 0.3)
    return shift @ view @ to_unit


def paint_background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """
    A random scene.

    :returns: (height, width, 3) float32 linear RGB, mean about 0.25.
    """
    blur = (0.4, float(rng.uniform(0.4, 1.2)), float(rng.uniform(1, 4.5)))[pick(rng, _BLURS)]
    # Out of focus, fewer pixels will do.
    shrink = 2 if blur > 2 else 1
    size = (width // shrink, height // shrink)
    if rng.random() < _PHOTOGRAPH_SHARE:
        picture = cut_photograph(rng, *size, natural_colors(rng, 1)[0])
    else:
        picture = _painted(rng, size)
    picture *= _light_falloff(rng, *size)
    picture = cv2.GaussianBlur(picture, (0, 0), blur * max(size) / 128)
    if shrink > 1:
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return picture


def _painted(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    picture = np.zeros((size[1], size[0], 3), dtype=np.float32)
    layer = RECIPES[pick(rng, _RECIPE_SHARES)][0](rng)
    seen_through(layer, _view(rng, *size), size)
    if rng.random() < 0.2:
        someone = person(rng)
        seen_through(someone, _view(rng, *size), size)
        layer = np.concatenate([layer, someone])
    paint(picture, layer)
    return picture


def _light_falloff(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Uneven light: a smooth field (H, W, 3), equal in all colours, enlarged from few values."""
    few = np.exp(rng.normal(0, 0.28, (3, 3))).astype(np.float32)
    field = cv2.resize(few, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.merge([field, field, field])
