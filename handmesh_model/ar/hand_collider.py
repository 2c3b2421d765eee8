"""A hand as what things bump into: a capsule for each of its 20 bones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handmesh_model.errors import ShapeError
from handmesh_model.joints import BONES, FINGERS, JOINT_COUNT, MIDDLE_KNUCKLE, TIPS, WRIST

RELATIVE_RADII = (
    *(0.150, 0.125, 0.110, 0.095),  # thumb, from the wrist to its tip
    *(0.130, 0.105, 0.085, 0.075) * 2,  # index, middle
    *(0.125, 0.100, 0.080, 0.072),
    *(0.115, 0.090, 0.072, 0.065),
)
"""Radius of each of :data:`BONES` by wrist-to-middle-knuckle length, where there is no mesh."""
_LEAST_VERTICES = 6
_PALM = 0


@dataclass(frozen=True, eq=False)
class BoneCapsules:
    """
    Twenty capsules in the order of :data:`handmesh_model.joints.BONES`, camera frame, metres.

    :param centers: (20, 3) middles.
    :param directions: (20, 3) unit, from the parent joint to the child.
    :param half_lengths: (20,) of the cylinder, without its caps.
    :param radii: (20,)
    """

    centers: np.ndarray
    directions: np.ndarray
    half_lengths: np.ndarray
    radii: np.ndarray

    def distance(self, points: np.ndarray) -> np.ndarray:
        """
        How far points are from the nearest capsule's surface, negative inside.

        :param points: (N, 3) metres.
        :returns: (N,) metres.
        """
        offset = points[:, None] - self.centers
        along = np.clip(
            np.einsum('nbd,bd->nb', offset, self.directions), -self.half_lengths, self.half_lengths
        )
        rest = offset - along[..., None] * self.directions
        return (np.linalg.norm(rest, axis=2) - self.radii).min(axis=1)


@dataclass(frozen=True, eq=False)
class HandShape:
    """
    What of the capsules stays the same while a hand moves.

    :param radii: (20,) metres.
    :param overhangs: (5,) metres by which the flesh of a fingertip reaches beyond its joint.
    """

    radii: np.ndarray
    overhangs: np.ndarray

    @classmethod
    def from_size(cls, hand_size: float) -> HandShape:
        """
        The shape of a mean hand.

        :param hand_size: metres from wrist to middle knuckle.
        """
        radii = np.array(RELATIVE_RADII) * hand_size
        return cls(radii, np.full(5, 0.02 * hand_size))

    @classmethod
    def fit(cls, joints: np.ndarray, vertices: np.ndarray, parts: np.ndarray) -> HandShape:
        """
        Measure a hand's mesh.

        A bone's radius is the median distance from its axis of the skin that is nearer to it than
        to the other bones of its part.

        :param joints: (21, 3) metres; vertices (V, 3), in the same frame.
        :param parts: (V,) part of the hand of each vertex, as in HandTopology.
        """
        if joints.shape != (JOINT_COUNT, 3):
            raise ShapeError('joints', joints.shape, (JOINT_COUNT, 3))
        if vertices.shape != (len(parts), 3):
            raise ShapeError('vertices', vertices.shape, (len(parts), 3))
        mean = cls.from_size(float(np.linalg.norm(joints[MIDDLE_KNUCKLE] - joints[WRIST])))
        radii, overhangs = mean.radii.copy(), mean.overhangs.copy()
        bones = np.array(BONES)
        part_of_bone = np.where(bones[:, 0] == WRIST, _PALM, (bones[:, 1] - 1) // 4 + 1)
        for part in range(len(FINGERS) + 1):
            numbers = np.flatnonzero(part_of_bone == part)
            skin = vertices[parts == part]
            starts, ends = joints[bones[numbers, 0]], joints[bones[numbers, 1]]
            along, away = _along_and_away(skin, starts, ends)
            nearest = away.argmin(axis=1) if len(skin) else np.zeros(0, dtype=int)
            for column, i in enumerate(numbers):
                own = (nearest == column) & (along[:, column] > 0.1) & (along[:, column] < 0.95)
                if own.sum() >= _LEAST_VERTICES:
                    radii[i] = np.median(away[own, column])
            if part != _PALM and len(skin):
                length = float(np.linalg.norm(ends[-1] - starts[-1]))
                overhangs[part - 1] = (along[:, -1].max() - 1) * length
        low, high = 0.5 * mean.radii, 1.8 * mean.radii
        return cls(np.clip(radii, low, high), np.clip(overhangs, -0.01, 0.02))

    def capsules(self, joints: np.ndarray) -> BoneCapsules:
        """
        Put the capsules where a hand is.

        :param joints: (21, 3) metres.
        """
        bones = np.array(BONES)
        start, end = joints[bones[:, 0]], joints[bones[:, 1]].astype(np.float64)
        vectors = end - start
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-6)
        directions = vectors / lengths[:, None]
        # The last capsule's cap ends where the flesh does.
        reach = lengths.copy()
        tips = [i for i, (_, child) in enumerate(BONES) if child in TIPS]
        reach[tips] = np.maximum(lengths[tips] + self.overhangs - self.radii[tips], 1e-3)
        centers = start + directions * (reach / 2)[:, None]
        return BoneCapsules(centers, directions, reach / 2, self.radii)


@dataclass(frozen=True, eq=False)
class WorldHand:
    """
    A hand that takes part in a world of things.

    :param track_id: tells it from other hands.
    :param joints_camera: (21, 3) metres.
    :param wrist_rotation: (3, 3) camera from wrist frame.
    :param tracked: False while it is held, not seen in this image.
    """

    track_id: int
    joints_camera: np.ndarray
    wrist_rotation: np.ndarray
    shape: HandShape
    tracked: bool = True


def _along_and_away(
    points: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of points (N, 3) and segments (S, 3): shares of the way along, and distances; (N, S)."""
    axes = (ends - starts).astype(np.float64)
    offset = points[:, None] - starts
    along = np.einsum('nsd,sd->ns', offset, axes) / np.maximum((axes**2).sum(axis=1), 1e-12)
    nearest = offset - np.clip(along, 0, 1)[..., None] * axes
    return along, np.linalg.norm(nearest, axis=2)


def bone_rotations(directions: np.ndarray, wrist_rotation: np.ndarray) -> np.ndarray:
    """
    Rotations whose z runs along the bones, turned about them no more than bending needs.

    Each is carried from its parent's by the smallest rotation, the first ones from the wrist's x.

    :param directions: (20, 3) unit, in the order of BONES.
    :param wrist_rotation: (3, 3) camera from wrist frame.
    :returns: (20, 3, 3), columns x, y, z.
    """
    # The wrist's frame with its axes renamed so that z, like a capsule's, is along the hand.
    root = wrist_rotation[:, [1, 2, 0]]
    rotations = np.empty((len(BONES), 3, 3))
    for i, (parent, _) in enumerate(BONES):
        before = root if parent == WRIST else rotations[parent - 1]
        rotations[i] = _smallest_turn(before[:, 2], directions[i]) @ before
    return rotations


def _smallest_turn(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3, 3) rotation about their common normal that brings one unit vector to another."""
    cosine = float(np.clip(source @ target, -1, 1))
    if cosine < -0.9999:
        spare = np.eye(3)[np.argmin(np.abs(source))]
        axis = np.cross(source, spare)
        axis /= np.linalg.norm(axis)
        return 2 * np.outer(axis, axis) - np.eye(3)
    cross = np.cross(source, target)
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + cosine)
