"""Shape modes of the open hand: directions in which hands differ, one standard deviation each."""

from __future__ import annotations

import numpy as np

from handmesh_model.joints import FINGERS, JOINT_NAMES
from handmesh_model.synthesis import mpfb2, rig

LENGTH_DEVIATION = 0.06
"""Standard deviation of a finger's length relative to its mean, hand size taken out."""


def shape_modes(
    vertices: np.ndarray,
    numbers: np.ndarray,
    joints: np.ndarray,
    weights: np.ndarray,
    rotation: np.ndarray,
) -> np.ndarray:
    """
    All modes of the render mesh.

    :param vertices: (N, 3) mean hand, millimetres.
    :param numbers: (N,) its vertex numbers in the body.
    :param joints: (21, 3) mean joints.
    :param weights: (N, 17) skinning weights.
    :param rotation: (3, 3) hand frame from body frame.
    :returns: (K, N, 3) displacements in millimetres.
    """
    modes = [_aligned(variant[numbers] @ rotation.T, vertices) for variant in _variants()]
    modes += _finger_lengths(vertices, joints, weights)
    modes += _palm_proportions(vertices, joints, weights)
    return np.stack(modes)


def _variants() -> list[np.ndarray]:
    """Bodies one standard deviation from the mean, in the body's frame."""
    mean = mpfb2.mean_body()
    half_sex = (mpfb2.body('male', 'young') - mpfb2.body('female', 'young')) / 2
    changes = [
        half_sex,
        mpfb2.mean_body(age='old') - mean,
        0.6 * (mpfb2.mean_body(age='child') - mean),
        0.5 * (mpfb2.mean_body(weight='max') - mpfb2.mean_body(weight='min')) / 2,
        0.5 * (mpfb2.mean_body(muscle='max') - mpfb2.mean_body(muscle='min')) / 2,
        0.5 * _both_ways('hands/r-hand-fingers-diameter'),
        0.4 * _both_ways('hands/r-hand-fingers-length'),
        0.4 * _both_ways('arms/r-lowerarm-fat'),
        0.4 * _both_ways('hands/measure-wrist-circ'),
    ]
    return [mean + change for change in changes]


def _both_ways(name: str) -> np.ndarray:
    """Half the way from a target's decrease to its increase."""
    return (mpfb2.target(f'{name}-incr') - mpfb2.target(f'{name}-decr')) / 2


def _aligned(variant: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """
    What is left of a variant's difference after position, rotation and size.

    Aligned over the hand alone (x > 0), since bodies also move and bend their arms.
    """
    hand = mean[:, 0] > 0
    source, goal = variant[hand], mean[hand]
    source_mean, goal_mean = source.mean(axis=0), goal.mean(axis=0)
    u, _, vt = np.linalg.svd((source - source_mean).T @ (goal - goal_mean))
    turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    scale = np.linalg.norm(goal - goal_mean) / np.linalg.norm(source - source_mean)
    return (variant - source_mean) @ turn * scale + goal_mean - mean


def _finger_lengths(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray
) -> list[np.ndarray]:
    """One mode a finger: every point moves outwards in proportion to its way along the finger."""
    modes = []
    for name in FINGERS:
        chain = joints[[i for i, joint in enumerate(JOINT_NAMES) if joint.startswith(name)]]
        first = rig.SEGMENTS.index(f'{name}_1')
        displacement = np.zeros_like(vertices)
        reach = np.zeros(3)
        for j in range(3):
            bone = chain[j + 1] - chain[j]
            share = np.clip((vertices - chain[j]) @ bone / (bone @ bone), 0, 1.1)
            moved = reach + share[:, None] * bone
            displacement += weights[:, first + j, None] * moved
            reach = reach + bone
        modes.append(LENGTH_DEVIATION * displacement)
    return modes


def _palm_proportions(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray
) -> list[np.ndarray]:
    """Palm width and palm length; fingers ride along with their knuckles."""
    knuckle_of = np.zeros((len(rig.SEGMENTS), 3))
    for name in FINGERS:
        first = rig.SEGMENTS.index(f'{name}_1')
        base = 'thumb_cmc' if name == 'thumb' else f'{name}_mcp'
        knuckle_of[first : first + 3] = joints[JOINT_NAMES.index(base)]
    palm = weights[:, : rig.PALM + 1].sum(axis=1, keepdims=True)
    carried = palm * vertices + weights @ knuckle_of
    width = carried * [0.0, 0.06, 0.02]
    length = np.where(carried[:, :1] > 0, carried, 0) * [0.05, 0.0, 0.0]
    return [width, length]
