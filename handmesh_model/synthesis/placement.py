"""Hands in front of cameras."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from handmesh_model.crop import CROP_MARGIN
from handmesh_model.hand import Side
from handmesh_model.synthesis.compilation import njit
from handmesh_model.synthesis.geometry import moved
from handmesh_model.synthesis.hand_model import HandModel, PosedHand
from handmesh_model.synthesis.poses import sample_pose

MIRROR = np.diag([1.0, -1.0, 1.0])
"""Turns a right hand in its wrist frame into a left one."""


@dataclass(frozen=True, eq=False)
class PlacedHand:
    """
    A posed hand in the camera frame.

    :param camera_from_wrist: (3, 4), a mirroring in it for left hands.
    :param vertices_camera: (V, 3) float32 metres, the network's mesh.
    :param joints_camera: (21, 3) float32 metres.
    """

    posed: PosedHand
    camera_from_wrist: np.ndarray
    vertices_camera: np.ndarray
    joints_camera: np.ndarray

    @classmethod
    def at(cls, posed: PosedHand, camera_from_wrist: np.ndarray) -> PlacedHand:
        """A posed right hand brought to its place, (3, 4) camera from wrist frame."""
        return cls(
            posed,
            camera_from_wrist,
            moved(posed.mesh, camera_from_wrist),
            moved(posed.joints, camera_from_wrist),
        )

    @cached_property
    def side(self) -> Side:
        """'left' if there is a mirroring in its place."""
        return 'left' if np.linalg.det(self.camera_from_wrist[:, :3]) < 0 else 'right'


def place_hand(
    posed: PosedHand, rotation: np.ndarray, ray: np.ndarray, distance: float
) -> PlacedHand:
    """
    Put the middle of a hand at a distance along a ray.

    :param rotation: (3, 3) camera from wrist frame; of determinant -1 for a left hand.
    :param ray: (3,) unit, camera frame.
    """
    low, high = posed.joints.min(axis=0), posed.joints.max(axis=0)
    shift = ray * distance - rotation @ ((low + high) / 2)
    return PlacedHand.at(posed, np.column_stack([rotation, shift]))


def place_fitted(
    model: HandModel, angles: np.ndarray, shape: np.ndarray, camera_from_wrist: np.ndarray
) -> PlacedHand:
    """A hand of known pose, shape and place, (3, 4) camera from wrist frame."""
    return PlacedHand.at(model.pose(angles, shape), camera_from_wrist)


def sample_hand(rng: np.random.Generator, model: HandModel) -> PosedHand:
    """A random pose and shape."""
    shape = rng.standard_normal(model.shape_count).clip(-2.5, 2.5)
    return model.pose(sample_pose(rng, model), shape)


def sample_ray(rng: np.random.Generator) -> np.ndarray:
    """Direction in which the hand is seen, up to about 30 degrees off the optical axis."""
    ray = np.array([*rng.uniform(-0.45, 0.45, 2), 1.0])
    return ray / np.sqrt(ray @ ray)


def crop_intrinsics(
    rng: np.random.Generator | None, vertices_camera: np.ndarray, size: int
) -> np.ndarray:
    """
    The camera matrix of the square crop around a hand.

    :param rng: moves and scales the crop as a detector would be off; None for an exact crop.
    :returns: (3, 3), pixel centres at integers.
    """
    low, high = _bounds(vertices_camera)
    side = CROP_MARGIN * float((high - low).max())
    center = (low + high) / 2
    if rng is not None:
        scale = float(np.clip(np.exp(rng.normal(0.04, 0.12)), 0.8, 1.5))
        center = center + rng.normal(0, 0.035, 2).clip(-0.12, 0.12) * side
        side *= scale
    focal = size / side
    middle = (size - 1) / 2 - focal * center
    return np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1.0]])


@njit()
def _bounds(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest x / z and y / z of (N, 3) points."""
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for i in range(points.shape[0]):
        for d in range(2):
            value = points[i, d] / points[i, 2]
            low[d], high[d] = min(low[d], value), max(high[d], value)
    return low, high
