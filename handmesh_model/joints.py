"""
Names and orders of the 21 joints.

The project's own order is: wrist, then thumb, index, middle, ring and pinky, each from base to
tip. Every other order is written down as names in that order; permutations follow from the names.
"""

import numpy as np

FINGERS = ('thumb', 'index', 'middle', 'ring', 'pinky')
PARTS = ('palm', *FINGERS)
"""Finger parts of a vertex; the index is the number used in ``vertex_parts``."""

JOINT_NAMES = (
    'wrist',
    'thumb_cmc',
    'thumb_mcp',
    'thumb_ip',
    'thumb_tip',
    *(f'{f}_{j}' for f in FINGERS[1:] for j in ('mcp', 'pip', 'dip', 'tip')),
)
JOINT_COUNT = len(JOINT_NAMES)
WRIST = JOINT_NAMES.index('wrist')
KNUCKLES = tuple(JOINT_NAMES.index(f'{f}_mcp') for f in FINGERS[1:])
"""Joints 5, 9, 13, 17: where index, middle, ring and pinky leave the palm."""
INDEX_KNUCKLE, MIDDLE_KNUCKLE, RING_KNUCKLE, PINKY_KNUCKLE = KNUCKLES
SIGHTED = MIDDLE_KNUCKLE
"""
The joint whose line of sight networks with ``depth_axis`` 'ray' measure depth along.

It is about the middle of the hand. One at its edge, such as the wrist, would be seen aside of that
by an angle which grows as the hand comes nearer, and a crop hardly tells how near it is.
"""
TIPS = tuple(JOINT_NAMES.index(f'{f}_tip') for f in FINGERS)

PARENTS = tuple(
    -1 if i == WRIST else (WRIST if (i - 1) % 4 == 0 else i - 1) for i in range(JOINT_COUNT)
)
"""Parent of each joint in the skeleton; -1 for the wrist."""
BONES = tuple((parent, child) for child, parent in enumerate(PARENTS) if parent >= 0)
"""The 20 bones as (parent, child) joint numbers."""

MEDIAPIPE_NAMES = JOINT_NAMES
"""MediaPipe Hands uses the very order of this project."""

MANO_NAMES = (
    'wrist',
    *(f'{f}_{j}' for f in ('index', 'middle', 'pinky', 'ring') for j in ('mcp', 'pip', 'dip')),
    'thumb_cmc',
    'thumb_mcp',
    'thumb_ip',
    *(f'{f}_tip' for f in FINGERS),
)
"""MANO's 16 joints, followed by the five fingertips from thumb to pinky, as commonly appended."""

_OPENXR_FINGERS = ('index', 'middle', 'ring', 'little')
_OPENXR_BONES = ('metacarpal', 'proximal', 'intermediate', 'distal', 'tip')
OPENXR_NAMES = (
    'palm',
    'wrist',
    *(f'thumb_{bone}' for bone in ('metacarpal', 'proximal', 'distal', 'tip')),
    *(f'{finger}_{bone}' for finger in _OPENXR_FINGERS for bone in _OPENXR_BONES),
)
"""The 26 joints of XR_EXT_hand_tracking in the order of XrHandJointEXT, by OpenXR's own names."""

OURS_OF_OPENXR = (
    -1,
    *range(5),
    *(joint for knuckle in KNUCKLES for joint in (-1, *range(knuckle, knuckle + 4))),
)
"""
Our number of each OpenXR joint, -1 where there is none. A joint of OpenXR is the near end of the
bone that it is named after: ``index_proximal`` is our ``index_mcp``.
"""


def permutation(target: tuple[str, ...], source: tuple[str, ...] = JOINT_NAMES) -> np.ndarray:
    """
    Indices that bring joints from one order into another.

    :param target: joint names in the wanted order.
    :param source: joint names in the order at hand.
    :returns: (len(target),) int64 such that ``array[permutation]`` is in the wanted order.
    :raises KeyError: if the source lacks a name.
    """
    position = {name: i for i, name in enumerate(source)}
    return np.array([position[name] for name in target], dtype=np.int64)
