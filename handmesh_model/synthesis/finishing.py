"""From an assembly to a finished picture: light, background, camera."""

from __future__ import annotations

import cv2
import numpy as np

from handmesh_model.synthesis.appearance import skin_regions
from handmesh_model.synthesis.assembly import Assembly, Picture
from handmesh_model.synthesis.backgrounds import paint_background
from handmesh_model.synthesis.camera_effects import blur, compress, develop, lose_resolution
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.lighting import Light
from handmesh_model.synthesis.vertices import put_before


def render(
    assembly: Assembly,
    rng: np.random.Generator,
    model: HandModel,
    intrinsics: np.ndarray,
    width: int,
    height: int,
    center: np.ndarray,
    light: Light,
) -> Picture:
    """Light the assembly with random highlights and draw it, see :meth:`Assembly.picture`."""
    seed = rng.uniform(0, 64, 2).astype(np.float32)
    exponent = float(np.exp(rng.uniform(np.log(6), np.log(40))))
    paint = skin_regions(model).paint
    return assembly.picture(
        intrinsics, width, height, light, paint, np.asarray(center), exponent, seed
    )


def _shadow_on_background(rng: np.random.Generator, cover: np.ndarray) -> np.ndarray:
    """A soft shadow of what is before it, as on a near wall or table; (H, W) 0..1."""
    shift = rng.normal(0, 0.07, 2) * cover.shape[0]
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    size = (cover.shape[1], cover.shape[0])
    shadow = cv2.warpAffine(cover, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    sigma = float(rng.uniform(0.01, 0.07)) * cover.shape[0]
    return cv2.GaussianBlur(shadow, (0, 0), sigma) * float(rng.uniform(0.2, 0.75))


def compose(
    rng: np.random.Generator, picture: Picture, width: int, height: int, light: Light
) -> np.ndarray:
    """Background, shadow on it, and what is before it; linear, in the picture's own array."""
    background = paint_background(rng, width, height)
    gain = light.tint * np.exp(rng.normal(-0.05, 0.45))
    shadow = NO_SHADOW
    if rng.random() < 0.25:
        shadow = _shadow_on_background(rng, np.ascontiguousarray(picture.cover[..., 0]))
    put_before(picture.color, picture.cover, background, gain.astype(np.float32), shadow)
    return picture.color


NO_SHADOW = np.zeros((0, 0), dtype=np.float32)


def exposure(linear: np.ndarray) -> float:
    """Gain that brings the picture's mean green, highlights held back, to a middle grey."""
    return 0.24 / (float(np.minimum(linear[::4, ::4, 1], 1.0).mean()) + 0.03)


def finish_frame(
    rng: np.random.Generator, picture: Picture, width: int, height: int, light: Light
) -> np.ndarray:
    """A whole picture from the camera; (H, W, 3) uint8."""
    linear = compose(rng, picture, width, height, light)
    linear = blur(rng, linear, max(width, height) / 250)
    image = develop(rng, linear, min(exposure(linear), 2.2))
    if rng.random() < 0.2:
        image = lose_resolution(rng, image, 0.4)
    return compress(rng, image) if rng.random() < 0.6 else image


def finish_crop(rng: np.random.Generator, picture: Picture, size: int, light: Light) -> np.ndarray:
    """A crop from the camera, at times running off the photograph; (S, S, 3) uint8."""
    linear = blur(rng, compose(rng, picture, size, size, light))
    image = develop(rng, linear, min(exposure(linear), 2.2))
    if rng.random() < 0.3:
        image = lose_resolution(rng, image, 0.35)
    if rng.random() < 0.5:
        image = compress(rng, image)
    if rng.random() < 0.1:
        _cut_at_border(rng, image)
    return image


def _cut_at_border(rng: np.random.Generator, image: np.ndarray) -> None:
    """Black where the crop runs off the photograph."""
    size = image.shape[0]
    for side in range(4):
        if rng.random() < 0.4:
            cut = int(size * float(rng.beta(1, 3)) * 0.4)
            rows = image if side % 2 == 0 else image.transpose(1, 0, 2)
            rows[: cut if side < 2 else 0] = 0
            if side >= 2:
                rows[size - cut :] = 0
