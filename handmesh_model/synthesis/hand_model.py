"""The open hand as something that can be posed: shape, joint angles, skin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from handmesh_model.angles import JOINT_DOF, rest_angles, rest_frames
from handmesh_model.errors import ShapeError
from handmesh_model.hand import Side
from handmesh_model.synthesis import rig
from handmesh_model.synthesis.compilation import njit

MODEL_FILE = Path(__file__).parent.parent / 'assets' / 'open_hand_model.npz'
SIZE_DEVIATION = 0.08
"""Standard deviation of the logarithm of hand size among adults and adolescents."""
MAX_INFLUENCES = 6
"""Segments that one vertex may follow."""


@dataclass(frozen=True, eq=False)
class PosedHand:
    """
    A hand in its wrist frame, metres.

    :param vertices: (N, 3) render mesh, hand and forearm.
    :param mesh: (V, 3) the network's mesh.
    :param joints: (21, 3).
    """

    vertices: np.ndarray
    mesh: np.ndarray
    joints: np.ndarray


class HandModel:
    """
    The open right hand with forearm.

    :ivar faces: (F, 3) int32 of the render mesh, counter-clockwise seen from outside.
    :ivar rest_vertices: (N, 3) metres, the mean hand as modelled.
    :ivar part: (N,) uint8, palm 0, thumb to pinky 1..5, forearm 6.
    :ivar palmar: (N,) float32, -1 on the back of the hand to +1 on the palm side.
    :ivar nail: (N,) float32, 0..1.
    :ivar shape_count: number of shape coefficients, each about N(0, 1); the first is overall size.
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.faces = arrays['faces'].astype(np.int32)
        self._left_faces = np.ascontiguousarray(self.faces[:, ::-1])
        self.rest_vertices = arrays['vertices'].astype(np.float32)
        self.rest_joints = arrays['joints'].astype(np.float32)
        weights = arrays['weights'].astype(np.float32)
        self._modes = arrays['modes'].astype(np.float32)
        self._joint_modes = np.einsum('jn,knd->kjd', arrays['pivot_weights'], self._modes)
        self._corners = arrays['template_corners'].astype(np.int32)
        self._barycentric = arrays['template_barycentric'].astype(np.float32)
        self.shape_count = 1 + len(self._modes)
        self._influences, self._shares = _strongest(weights)
        self._frames = rest_frames(self.rest_joints.astype(np.float64))
        self._zero = rest_angles(self.rest_joints)
        self.part = self._parts(weights)
        self.palmar, self.nail = self._skin_regions(weights)

    @classmethod
    def load(cls, path: str | Path = MODEL_FILE) -> HandModel:
        """Read the model; the default one is read once a process."""
        return _load(str(path))

    def faces_of(self, side: Side) -> np.ndarray:
        """(F, 3) int32 as :attr:`faces`; a left hand is a mirrored one, with its faces turned."""
        return self.faces if side == 'right' else self._left_faces

    def shaped(self, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        The hand at rest with another shape.

        :param shape: (shape_count,) coefficients.
        :returns: (N, 3) vertices and (21, 3) joints, metres, float32.
        """
        if np.shape(shape) != (self.shape_count,):
            raise ShapeError('shape', np.shape(shape), (self.shape_count,))
        size = np.float32(np.exp(SIZE_DEVIATION * shape[0]))
        coefficients = np.asarray(shape[1:], np.float32)
        count = len(coefficients)
        moved = coefficients @ self._modes.reshape(count, -1)
        vertices = self.rest_vertices + moved.reshape(-1, 3)
        moved = coefficients @ self._joint_modes.reshape(count, -1)
        joints = self.rest_joints + moved.reshape(-1, 3)
        return vertices * size, (joints - joints[0]) * size

    def pose(self, angles: np.ndarray, shape: np.ndarray) -> PosedHand:
        """
        Pose a hand of a given shape.

        :param angles: (25,) radians, see :data:`handmesh_model.angles.ANGLE_NAMES`.
        :param shape: (shape_count,) coefficients.
        :raises ShapeError: if a shape differs.
        """
        if np.shape(angles) != (JOINT_DOF,):
            raise ShapeError('angles', np.shape(angles), (JOINT_DOF,))
        vertices, joints = self.shaped(shape)
        transforms = segment_transforms(
            np.asarray(angles, np.float64), joints.astype(np.float64), self._frames, self._zero
        )
        posed, posed_joints = _skin(
            vertices, joints, transforms.astype(np.float32), self._influences, self._shares
        )
        mesh = _interpolated(posed, self._corners, self._barycentric)
        return PosedHand(posed, mesh, posed_joints)

    def posed_joints(self, angles: np.ndarray) -> np.ndarray:
        """(21, 3) joints of the mean hand in a pose, metres; cheaper than :meth:`pose`."""
        joints = self.rest_joints
        transforms = segment_transforms(
            np.asarray(angles, np.float64), joints.astype(np.float64), self._frames, self._zero
        ).astype(np.float32)
        _, posed = _skin(joints[:0], joints, transforms, self._influences, self._shares)
        return posed

    def _parts(self, weights: np.ndarray) -> np.ndarray:
        part_of, count = rig.PART_OF_SEGMENT, rig.FOREARM_PART + 1
        shares = np.stack([weights[:, part_of == part].sum(axis=1) for part in range(count)])
        return shares.argmax(axis=0).astype(np.uint8)

    def _skin_regions(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Palm side and nails, from each segment's own frame at rest."""
        normals = _rest_normals(self.rest_vertices, self.faces)
        dorsal = np.tile(np.array([0.0, 0.0, 1.0]), (len(rig.SEGMENTS), 1))
        for f in range(5):
            axis = self._frames[f, :, 1]
            for j in range(3):
                bone = self.rest_joints[2 + 4 * f + j] - self.rest_joints[1 + 4 * f + j]
                normal = np.cross(bone / np.linalg.norm(bone), axis)
                dorsal[2 + 3 * f + j] = normal / np.linalg.norm(normal)
        palmar = -np.einsum('ns,sd,nd->n', weights, dorsal, normals)
        nail = np.zeros(len(weights), np.float32)
        for f in range(5):
            tip, last = self.rest_joints[4 + 4 * f], self.rest_joints[3 + 4 * f]
            along = (self.rest_vertices - last) @ (tip - last) / ((tip - last) @ (tip - last))
            share = weights[:, 4 + 3 * f]
            inside = np.clip((along - 0.42) / 0.12, 0, 1) * np.clip((1.02 - along) / 0.1, 0, 1)
            nail += inside * np.clip((-palmar - 0.55) / 0.2, 0, 1) * (share > 0.8)
        return palmar.astype(np.float32), nail.astype(np.float32)


@lru_cache(maxsize=2)
def _load(path: str) -> HandModel:
    with np.load(path, allow_pickle=False) as data:
        return HandModel({key: data[key] for key in data.files})


def _strongest(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The few segments each vertex follows most: (N, 6) int32 and their shares, (N, 6)."""
    order = np.argsort(-weights, axis=1)[:, :MAX_INFLUENCES]
    shares = np.take_along_axis(weights, order, axis=1)
    shares = shares / shares.sum(axis=1, keepdims=True)
    return order.astype(np.int32), shares.astype(np.float32)


def _rest_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(N, 3) unit normals, faces weighted by area."""
    # Not the compiled ones, which are added up in another order and with freer arithmetic: skin,
    # and with it every picture, would differ in its last bits from those made so far.
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], face_normals)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


@njit()
def _about(axis: int, angle: float) -> np.ndarray:
    """Rotation about a coordinate axis."""
    result = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    c, s = np.cos(angle), np.sin(angle)
    result[i, i], result[i, j], result[j, i], result[j, j] = c, -s, s, c
    return result


@njit()
def segment_transforms(
    angles: np.ndarray, joints: np.ndarray, frames: np.ndarray, zero: np.ndarray
) -> np.ndarray:
    """
    How each segment moves away from the hand at rest.

    :param angles: (25,) wanted angles, ``zero`` (25,) those of the hand at rest.
    :param joints: (21, 3) at rest.
    :param frames: (5, 3, 3) from :func:`rest_frames`.
    :returns: (17, 3, 4), posed point = M[:, :3] @ rest point + M[:, 3].
    """
    result = np.zeros((17, 3, 4))
    for s in range(17):
        result[s, :, :3] = np.eye(3)
    # The hand stays where it is; the forearm turns the other way.
    result[0, :, :3] = _about(1, -angles[0]) @ _about(2, -angles[1]) @ _about(0, angles[2])
    for f in range(5):
        rest = frames[f]
        if f == 0:
            wanted = _about(2, angles[4]) @ _about(1, angles[3]) @ _about(0, -angles[5])
            turn = rest @ wanted @ rest.T
            k = 6
            second = _about(2, angles[7]) @ _about(1, angles[6] - zero[6])
            third = _about(1, angles[8] - zero[8])
        else:
            k = 9 + 4 * (f - 1)
            at_rest = _about(2, zero[k]) @ _about(1, zero[k + 1])
            wanted = _about(2, angles[k]) @ _about(1, angles[k + 1])
            turn = rest @ at_rest.T @ wanted @ rest.T
            second = _about(1, angles[k + 2] - zero[k + 2])
            third = _about(1, angles[k + 3] - zero[k + 3])
        parent_turn = np.eye(3)
        parent_move = np.zeros(3)
        for j in range(3):
            local = turn if j == 0 else rest @ (second if j == 1 else third) @ rest.T
            pivot = joints[1 + 4 * f + j]
            move = parent_turn @ (pivot - local @ pivot) + parent_move
            parent_turn = parent_turn @ local
            parent_move = move
            s = 2 + 3 * f + j
            result[s, :, :3] = parent_turn
            result[s, :, 3] = parent_move
    return result


@njit(fastmath=True)
def _interpolated(vertices: np.ndarray, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(V, 3) points inside triangles with corners (V, 3) and barycentric weights (V, 3)."""
    points = np.zeros((corners.shape[0], 3), dtype=np.float32)
    for v in range(corners.shape[0]):
        for c in range(3):
            for d in range(3):
                points[v, d] += weights[v, c] * vertices[corners[v, c], d]
    return points


@njit(fastmath=True)
def _skin(
    vertices: np.ndarray,
    joints: np.ndarray,
    transforms: np.ndarray,
    influences: np.ndarray,
    shares: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Linear blend skinning of (N, 3) vertices, and (21, 3) joints moved with their parents."""
    posed = np.zeros_like(vertices)
    for n in range(vertices.shape[0]):
        for i in range(influences.shape[1]):
            share = shares[n, i]
            if share > 0:
                m = transforms[influences[n, i]]
                for d in range(3):
                    posed[n, d] += share * (
                        m[d, 0] * vertices[n, 0]
                        + m[d, 1] * vertices[n, 1]
                        + m[d, 2] * vertices[n, 2]
                        + m[d, 3]
                    )
    posed_joints = np.zeros_like(joints)
    for j in range(1, joints.shape[0]):
        segment = 1 if (j - 1) % 4 == 0 else 2 + 3 * ((j - 1) // 4) + (j - 2) % 4
        m = transforms[segment]
        for d in range(3):
            posed_joints[j, d] = (
                m[d, 0] * joints[j, 0] + m[d, 1] * joints[j, 1] + m[d, 2] * joints[j, 2] + m[d, 3]
            )
    return posed, posed_joints
