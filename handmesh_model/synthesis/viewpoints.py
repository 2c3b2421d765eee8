"""From where hands are seen."""

from __future__ import annotations

import numpy as np

from handmesh_model.synthesis.geometry import random_rotation, rotation_about
from handmesh_model.synthesis.noise import pick


def looking(fingers: tuple[float, ...], back: tuple[float, ...]) -> np.ndarray:
    """
    (3, 3) camera from wrist, from the directions of the fingers and of the back of the hand.

    :param back: out of the back of the hand; made orthogonal to ``fingers``.
    """
    x = np.array(fingers, dtype=np.float64)
    x /= np.sqrt(x @ x)
    z = np.array(back, dtype=np.float64)
    z -= z @ x * x
    z /= np.sqrt(z @ z)
    return np.stack([x, np.cross(z, x), z], axis=1)


# Camera frame: x right, y down, z forward.
_TYPICAL = (
    (looking((0, -1, 0), (0, 0, 1)), 0.32),  # palm shown to the camera
    (looking((0, -1, 0), (0, 0, -1)), 0.14),  # back of the hand, upright
    (looking((0, -0.8, 0.5), (0, -0.5, -0.8)), 0.10),  # one's own hand, seen from the head
    (looking((-1, -0.1, 0.1), (0, 0.4, 0.9)), 0.15),  # palm from the side, forearm to the right
    (looking((1, -0.1, 0.1), (0, 0.3, 0.85)), 0.08),  # forearm to the left
    (looking((0, -1, 0), (-1, 0, 0.3)), 0.08),  # edge on, thumb before
    (looking((0, -1, 0), (1, 0, 0.3)), 0.08),  # edge on, little finger before
    (looking((0, -0.3, -1), (0, -1, 0.3)), 0.05),  # reaching for the camera
)
_SHARES = tuple(share for _, share in _TYPICAL)


UNIFORM_SHARE = 0.25
"""Share of views drawn evenly from all rotations; the rest gather around typical ones."""
_ARM_BEFORE = 0.6


def sample_rotation(rng: np.random.Generator) -> np.ndarray:
    """
    Rotation of a hand: some views uniform over all rotations, most around typical ones.

    Views along the forearm onto the wrist, which would hide the hand, are mostly drawn again.

    :returns: (3, 3) camera from wrist frame.
    """
    while True:
        rotation = _any_rotation(rng)
        if rotation[2, 0] < _ARM_BEFORE or rng.random() < 0.04:
            return rotation


def _any_rotation(rng: np.random.Generator) -> np.ndarray:
    if rng.random() < UNIFORM_SHARE:
        return random_rotation(rng)
    base = _TYPICAL[pick(rng, _SHARES)][0]
    tilt = rotation_about(rng.standard_normal(3), float(rng.normal(0, 0.45)))
    roll = float(rng.normal(0, 0.25) if rng.random() < 0.85 else rng.uniform(-np.pi, np.pi))
    return rotation_about(np.array([0.0, 0.0, 1.0]), roll) @ tilt @ base


def sample_distance(rng: np.random.Generator) -> float:
    """Metres from the camera to the hand, 0.2 to 1.5, evenly on a logarithmic scale."""
    return float(np.exp(rng.uniform(np.log(0.2), np.log(1.5))))
