"""
How far away a hand is, from the lengths of its bones.

The network gives each joint's pixel and its depth relative to the wrist. One number is missing:
the wrist's absolute depth Z (or, without a camera matrix, the metres of one pixel). The lengths of
the rigid parts of a hand determine it, by weighted least squares over that number.

The 2 N linear equations of N rays, ``X_i + X = x_i (Z_i + Z)`` and likewise for y, have the
wrist's three coordinates as unknowns and want the hand's shape X_i, Y_i, Z_i. The network gives no
X_i and Y_i that are not pixels on these very rays: with the shape that the depth Z implies, all
equations hold exactly for it. What is left to be found is the Z at which that shape has the right
size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from handmesh_model.errors import TopologyError
from handmesh_model.joints import BONES, KNUCKLES, WRIST
from handmesh_model.topology import HandTopology

PALM_LENGTH_SPREAD = 0.04
"""Standard deviation of palm lengths between people of one hand size, relative."""
FINGER_LENGTH_SPREAD = 0.06
"""The same for the bones of thumb and fingers."""
_ITERATIONS = 12
_CAUCHY = 2.385
"""Cauchy's constant: 95 % efficiency for normal noise."""
_MINIMUM_DEPTH = 0.02

_PALM_PAIRS = tuple((WRIST, knuckle) for knuckle in KNUCKLES)
_ACROSS_PAIRS = (*pairwise(KNUCKLES), (KNUCKLES[0], KNUCKLES[-1]))
RIGID_PAIRS = np.array([*BONES, *_ACROSS_PAIRS])
"""(24, 2) pairs of joints whose distance hardly changes with the pose."""
_SPREADS = np.array(
    [
        PALM_LENGTH_SPREAD if pair in _PALM_PAIRS else FINGER_LENGTH_SPREAD
        for pair in (*BONES, *_ACROSS_PAIRS)
    ]
)


@dataclass(frozen=True, eq=False)
class PointNoise:
    """
    What is not known of each joint.

    :param lateral: (21,) standard deviation across the view, in the units of the flat coordinates.
    :param depth: (21,) standard deviation of the root-relative depth, metres.
    """

    lateral: np.ndarray
    depth: np.ndarray


@dataclass(frozen=True)
class ScaleSolution:
    """
    The number found and how much to trust it.

    :param value: Z in metres, or metres a pixel.
    :param variance: of the value, from the noise of points and bone lengths alone.
    """

    value: float
    variance: float


@lru_cache(maxsize=8)
def rigid_lengths(topology: HandTopology) -> np.ndarray:
    """
    (24,) metres, lengths of :data:`RIGID_PAIRS` at the topology's own size.

    A topology without a template borrows the open hand's proportions.
    """
    if topology.template is not None:
        return _pair_lengths(topology.template_joints)
    try:
        hand = HandTopology.open_hand()
    except TopologyError as error:
        raise TopologyError(
            f"topology '{topology.name}' has no template, and the open hand's: {error}"
        ) from error
    return _pair_lengths(hand.template_joints) * (topology.hand_size / hand.hand_size)


def _pair_lengths(joints: np.ndarray) -> np.ndarray:
    first, second = RIGID_PAIRS.T
    return np.linalg.norm(joints[first].astype(np.float64) - joints[second], axis=1)


def relative_size(joints: np.ndarray, lengths: np.ndarray) -> float:
    """
    Size of a hand over the one whose bones have the given lengths.

    :param joints: (21, 3) metres.
    :param lengths: (24,) metres of :data:`RIGID_PAIRS`.
    """
    return float(np.median(_pair_lengths(joints) / lengths))


def solve_wrist_depth(
    rays: np.ndarray, depth: np.ndarray, lengths: np.ndarray, noise: PointNoise
) -> ScaleSolution:
    """
    The depth Z for which the joints ``(Z + depth_i) (x_i, y_i, 1)`` have the given lengths.

    :param rays: (21, 2) normalised image coordinates x / z, y / z.
    :param depth: (21,) metres relative to the wrist.
    :param lengths: (24,) metres of :data:`RIGID_PAIRS`.
    """
    first, second = RIGID_PAIRS.T
    moved = depth[:, None] * rays
    slope = rays[first] - rays[second]
    offset = moved[first] - moved[second]
    lowest = max(_MINIMUM_DEPTH, _MINIMUM_DEPTH - float(depth.min()))
    return _solve(slope, offset, depth, lengths, noise, lowest)


def solve_metres_per_pixel(
    points: np.ndarray, depth: np.ndarray, lengths: np.ndarray, noise: PointNoise
) -> ScaleSolution:
    """
    The factor k for which the joints ``(k x_i, k y_i, depth_i)`` have the given lengths.

    :param points: (21, 2) pixels.
    :param depth: (21,) metres relative to the wrist.
    :param lengths: (24,) metres of :data:`RIGID_PAIRS`.
    """
    first, second = RIGID_PAIRS.T
    slope = points[first] - points[second]
    return _solve(slope, np.zeros_like(slope), depth, lengths, noise, 1e-9)


def _solve(
    slope: np.ndarray,
    offset: np.ndarray,
    depth: np.ndarray,
    lengths: np.ndarray,
    noise: PointNoise,
    lowest: float,
) -> ScaleSolution:
    """
    Gauss-Newton on ``sum_p w_p (|d_p| - L_p)^2`` over t, ``d_p = (t slope_p + offset_p, dz_p)``.

    A pair seen end-on says little about t and much about the noise of the depths; the weights,
    from the noise along and across each pair, take care of that. Cauchy's weights bound outliers.
    """
    first, second = RIGID_PAIRS.T
    depth_gap = depth[first] - depth[second]
    a = np.einsum('ij,ij->i', slope, slope)
    b = np.einsum('ij,ij->i', slope, offset)
    c = np.einsum('ij,ij->i', offset, offset) + depth_gap**2
    lateral = noise.lateral[first] ** 2 + noise.lateral[second] ** 2
    depth_variance = noise.depth[first] ** 2 + noise.depth[second] ** 2
    length_variance = (_SPREADS * lengths) ** 2
    flat = np.maximum(lengths**2 - depth_gap**2, 0.1 * lengths**2)
    t = max(lowest, float(np.sqrt(flat.sum() / max(a.sum(), 1e-18))))
    information = 0.0
    for _ in range(_ITERATIONS):
        now = np.sqrt(np.maximum((a * t + 2 * b) * t + c, 1e-12))
        residual = now - lengths
        gradient = (a * t + b) / now
        along = np.minimum((depth_gap / now) ** 2, 1.0)
        variance = length_variance + (1 - along) * t * t * lateral + along * depth_variance
        weight = 1 / variance
        # Cauchy: the further out, the less a pair pulls.
        weight /= 1 + weight * (residual / _CAUCHY) ** 2
        information = float(weight @ gradient**2)
        step = float((weight * gradient) @ residual) / max(information, 1e-18)
        t, before = max(lowest, t - step), t
        if abs(t - before) < 1e-7 * t:
            break
    return ScaleSolution(t, 1 / max(information, 1e-18))
