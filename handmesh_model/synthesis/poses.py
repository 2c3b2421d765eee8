"""A prior over hand poses: named gestures and grasps, and samples between and around them."""

from __future__ import annotations

import numpy as np

from handmesh_model.angles import ANGLE_NAMES, JOINT_DOF, LIMITS
from handmesh_model.synthesis.compilation import njit
from handmesh_model.synthesis.hand_model import HandModel

_DEGREE = np.pi / 180
_Degrees = tuple[float, ...]

_OPEN = (0, 5, 8, 4)
_FLAT = (0, 0, 2, 0)
_SPREAD = {'index': (16, -4, 4, 2), 'middle': (2, -4, 4, 2), 'ring': (-9, -4, 4, 2)}
_CURLED = (2, 84, 100, 58)
_HALF = (2, 48, 62, 34)
_HOOK = (0, 6, 96, 58)
_THUMB_OPEN = (-12, 2, 0, 4, 0, 2)
_THUMB_REST = (0, 0, 0, 8, 0, 10)
_THUMB_OUT = (-20, 14, 0, 0, 0, -6)
_THUMB_UP = (-20, -12, 0, 2, 0, -10)
_THUMB_ACROSS = (16, 16, -10, 28, 4, 72)
_THUMB_IN = (36, 22, 26, 40, 0, 30)
_THUMB_SIDE = (20, -10, -8, 4, 0, 30)
_THUMB_OPPOSED = (18, 34, 30, 18, 0, 24)
_PINKY_SPREAD = (-20, -4, 4, 2)


def _gesture(thumb: _Degrees, *fingers: _Degrees) -> np.ndarray:
    """Thumb (6) and four fingers (4 each) in degrees, wrist straight -> (25,) radians."""
    degrees = np.concatenate([(0.0, 0.0, 0.0), thumb, *fingers])
    return np.clip(degrees * _DEGREE, LIMITS[:, 0], LIMITS[:, 1])


def _spread_hand(thumb: _Degrees) -> np.ndarray:
    return _gesture(thumb, *_SPREAD.values(), _PINKY_SPREAD)


_PINCH_FINGER = (4, 52, 46, 22)
_GRIP = (2, 56, 44, 26)
_WIDE_GRIP = (6, 34, 32, 18)

GESTURES: dict[str, np.ndarray] = {
    'rest': _gesture(
        _THUMB_REST, (2, 18, 24, 12), (0, 22, 28, 14), (-1, 26, 30, 14), (-3, 28, 30, 14)
    ),
    'flat': _gesture(_THUMB_REST, _FLAT, _FLAT, _FLAT, _FLAT),
    'flat_thumb_in': _gesture(_THUMB_SIDE, _FLAT, _FLAT, _FLAT, _FLAT),
    'open': _gesture(_THUMB_OPEN, _OPEN, _OPEN, _OPEN, _OPEN),
    'spread': _spread_hand(_THUMB_OUT),
    'four': _spread_hand(_THUMB_IN),
    'fist': _gesture(_THUMB_ACROSS, _CURLED, _CURLED, _CURLED, _CURLED),
    'fist_thumb_side': _gesture(_THUMB_SIDE, _CURLED, _CURLED, _CURLED, _CURLED),
    'loose_fist': _gesture(_THUMB_OPPOSED, _HALF, _HALF, _HALF, _HALF),
    'point': _gesture(_THUMB_ACROSS, _FLAT, _CURLED, _CURLED, _CURLED),
    'point_thumb_out': _gesture(_THUMB_OUT, _FLAT, _CURLED, _CURLED, _CURLED),
    'gun': _gesture(_THUMB_UP, _FLAT, _FLAT, _CURLED, _CURLED),
    'l_shape': _gesture(_THUMB_UP, (6, 0, 2, 0), _CURLED, _CURLED, _CURLED),
    'middle_only': _gesture(_THUMB_ACROSS, _CURLED, _FLAT, _CURLED, _CURLED),
    'pinky_only': _gesture(_THUMB_ACROSS, _CURLED, _CURLED, _CURLED, _FLAT),
    'ring_down': _gesture(_THUMB_OPEN, _OPEN, _OPEN, (0, 70, 70, 30), _OPEN),
    'thumb_up': _gesture(_THUMB_UP, _CURLED, _CURLED, _CURLED, _CURLED),
    'thumb_out': _gesture(_THUMB_OUT, _CURLED, _CURLED, _CURLED, _CURLED),
    'shaka': _gesture(_THUMB_OUT, _CURLED, _CURLED, _CURLED, (-20, 0, 4, 2)),
    'horns': _gesture(_THUMB_ACROSS, (6, 0, 4, 2), _CURLED, _CURLED, (-14, 0, 4, 2)),
    'horns_thumb_out': _gesture(_THUMB_OUT, (8, 0, 4, 2), _CURLED, _CURLED, (-16, 0, 4, 2)),
    'v': _gesture(_THUMB_ACROSS, (14, 2, 4, 2), (-6, 2, 4, 2), _CURLED, _CURLED),
    'two_together': _gesture(_THUMB_ACROSS, (-2, 2, 4, 2), (2, 2, 4, 2), _CURLED, _CURLED),
    'crossed': _gesture(_THUMB_ACROSS, (-8, 6, 12, 6), (10, 2, 6, 2), _CURLED, _CURLED),
    'three': _gesture(_THUMB_IN, (14, 0, 4, 2), (2, 0, 4, 2), (-10, 0, 4, 2), _CURLED),
    'three_thumb': _gesture(_THUMB_OUT, (12, 0, 4, 2), (-4, 0, 4, 2), _CURLED, _CURLED),
    'three_last': _gesture(_THUMB_OPPOSED, _CURLED, (6, 0, 4, 2), (-6, 0, 4, 2), _PINKY_SPREAD),
    'ok': _gesture(_THUMB_OPPOSED, _PINCH_FINGER, (4, 12, 12, 6), (-5, 6, 10, 4), (-16, 2, 8, 4)),
    'pinch': _gesture(
        _THUMB_OPPOSED, _PINCH_FINGER, (0, 60, 60, 30), (-2, 66, 66, 34), (-4, 70, 66, 34)
    ),
    'pinch_open': _gesture((6, 30, 20, 4, 0, 6), (6, 38, 30, 14), _HALF, _HALF, _HALF),
    'tripod': _gesture(_THUMB_OPPOSED, _PINCH_FINGER, (-2, 56, 46, 22), _CURLED, _CURLED),
    'five_pinch': _gesture((12, 34, 28, 14, 0, 18), _GRIP, _GRIP, _GRIP, _GRIP),
    'key_grip': _gesture(
        _THUMB_SIDE, (4, 46, 66, 36), (2, 56, 74, 40), (0, 62, 76, 42), (-2, 66, 76, 42)
    ),
    'medium_wrap': _gesture((16, 30, 24, 20, 0, 22), _GRIP, _GRIP, _GRIP, _GRIP),
    'wide_wrap': _gesture((4, 34, 22, 10, 0, 12), _WIDE_GRIP, _WIDE_GRIP, _WIDE_GRIP, _WIDE_GRIP),
    'sphere': _gesture(
        (-4, 34, 20, 12, 0, 16),
        (14, 26, 36, 22),
        (3, 28, 38, 22),
        (-8, 28, 38, 22),
        (-20, 26, 36, 22),
    ),
    'disk': _gesture(
        (-10, 22, 10, 14, 0, 20),
        (20, 10, 42, 30),
        (4, 12, 44, 30),
        (-10, 12, 44, 30),
        (-26, 10, 40, 28),
    ),
    'hook': _gesture(_THUMB_REST, _HOOK, _HOOK, _HOOK, _HOOK),
    'claw': _gesture(
        _THUMB_OUT, (12, -12, 72, 44), (2, -12, 74, 44), (-8, -12, 74, 44), (-20, -12, 70, 44)
    ),
    'bent_knuckles': _gesture(
        _THUMB_OPEN, (6, 80, 4, 2), (1, 80, 4, 2), (-6, 80, 4, 2), (-14, 76, 4, 2)
    ),
    'lateral_palm': _gesture((10, 32, 16, 6, 0, 4), *[(2, 50, 12, 6)] * 4),
    'writing': _gesture(
        (14, 26, 20, 20, 0, 30),
        (2, 46, 42, 14),
        (0, 56, 54, 24),
        (0, 66, 64, 34),
        (-2, 70, 66, 34),
    ),
    'typing': _gesture((4, 18, 8, 10, 0, 10), *[(2, 22, 46, 24)] * 4),
    'scissors_low': _gesture(
        _THUMB_OPPOSED, (10, 30, 6, 2), (-6, 30, 6, 2), (0, 80, 90, 50), (0, 80, 90, 50)
    ),
    'finger_heart': _gesture((12, 14, 8, 14, 0, 10), (10, 48, 60, 30), _CURLED, _CURLED, _CURLED),
    'hang_loose_open': _gesture(_THUMB_OUT, _HALF, _HALF, _HALF, (-22, -6, 4, 2)),
}
"""Named poses, (25,) radians each."""

FISTS = (
    'fist',
    'fist_thumb_side',
    'point',
    'point_thumb_out',
    'l_shape',
    'pinky_only',
    'thumb_up',
    'thumb_out',
    'shaka',
    'horns',
    'v',
    'two_together',
)
"""Fists, and fists from which one finger or two stand: most of what hands say and the hardest to
read, since curled fingers hide each other and look alike."""
FIST_WEIGHT = 4
"""How often one of :data:`FISTS` is drawn for each time another pose is."""

MAX_TRIES = 12
"""Draws before a colliding pose is accepted; about one draw in seven collides."""
CORE_DISTANCE = 0.0085
"""Metres below which the axes of two fingers are too close: a bit over one finger's radius."""
PALM_DEPTH = 0.008
"""Metres from the wrist-knuckle plane to the flesh of the palm."""

_NAMES = tuple(GESTURES)
_TABLE = np.stack([GESTURES[name] for name in _NAMES])
_DRAWN = np.repeat(_TABLE, [FIST_WEIGHT if name in FISTS else 1 for name in _NAMES], axis=0)
_FLEXION = np.array([name.endswith('flexion') and 'thumb' not in name for name in ANGLE_NAMES])
_WRIST = slice(0, 3)
_THUMB = slice(3, 9)


def _finger(f: int) -> slice:
    return slice(9 + 4 * f, 13 + 4 * f)


def sample_pose(rng: np.random.Generator, model: HandModel) -> np.ndarray:
    """
    Draw a human hand pose in which fingers do not run through each other or the palm.

    A third are named poses, a third blends of two, a fifth mix fingers of different poses, the
    rest bend freely; :data:`FISTS` come up :data:`FIST_WEIGHT` times as often as other named
    poses. All have correlated noise, a free wrist, and angles within :data:`LIMITS`.

    :param model: the hand whose fingers they are.
    :returns: (25,) radians.
    """
    for _ in range(MAX_TRIES):
        angles = _draw(rng)
        if not fingers_collide(model.posed_joints(angles)):
            break
    return angles


def _draw(rng: np.random.Generator) -> np.ndarray:
    kind = rng.random()
    first, second = _DRAWN[rng.integers(len(_DRAWN), size=2)]
    if kind < 0.34:
        angles = first.copy()
    elif kind < 0.64:
        share = rng.beta(0.8, 0.8)
        angles = share * first + (1 - share) * second
    elif kind < 0.84:
        angles = _mixed_fingers(rng)
    else:
        angles = _free_pose(rng)
    angles += rng.normal(0, 0.05, JOINT_DOF)
    # Neighbouring fingers and the joints of one finger move together.
    angles[_FLEXION] += rng.normal(0, 0.07)
    for f in range(4):
        angles[9 + 4 * f + 1 : 13 + 4 * f] += rng.normal(0, 0.07)
    angles[_WRIST] = sample_wrist(rng)
    return clip_to_limits(angles)


def fingers_collide(joints: np.ndarray) -> bool:
    """
    Whether two fingers share their cores, or a fingertip lies inside the palm.

    Each finger is sampled along its bones; skin may touch and dent, bones may not meet.

    :param joints: (21, 3) metres in the wrist frame of a hand of about mean size.
    """
    chains = joints[1:].reshape(5, 4, 3)
    along = np.array([0.0, 0.25, 0.5, 0.75])[:, None]
    bones = chains[:, :-1, None] * (1 - along) + chains[:, 1:, None] * along
    points = np.concatenate([bones.reshape(5, -1, 3), chains[:, -1:]], axis=1)
    # The thumb's metacarpal lies in the flesh of the palm: leave it out.
    points[0, :5] = points[0, 5]
    # Its tip may press against another fingertip, as in a pinch.
    points[0, -1] = points[0, -2]
    if _closest(points) < CORE_DISTANCE:
        return True
    tips = chains[:, 3]
    over_palm = (tips[:, 0] > 0.015) & (tips[:, 0] < 0.08) & (np.abs(tips[:, 1]) < 0.03)
    return bool((over_palm & (tips[:, 2] > -PALM_DEPTH)).any())


@njit()
def _closest(points: np.ndarray) -> float:
    """Least distance between points (fingers, samples, 3) of different fingers."""
    least = np.inf
    for f in range(points.shape[0]):
        for other in range(f):
            for i in range(points.shape[1]):
                for j in range(points.shape[1]):
                    squared = 0.0
                    for d in range(3):
                        squared += (points[f, i, d] - points[other, j, d]) ** 2
                    least = min(least, squared)
    return np.sqrt(least)


def sample_wrist(rng: np.random.Generator) -> np.ndarray:
    """(3,) wrist flexion, deviation, forearm twist; radians, mostly moderate."""
    spread = np.array([0.38, 0.17, 0.15]) * (1.6 if rng.random() < 0.2 else 1.0)
    return rng.normal([-0.1, -0.03, 0.0], spread)


def clip_to_limits(angles: np.ndarray) -> np.ndarray:
    """Angles within :data:`LIMITS`, the last finger joint no straighter than tendons allow."""
    angles = np.clip(angles, LIMITS[:, 0], LIMITS[:, 1])
    for f in range(4):
        pip, dip = 11 + 4 * f, 12 + 4 * f
        # One tendon bends both: the last joint follows the middle one within a band.
        low = 0.28 * angles[pip] - 0.25
        high = 0.75 * angles[pip] + 0.35
        angles[dip] = min(max(angles[dip], low), high)
    return angles


def _mixed_fingers(rng: np.random.Generator) -> np.ndarray:
    """Each finger from a pose of its own, often the same as its neighbour's."""
    angles = np.zeros(JOINT_DOF)
    angles[_THUMB] = _TABLE[rng.integers(len(_TABLE)), _THUMB]
    source = rng.integers(len(_TABLE))
    for f in range(4):
        if rng.random() < 0.5:
            source = rng.integers(len(_TABLE))
        angles[_finger(f)] = _TABLE[source, _finger(f)]
    return angles


def _free_pose(rng: np.random.Generator) -> np.ndarray:
    """Uniform inside the limits, with flexions of one finger correlated."""
    low, high = LIMITS.T
    angles = low + (high - low) * rng.beta(1.1, 1.1, JOINT_DOF)
    for f in range(4):
        bend = rng.beta(0.7, 0.8)
        flexions = slice(10 + 4 * f, 13 + 4 * f)
        own = low[flexions] + (high[flexions] - low[flexions]) * bend
        angles[flexions] = 0.65 * own + 0.35 * angles[flexions]
        angles[9 + 4 * f] *= 1 - 0.6 * bend
    return angles
