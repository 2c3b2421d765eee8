"""Finished crops with labels, for the mesh network."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from handmesh_model.crop import IGNORED_PIXEL
from handmesh_model.joints import MIDDLE_KNUCKLE, SIGHTED, WRIST
from handmesh_model.synthesis import staging
from handmesh_model.synthesis.actors import add_hand
from handmesh_model.synthesis.appearance import sample_skin
from handmesh_model.synthesis.assembly import Assembly
from handmesh_model.synthesis.compilation import njit
from handmesh_model.synthesis.finishing import finish_crop, render
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.lighting import sample_light
from handmesh_model.synthesis.placement import (
    PlacedHand,
    crop_intrinsics,
    place_hand,
    sample_hand,
    sample_ray,
)
from handmesh_model.synthesis.viewpoints import sample_distance, sample_rotation
from handmesh_model.topology import HandTopology

NEGATIVE_SHARE, MIRRORED_SHARE = 0.08, 0.10
"""Shares of crops without a hand, and of crops that show a left hand."""
_NEGATIVE_REGION = np.array([[-0.1, -0.1, 0.6], [0.1, 0.1, 0.6]])


def render_crop_sample(
    rng: np.random.Generator, model: HandModel, size: int = 128
) -> dict[str, Any]:
    """
    A random training crop.

    :param size: side of the crop, pixels; even.
    :returns: image (S, S, 3) uint8 RGB; vertices (V, 3) and joints (21, 3) float32, crop pixels
        x, y and root-relative depth in metres at reference size; mask (S/2, S/2) uint8, 1 hand,
        255 ignore; mesh_valid bool; presence, side float32, see the training batch.
    """
    present = rng.random() >= NEGATIVE_SHARE
    mirrored = bool(rng.random() < MIRRORED_SHARE)
    hand = place_hand(
        sample_hand(rng, model), sample_rotation(rng), sample_ray(rng), sample_distance(rng)
    )
    intrinsics = crop_intrinsics(rng, hand.vertices_camera, size)
    assembly, tone = Assembly(), sample_skin(rng)
    if present:
        add_hand(assembly, model, hand, tone, True)
        staging.dress(assembly, rng, model, hand, tone)
        staging.add_things(assembly, rng, hand)
        if rng.random() < 0.1:
            staging.add_other_hand(assembly, rng, model, hand, tone)
        center = hand.joints_camera.mean(axis=0)
    else:
        staging.add_distractors(assembly, rng)
        intrinsics = crop_intrinsics(None, _NEGATIVE_REGION * rng.uniform(0.5, 1.2), size)
        center = np.array([0, 0, 0.6])
    light = sample_light(rng)
    picture = render(assembly, rng, model, intrinsics, size, size, center, light)
    image = finish_crop(rng, picture, size, light)
    sample: dict[str, Any] = _labels(hand, intrinsics, picture.cover)
    if mirrored and present:
        image = _mirror(image, sample, size)
    sample['image'] = image
    sample['mesh_valid'] = np.bool_(present and not mirrored)
    sample['presence'] = np.float32(present)
    sample['side'] = np.float32(-1.0 if not present else 0.0 if mirrored else 1.0)
    return sample


def _labels(hand: PlacedHand, intrinsics: np.ndarray, cover: np.ndarray) -> dict[str, np.ndarray]:
    size = float(np.linalg.norm(hand.posed.joints[MIDDLE_KNUCKLE] - hand.posed.joints[WRIST]))
    reference = HandTopology.open_hand().hand_size
    wrist, sighted = hand.joints_camera[WRIST], hand.joints_camera[SIGHTED]
    sample = {
        name: _crop_points(points, intrinsics, wrist, sighted, reference / size)
        for name, points in (('vertices', hand.vertices_camera), ('joints', hand.joints_camera))
    }
    shape = (cover.shape[1] // 2, cover.shape[0] // 2)
    sample['mask'] = _mask(cv2.resize(cover, shape, interpolation=cv2.INTER_AREA))
    return sample


@njit()
def _mask(cover: np.ndarray) -> np.ndarray:
    """1 where the hand covers more than half, :data:`IGNORED_PIXEL` where what is ignored does."""
    height, width = cover.shape[0], cover.shape[1]
    mask = np.zeros((height, width), dtype=np.uint8)
    for y in range(height):
        for x in range(width):
            if cover[y, x, 1] > 0.5:
                mask[y, x] = 1
            elif cover[y, x, 2] > 0.35:
                mask[y, x] = IGNORED_PIXEL
    return mask


@njit()
def _crop_points(
    points: np.ndarray,
    intrinsics: np.ndarray,
    wrist: np.ndarray,
    sighted: np.ndarray,
    scale: float,
) -> np.ndarray:
    """
    (N, 3) float32: crop pixels, and depth beyond the wrist at reference size, along the line of
    sight to a joint.
    """
    x, y, z = sighted
    factor = scale / np.sqrt(x * x + y * y + z * z)
    out = np.empty((points.shape[0], 3), dtype=np.float32)
    for i in range(points.shape[0]):
        for d in range(2):
            out[i, d] = points[i, d] / points[i, 2] * intrinsics[0, 0] + intrinsics[d, 2]
        beyond = points[i] - wrist
        out[i, 2] = (beyond[0] * x + beyond[1] * y + beyond[2] * z) * factor
    return out


def _mirror(image: np.ndarray, sample: dict[str, Any], size: int) -> np.ndarray:
    """The crop as a left hand gives it unmirrored; labels are turned in place."""
    sample['mask'] = np.ascontiguousarray(sample['mask'][:, ::-1])
    for name in ('vertices', 'joints'):
        sample[name][:, 0] = size - 1 - sample[name][:, 0]
    return np.ascontiguousarray(image[:, ::-1])
