"""Reading MANO_RIGHT.pkl, which its licence lets each user download for themselves."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from handmesh_model.errors import TopologyError
from handmesh_model.joints import FINGERS, JOINT_NAMES, MANO_NAMES, PARTS, permutation
from handmesh_model.restricted_pickle import array_of, load_records
from handmesh_model.topology import HandTopology
from handmesh_model.wrist import wrist_frame

if TYPE_CHECKING:
    from collections.abc import Mapping

FINGERTIP_VERTICES = (745, 317, 445, 556, 673)
"""
Vertices at the tips of thumb, index, middle, ring and pinky, as the paper's authors choose them.

Datasets may have others, see :class:`handmesh_model.datasets.HandDataset`.
"""
VERTEX_COUNT = 778
SEGMENT_NAMES = MANO_NAMES[: -len(FINGERTIP_VERTICES)]
"""The 16 joints of MANO's skeleton, each of which also names the segment it turns."""


def import_mano(path: str | Path) -> HandTopology:
    """
    Build a topology from MANO's right hand.

    The file is a pickle; nothing in it is executed, and neither chumpy nor scipy is needed.

    :param path: ``MANO_RIGHT.pkl``.
    :returns: MANO's faces, the regressor of 21 joints in our order (MANO's 16 and five fingertip
        vertices), finger parts from its skinning weights, and its mean hand as the template.
    :raises TopologyError: if the file is missing, names anything but arrays, or lacks one.
    """
    records = load_records(path)
    if not isinstance(records, dict):
        raise TopologyError(f"'{path}' holds a {type(records).__name__}, expected MANO's dict")
    faces = _array(path, records, 'f', (-1, 3))
    regressor = _array(path, records, 'J_regressor', (len(SEGMENT_NAMES), VERTEX_COUNT))
    weights = _array(path, records, 'weights', (VERTEX_COUNT, len(SEGMENT_NAMES)))
    template = _array(path, records, 'v_template', (VERTEX_COUNT, 3))
    joint_regressor = with_fingertips(regressor)
    return HandTopology(
        faces,
        joint_regressor,
        parts_from_weights(weights),
        _in_wrist_frame(template, joint_regressor),
        name='mano-right',
    )


def with_fingertips(regressor: np.ndarray) -> np.ndarray:
    """
    Joint regressor in our order from MANO's own.

    :param regressor: (16, 778).
    :returns: (21, 778); a fingertip is one vertex.
    """
    tips = np.zeros((len(FINGERTIP_VERTICES), regressor.shape[1]))
    tips[np.arange(len(tips)), FINGERTIP_VERTICES] = 1
    return np.concatenate([regressor, tips])[permutation(JOINT_NAMES, MANO_NAMES)]


def parts_from_weights(weights: np.ndarray) -> np.ndarray:
    """
    Part of each vertex: the palm or finger whose segments move it most.

    :param weights: (V, 16) skinning weights in the order of :data:`SEGMENT_NAMES`.
    :returns: (V,) uint8, an index into :data:`handmesh_model.joints.PARTS`.
    """
    fingers = [name.split('_')[0] for name in SEGMENT_NAMES]
    part = np.array([PARTS.index(f) if f in FINGERS else 0 for f in fingers])
    share = np.stack([weights[:, part == p].sum(axis=1) for p in range(len(PARTS))])
    return share.argmax(axis=0).astype(np.uint8)


def _in_wrist_frame(template: np.ndarray, joint_regressor: np.ndarray) -> np.ndarray:
    pose = wrist_frame(joint_regressor @ template, 'right')
    return (template - pose[:3, 3]) @ pose[:3, :3]


def _array(
    path: str | Path, records: Mapping[str, object], name: str, shape: tuple[int, int]
) -> np.ndarray:
    if name not in records:
        held = ', '.join(sorted(map(reprlib.repr, records)))
        raise TopologyError(f"'{path}' lacks '{name}'; it holds {held or 'nothing'}")
    try:
        array = array_of(records[name])
    except ValueError as error:
        raise TopologyError(f"'{name}' in '{path}' cannot be read: {error}") from error
    expected = tuple(
        actual if want < 0 else want for want, actual in zip(shape, array.shape, strict=False)
    )
    if array.shape != expected or array.ndim != len(shape):
        raise TopologyError(f"'{name}' in '{path}' has shape {array.shape}, expected {shape}")
    return array
