"""Creases, wrinkles and veins of the hand, painted once into a block around the hand at rest."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from handmesh_model.synthesis.compilation import njit

VOXEL = 0.001
"""Metres."""
PALM_CREASE, BACK_LINE = 0, 1
"""Channels of the block."""
_DEPTH = 0.022


@dataclass(frozen=True, eq=False)
class SkinPaint:
    """
    Lines of the skin around the hand at rest.

    :param block: (X, Y, Z, 2) uint8, strength of palm creases, and of wrinkles and veins of the
        back.
    :param bricks: (X / 4, Y / 4, Z / 4) uint8, whether anything is painted in 4 x 4 x 4 voxels;
        small enough to stay in a processor's cache.
    :param origin: (3,) float32 metres, centre of the first voxel.
    """

    block: np.ndarray
    bricks: np.ndarray
    origin: np.ndarray


def paint_skin(joints: np.ndarray) -> SkinPaint:
    """
    Paint the lines of a hand at rest.

    :param joints: (21, 3) metres, wrist frame (z out of the back).
    """
    joints = np.asarray(joints, dtype=np.float64)
    low, high = joints.min(axis=0) - 0.035, joints.max(axis=0) + 0.035
    shape = 4 * np.ceil((high - low) / VOXEL / 4).astype(int)
    block = np.zeros((*shape, 2), dtype=np.uint8)
    for channel, strokes in ((PALM_CREASE, _palm_strokes(joints)), (BACK_LINE, _back(joints))):
        _draw(block, channel, low, np.array(strokes))
    any_line = block.max(axis=3)
    bricks = any_line.reshape(shape[0] // 4, 4, shape[1] // 4, 4, shape[2] // 4, 4)
    bricks = (bricks.max(axis=(1, 3, 5)) > 0).astype(np.uint8)
    return SkinPaint(block, bricks, low.astype(np.float32))


def _stroke(
    a: np.ndarray, b: np.ndarray, normal: np.ndarray, width: float, strength: float
) -> list:
    """A line from a to b that is seen from the side of ``normal``; width and points in metres."""
    return [*a, *b, *normal, width, strength]


def _bone_frame(
    joints: np.ndarray, finger: int, bone: int
) -> tuple[np.ndarray, np.ndarray, float, np.ndarray, np.ndarray]:
    """Start, direction, length, palm side and axis across of a finger's bone."""
    chain = joints[1 + 4 * finger : 5 + 4 * finger]
    vector = chain[bone + 1] - chain[bone]
    length = float(np.linalg.norm(vector))
    direction = vector / length
    if finger == 0:
        palm = np.cross(np.cross(chain[1] - chain[0], chain[3] - chain[2]), direction)
    else:
        palm = np.array([0.0, 0.0, -1.0])
        palm -= palm @ direction * direction
    palm /= np.linalg.norm(palm)
    return chain[bone], direction, length, palm, np.cross(direction, palm)


def _across(
    joints: np.ndarray, finger: int, bone: int, at: float, side: float, half: float, **line: float
) -> list:
    """
    A line across a finger.

    :param at: metres from the start of the bone.
    :param side: 1 palm side, -1 back.
    :param half: half its length, metres.
    """
    start, direction, _, palm, across = _bone_frame(joints, finger, bone)
    middle = start + at * direction
    bow = direction * half * 0.15
    ends = (middle - across * half - bow, middle, middle + across * half - bow)
    width, strength = line['width'], line['strength']
    return [
        _stroke(ends[0], ends[1], palm * side, width, strength),
        _stroke(ends[1], ends[2], palm * side, width, strength),
    ]


def _palm_strokes(joints: np.ndarray) -> list:
    strokes = []
    for finger in range(5):
        thick = 0.0095 if finger else 0.011
        pinky = 0.85 if finger == 4 else 1.0
        if finger:
            base = 0.5 * _bone_frame(joints, finger, 0)[2]
            strokes += _across(joints, finger, 0, base, 1, thick * pinky, width=1e-3, strength=1)
            strokes += _across(
                joints, finger, 0, base - 0.0022, 1, thick * pinky, width=8e-4, strength=0.45
            )
        for bone, offsets in ((1, (-0.0012, 0.0016)), (2, (0.0,))):
            for offset in offsets:
                strokes += _across(
                    joints, finger, bone, offset, 1, thick * pinky, width=9e-4, strength=0.85
                )
    down = np.array([0.0, 0.0, -1.0])
    lines = (
        # Along the knuckles (s from index 0 to pinky 1) and out of the wrist (t, knuckles at 1).
        (((1.3, 0.8), (0.95, 0.87), (0.62, 0.93), (0.33, 1.03), (0.17, 1.16)), 1.2e-3, 1.0),
        (((-0.42, 0.9), (-0.12, 0.88), (0.2, 0.83), (0.55, 0.72), (0.98, 0.55)), 1.1e-3, 0.9),
        (((-0.42, 0.92), (-0.1, 0.84), (0.15, 0.66), (0.26, 0.45), (0.28, 0.2), (0.3, 0.05)),
         1.3e-3, 1.0),
        (((0.42, 0.78), (0.4, 0.5), (0.42, 0.25)), 0.9e-3, 0.35),
        (((0.75, 0.8), (0.7, 0.55), (0.6, 0.35)), 0.9e-3, 0.3),
        (((0.1, 0.95), (0.45, 0.88), (0.7, 0.7)), 0.8e-3, 0.25),
        (((-0.3, 0.55), (0.05, 0.5), (0.25, 0.38)), 0.8e-3, 0.3),
        (((-0.25, 0.4), (0.05, 0.33), (0.27, 0.3)), 0.8e-3, 0.25),
    )  # fmt: skip
    for points, width, strength in lines:
        path = [_on_palm(joints, s, t) for s, t in points]
        strokes += [_stroke(a, b, down, width, strength) for a, b in pairwise(path)]
    for offset, strength in ((0.0, 0.45), (-0.006, 0.3)):
        a, b = joints[0] + [offset, 0.024, 0], joints[0] + [offset, -0.024, 0]
        strokes.append(_stroke(a, b, down, 1e-3, strength))
    return strokes


def _on_palm(joints: np.ndarray, s: float, t: float) -> np.ndarray:
    knuckles = (1 - s) * joints[5] + s * joints[17]
    return joints[0] + t * (knuckles - joints[0])


def _back(joints: np.ndarray) -> list:
    strokes = []
    for finger in range(5):
        for bone, count in ((1, 6), (2, 4)):
            for i in range(count):
                at = (i - (count - 1) / 2) * 0.0019
                half = 0.0065 - 0.6 * abs(at)
                strength = 0.75 - 60 * abs(at)
                strokes += _across(
                    joints, finger, bone, at, -1, half, width=7e-4, strength=strength
                )
    up = np.array([0.0, 0.0, 1.0])
    veins = (
        ((0.1, 0.95), (0.2, 0.7), (0.15, 0.4), (0.25, 0.1), (0.3, -0.4)),
        ((0.5, 0.92), (0.42, 0.72), (0.5, 0.5), (0.4, 0.25), (0.3, -0.1)),
        ((0.42, 0.72), (0.2, 0.55)),
        ((0.85, 0.9), (0.72, 0.68), (0.78, 0.4), (0.7, 0.1), (0.75, -0.3)),
        ((0.72, 0.68), (0.5, 0.5)),
    )
    for points in veins:
        path = [_on_palm(joints, s, t) for s, t in points]
        strokes += [_stroke(a, b, up, 2e-3, 0.3) for a, b in pairwise(path)]
    return strokes


@njit()
def _draw(block: np.ndarray, channel: int, low: np.ndarray, strokes: np.ndarray) -> None:
    """Keep the strongest stroke at each voxel; a stroke reaches ``_DEPTH`` along its normal."""
    for i in range(strokes.shape[0]):
        a, b, normal = strokes[i, 0:3], strokes[i, 3:6], strokes[i, 6:9]
        width, strength = strokes[i, 9], strokes[i, 10]
        first, last = np.empty(3, np.int64), np.empty(3, np.int64)
        for d in range(3):
            reach = 3 * width
            lowest = min(a[d], b[d]) - reach + min(0.0, normal[d] * _DEPTH)
            highest = max(a[d], b[d]) + reach + max(0.0, normal[d] * _DEPTH)
            first[d] = max(0, int((lowest - low[d]) / VOXEL))
            last[d] = min(block.shape[d] - 1, int((highest - low[d]) / VOXEL) + 1)
        for x in range(first[0], last[0] + 1):
            for y in range(first[1], last[1] + 1):
                for z in range(first[2], last[2] + 1):
                    point = low + VOXEL * np.array([x, y, z])
                    height = ((point - a) * normal).sum()
                    if height < 0.001 or height > _DEPTH:
                        continue
                    flat = point - a - height * normal
                    along = b - a - ((b - a) * normal).sum() * normal
                    share = (flat * along).sum() / ((along * along).sum() + 1e-12)
                    flat -= min(max(share, 0.0), 1.0) * along
                    square = (flat * flat).sum() / (width * width)
                    value = 255 * strength * np.exp(-square)
                    if value > block[x, y, z, channel]:
                        block[x, y, z, channel] = int(value)
