"""What stays the same from one hand to the next: faces, joint regressor and finger parts."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from handmesh_model.errors import TopologyError
from handmesh_model.joints import BONES, JOINT_COUNT, MIDDLE_KNUCKLE, PARTS, WRIST
from handmesh_model.npz_files import read_arrays

OPEN_HAND_FILE = Path(__file__).parent / 'assets' / 'open_hand_topology.npz'
MEAN_HAND_SIZE = 0.0945
"""Metres from wrist to middle knuckle where a topology brings no template to take it from."""


MOST_VERTICES = 20_000
"""Of a mesh; MANO has 778. Files may say anything."""
MOST_FACES_AT_VERTEX = 256
"""Bounds the table of neighbours, whose rows are as long as the longest."""
MOST_BYTES = 64 << 20
"""Of a file's arrays; the largest mesh takes 45 MB with all numbers in 64 bits."""


class HandTopology:
    """
    The fixed part of a hand mesh with V vertices and F faces.

    :param faces: (F, 3) vertex numbers, counter-clockwise seen from outside, for a right hand.
    :param joint_regressor: (21, V) weights; regressor @ vertices gives the joints.
    :param vertex_parts: (V,) part of each vertex, index into :data:`handmesh_model.joints.PARTS`;
        None derives it from the nearest joint along the mesh.
    :param template: (V, 3) metres, a mean right hand at rest in the wrist frame, if there is one.
    :param name: what to call it in messages and checkpoints.
    :raises TopologyError: if shapes or indices contradict each other, what counts vertices or
        parts is no whole number, or the template is of no hand.
    """

    def __init__(
        self,
        faces: np.ndarray,
        joint_regressor: np.ndarray,
        vertex_parts: np.ndarray | None = None,
        template: np.ndarray | None = None,
        name: str = 'custom',
    ) -> None:
        self.faces = _whole_numbers('faces', faces, np.int32)
        self.joint_regressor = np.ascontiguousarray(joint_regressor, dtype=np.float32)
        self.name = name
        self.template = None if template is None else np.asarray(template, dtype=np.float32)
        self._check()
        if vertex_parts is None:
            vertex_parts = _parts_from_regressor(self.edges, self.joint_regressor)
        self.vertex_parts = _whole_numbers('vertex_parts', vertex_parts, np.uint8)
        shape = self.vertex_parts.shape
        if shape != (self.vertex_count,):
            raise TopologyError(f'vertex_parts has shape {shape}, expected ({self.vertex_count},)')
        if self.vertex_parts.max() >= len(PARTS):
            raise TopologyError(
                f'vertex_parts has maximum {self.vertex_parts.max()}, expected at most '
                f'{len(PARTS) - 1}'
            )

    def _check(self) -> None:
        if not isinstance(self.name, str):
            raise TopologyError(f'name is {self.name!r}, expected a string')
        if self.joint_regressor.ndim != 2 or self.joint_regressor.shape[0] != JOINT_COUNT:
            raise TopologyError(
                f'joint_regressor has shape {self.joint_regressor.shape}, '
                f'expected ({JOINT_COUNT}, vertex count)'
            )
        if not 1 <= self.vertex_count <= MOST_VERTICES:
            raise TopologyError(
                f'a mesh of {self.vertex_count} vertices, expected 1 to {MOST_VERTICES}'
            )
        if not np.isfinite(self.joint_regressor).all():
            raise TopologyError('joint_regressor holds NaN or infinite values')
        if self.faces.ndim != 2 or self.faces.shape[1] != 3 or not len(self.faces):
            raise TopologyError(f'faces has shape {self.faces.shape}, expected (F, 3) with F > 0')
        low, high = int(self.faces.min()), int(self.faces.max())
        if low < 0 or high >= self.vertex_count:
            raise TopologyError(
                f'faces name vertices {low} to {high}, expected 0 to {self.vertex_count - 1}'
            )
        shared = np.bincount(self.faces.ravel())
        if shared.max() > MOST_FACES_AT_VERTEX:
            raise TopologyError(
                f'vertex {shared.argmax()} is in {shared.max()} faces, expected at most '
                f'{MOST_FACES_AT_VERTEX}'
            )
        if self.template is None:
            return
        if self.template.shape != (self.vertex_count, 3):
            raise TopologyError(
                f'template has shape {self.template.shape}, expected ({self.vertex_count}, 3)'
            )
        if not np.isfinite(self.template).all():
            raise TopologyError('template holds NaN or infinite values')
        if not 0 < self.hand_size < np.inf:
            raise TopologyError(
                f'template has {self.hand_size} m from wrist to middle knuckle, expected more '
                'than 0'
            )

    @property
    def vertex_count(self) -> int:
        """Number of vertices V."""
        return self.joint_regressor.shape[1]

    @cached_property
    def edges(self) -> np.ndarray:
        """(E, 2) int32, every undirected edge once, smaller vertex first, sorted."""
        pairs = self.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
        return np.unique(np.sort(pairs, axis=1), axis=0)

    @cached_property
    def template_joints(self) -> np.ndarray:
        """
        (21, 3) float32 metres, the joints of the template.

        :raises TopologyError: if the topology has no template.
        """
        if self.template is None:
            raise TopologyError(f"topology '{self.name}' has no template to take joints from")
        return self.joint_regressor @ self.template

    @property
    def hand_size(self) -> float:
        """Metres from wrist to middle knuckle of the mean hand."""
        if self.template is None:
            return MEAN_HAND_SIZE
        joints = self.template_joints
        return float(np.linalg.norm(joints[MIDDLE_KNUCKLE] - joints[WRIST]))

    @cached_property
    def bone_lengths(self) -> np.ndarray:
        """(20,) float32 metres, length of each of :data:`handmesh_model.joints.BONES`."""
        ends = self.template_joints[np.array(BONES)]
        return np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)

    def faces_of(self, side: str) -> np.ndarray:
        """
        Faces wound counter-clockwise seen from outside.

        :param side: 'right', or 'left' for mirrored vertices, whose winding is the other way.
        :returns: (F, 3) int32.
        """
        return self.faces if side == 'right' else np.ascontiguousarray(self.faces[:, ::-1])

    def save(self, path: str | Path) -> None:
        """
        Write the topology as npz, without pickles.

        :param path: the file is called just that, with or without an ending.
        """
        arrays: dict[str, Any] = {
            'faces': self.faces,
            'joint_regressor': self.joint_regressor,
            'vertex_parts': self.vertex_parts,
            'name': np.array(self.name),
        }
        if self.template is not None:
            arrays['template'] = self.template
        # Given a path, numpy adds '.npz' where it is missing.
        with open(path, 'wb') as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> HandTopology:
        """
        Read a topology written by :meth:`save`.

        :raises TopologyError: if the file is missing, damaged or no npz, unpacks to more than
            :data:`MOST_BYTES`, lacks an array, or has arrays that contradict each other.
        """
        try:
            arrays = read_arrays(path, MOST_BYTES)
        except ValueError as error:
            raise TopologyError(f"cannot read topology '{path}': {error}") from error
        missing = [key for key in ('faces', 'joint_regressor') if key not in arrays]
        if missing:
            raise TopologyError(
                f"topology '{path}' lacks {', '.join(missing)}; it holds {', '.join(arrays)}"
            )
        try:
            return cls(
                arrays['faces'],
                arrays['joint_regressor'],
                arrays.get('vertex_parts'),
                arrays.get('template'),
                str(arrays.get('name', 'custom')),
            )
        except (TypeError, ValueError) as error:
            raise TopologyError(f"topology '{path}' has unfit arrays: {error}") from error

    @classmethod
    def open_hand(cls) -> HandTopology:
        """The project's own hand, derived from CC0 data (see ``assets/README.md``)."""
        return _open_hand()


def _whole_numbers(name: str, values: Any, dtype: type[np.integer]) -> np.ndarray:
    """
    The same numbers in another type, which would round or wrap what it cannot hold.

    :raises TopologyError: if there are such numbers, or no numbers at all.
    """
    given = np.asarray(values)
    if given.dtype.kind not in 'iuf':
        raise TopologyError(f'{name} is of type {given.dtype}, expected whole numbers')
    with np.errstate(invalid='ignore'):  # NaN, which equals no number
        whole = np.ascontiguousarray(given, dtype=dtype)
    changed = given[given != whole]
    if changed.size:
        held = np.iinfo(dtype)
        raise TopologyError(
            f'{name} holds {changed[0]}, expected whole numbers from {held.min} to {held.max}'
        )
    return whole


@lru_cache(maxsize=1)
def _open_hand() -> HandTopology:
    return HandTopology.load(OPEN_HAND_FILE)


def _parts_from_regressor(edges: np.ndarray, joint_regressor: np.ndarray) -> np.ndarray:
    """Give each vertex the part of the joint that is fewest edges away; (V,) uint8."""
    vertex_count = joint_regressor.shape[1]
    parts = np.full(vertex_count, -1, dtype=np.int64)
    # Joints 0 (wrist) and 1 of each finger are at the palm's border; the rest lie in the finger.
    seeds = np.abs(joint_regressor).argmax(axis=1)
    for joint, seed in enumerate(seeds):
        inside_finger = joint > 0 and (joint - 1) % 4 > 0
        parts[seed] = (joint - 1) // 4 + 1 if inside_finger else 0
    both_ways = np.concatenate([edges, edges[:, ::-1]])
    while True:
        source, target = both_ways.T
        grows = (parts[source] >= 0) & (parts[target] < 0)
        if not grows.any():
            break
        parts[target[grows]] = parts[source[grows]]
    return np.maximum(parts, 0).astype(np.uint8)
