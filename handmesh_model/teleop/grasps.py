"""What a hand is doing: how far it is open as a gripper, and which kind of grasp it shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from handmesh_model.joints import JOINT_NAMES, MIDDLE_KNUCKLE, WRIST
from handmesh_model.teleop.joint_angles import TELEOP_ANGLES

_TIP = {f: JOINT_NAMES.index(f'{f}_tip') for f in ('thumb', 'index', 'middle')}
_INDEX_PIP = JOINT_NAMES.index('index_pip')
_FINGERS = ('index', 'middle', 'ring', 'pinky')
_MCP, _PIP = (
    np.array([TELEOP_ANGLES.index(f'{finger}_{joint}_flexion') for finger in _FINGERS])
    for joint in ('mcp', 'pip')
)
_FULL_CURL = np.radians(180.0)
"""Knuckle and middle joint together of a finger that lies in the palm."""


class GraspType(IntEnum):
    """Kinds of grasp; the numbers are those of the Grasp message."""

    UNKNOWN = 0
    OPEN = 1
    """Flat or spread hand."""
    PINCH = 2
    """Tips of thumb and index finger."""
    TRIPOD = 3
    """Tips of thumb, index and middle finger."""
    POWER = 4
    """Fingers and thumb around something, up to the fist."""
    LATERAL = 5
    """Thumb against the side of the index finger, as on a key."""
    HOOK = 6
    """Fingers bent at the middle joints, straight at the knuckles."""
    POINT = 7
    """Index finger straight, the others curled."""


@dataclass(frozen=True)
class Grasp:
    """
    One hand's grasp.

    :param confidence: 0..1, how clearly the hand shows this grasp and no other.
    """

    type: GraspType
    confidence: float


def hand_length(joints: np.ndarray) -> float:
    """Metres from wrist to middle knuckle of (21, 3) joints; what distances are measured by."""
    return max(float(np.linalg.norm(joints[MIDDLE_KNUCKLE] - joints[WRIST])), 1e-6)


def tip_distance(joints: np.ndarray, other: str = 'index') -> float:
    """
    Distance from the tip of the thumb to that of another finger, in lengths of the hand.

    Free of units and scale: the palm measures it, so that all hands pinch alike.

    :param joints: (21, 3) in any unit.
    :param other: 'index' or 'middle'.
    """
    gap = np.linalg.norm(joints[_TIP['thumb']] - joints[_TIP[other]])
    return float(gap) / hand_length(joints)


def finger_curls(angles: np.ndarray) -> np.ndarray:
    """(4,) curl of index to pinky, 0 straight to 1 in the palm, of (20,) radians."""
    return np.clip((angles[_MCP] + angles[_PIP]) / _FULL_CURL, 0.0, 1.0)


def classify_grasp(joints: np.ndarray, angles: np.ndarray) -> Grasp:
    """
    The kind of grasp that a hand shows.

    Each kind has a degree to which the hand fits it: the least of its conditions' degrees, as
    fuzzy logic has it, each rising from 0 to 1 over a range. The confidence is that degree, less
    where another kind fits as well.

    :param joints: (21, 3) in any unit.
    :param angles: (20,) radians, see :func:`handmesh_model.teleop.joint_angles.joint_angles`.
    """
    degrees = _degrees(joints, angles)
    kind = max(degrees, key=lambda candidate: degrees[candidate])
    best, total = degrees[kind], sum(degrees.values())
    confidence = best * best / total if total > 0 else 0.0
    return Grasp(kind if confidence > 0 else GraspType.UNKNOWN, confidence)


def is_thumb_up(joints: np.ndarray, angles: np.ndarray) -> bool:
    """Whether all fingers are curled and the thumb stands off the fist."""
    thumb = angles[TELEOP_ANGLES.index('thumb_ip_flexion')]
    is_out = tip_distance(joints) > 0.75 and thumb < np.radians(35)
    return bool(finger_curls(angles).min() > 0.6 and is_out)


def _degrees(joints: np.ndarray, angles: np.ndarray) -> dict[GraspType, float]:
    """How far each kind fits; the ranges are those of the synthetic hand's named poses."""
    index, middle, ring, pinky = (float(curl) for curl in finger_curls(angles))
    least = min(middle, ring, pinky)
    curled = _rises(min(index, least), 0.3, 0.5)
    knuckles, middles = (float(np.degrees(angles[joint].mean())) for joint in (_MCP, _PIP))
    third = tip_distance(joints, 'middle')
    side = float(np.linalg.norm(joints[_TIP['thumb']] - joints[_INDEX_PIP])) / hand_length(joints)
    touching = _falls(tip_distance(joints), 0.3, 0.5)
    # Fingers that hold one thing together are bent alike; those of a pinch each their own way.
    alike = _falls(np.ptp([index, middle, ring, pinky]), 0.08, 0.2)
    with_middle = min(_falls(third, 0.3, 0.45), _falls(abs(middle - index), 0.06, 0.12))
    on_side = min(_falls(side, 0.24, 0.34), _falls(index, 0.8, 0.95))
    return {
        GraspType.OPEN: min(_falls(max(index, middle, ring, pinky), 0.25, 0.45), 1 - touching),
        GraspType.PINCH: min(touching, _falls(index, 0.75, 0.9), 1 - with_middle, 1 - alike),
        GraspType.TRIPOD: min(touching, with_middle, 1 - alike),
        GraspType.POWER: min(
            curled,
            max(1 - touching, alike),
            1 - on_side,
            _rises(knuckles, 15, 35),
            _rises(middles, 15, 30),
        ),
        GraspType.LATERAL: min(curled, on_side),
        GraspType.HOOK: min(_falls(knuckles, 20, 40), _rises(middles, 55, 80)),
        GraspType.POINT: min(_falls(index, 0.25, 0.45), _rises(least, 0.55, 0.75)),
    }


def _rises(value: float, low: float, high: float) -> float:
    """0 up to ``low``, 1 from ``high`` on."""
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _falls(value: float, low: float, high: float) -> float:
    """1 up to ``low``, 0 from ``high`` on."""
    return 1.0 - _rises(value, low, high)
