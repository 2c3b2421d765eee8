"""The network's mesh: the hand cut at the wrist, decimated, and tied to the render mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from handmesh_model.joints import JOINT_COUNT
from handmesh_model.synthesis.rig import FOREARM_PART, PART_OF_SEGMENT
from handmesh_model.topology import HandTopology

if TYPE_CHECKING:
    from handmesh_model.synthesis.hand_model import HandModel
    from handmesh_model.synthesis.template import RiggedHand

FIT_POSES = 400
REGRESSOR_REACH = 42.0
"""Millimetres around a joint within which vertices may take part in its regressor."""
VERTEX_NOISE = 0.0007
"""Metres by which a network's vertices are expected to be off."""


@dataclass
class NetworkTemplate:
    """
    The decimated mesh, every vertex a point of a face of the render mesh.

    :param corners: (V, 3) render-mesh vertices of that face.
    :param barycentric: (V, 3) weights of the corners.
    :param faces: (F, 3).
    :param parts: (V,) finger parts.
    :param error: mean distance in millimetres of the decimated vertices from the render mesh.
    """

    corners: np.ndarray
    barycentric: np.ndarray
    faces: np.ndarray
    parts: np.ndarray
    error: float

    def place(self, vertices: np.ndarray) -> np.ndarray:
        """(..., V, 3) mesh that goes with (..., N, 3) render-mesh vertices."""
        return np.einsum('vc,...vcd->...vd', self.barycentric, vertices[..., self.corners, :])

    def finish(self, hand: RiggedHand, model: HandModel) -> tuple[HandTopology, dict[str, float]]:
        """
        Fit the joint regressor over random poses and shapes.

        :param model: made from the same hand and this mesh.
        :returns: the topology, and figures of the fit.
        """
        from handmesh_model.synthesis.poses import sample_pose

        rng = np.random.default_rng(0)
        posed = [
            model.pose(sample_pose(rng, model), rng.standard_normal(model.shape_count))
            for _ in range(FIT_POSES)
        ]
        meshes = np.stack([hand_.mesh for hand_ in posed])
        joints = np.stack([hand_.joints for hand_ in posed])
        rest = self.place(hand.vertices)
        regressor = fit_regressor(meshes, joints, rest, hand.pivots)
        topology = HandTopology(self.faces, regressor, self.parts, rest / 1000, name='open-hand-1')
        residual = np.linalg.norm(regressor @ meshes - joints, axis=-1) * 1000
        figures: dict[str, float] = {
            'vertices': len(self.corners),
            'faces': len(self.faces),
            'decimation_mm': self.error,
            'regressor_mean_mm': float(residual.mean()),
            'regressor_worst_joint_mm': float(residual.mean(axis=0).max()),
        }
        return topology, figures


def network_template(hand: RiggedHand, face_count: int, cut: float) -> NetworkTemplate:
    """
    Cut and decimate the rigged hand.

    :param face_count: faces to end up with.
    :param cut: millimetres along x; what lies behind is forearm.
    """
    import fast_simplification

    points, faces = _cut(hand.vertices, hand.faces, cut)
    points, faces = fast_simplification.simplify(
        points.astype(np.float32), faces.astype(np.int32), target_count=face_count
    )
    corners, barycentric, distance = _on_surface(points.astype(float), hand.vertices, hand.faces)
    weights = np.einsum('vc,vcs->vs', barycentric, hand.weights[corners])
    # What little the forearm moves beyond the cut is palm.
    part_of = np.where(PART_OF_SEGMENT == FOREARM_PART, 0, PART_OF_SEGMENT)
    share = np.stack([weights[:, part_of == part].sum(axis=1) for part in range(FOREARM_PART)])
    return NetworkTemplate(corners, barycentric, faces, share.argmax(axis=0), distance.mean())


def _cut(vertices: np.ndarray, faces: np.ndarray, x: float) -> tuple[np.ndarray, np.ndarray]:
    """Keep what lies beyond a plane of constant x; returns welded points and faces."""
    import trimesh

    points, kept, _ = trimesh.intersections.slice_faces_plane(
        vertices, faces, np.array([1.0, 0, 0]), np.array([x, 0, 0])
    )
    mesh = trimesh.Trimesh(points, kept, process=False)
    mesh.merge_vertices()
    return np.asarray(mesh.vertices), np.asarray(mesh.faces)


def _on_surface(
    points: np.ndarray, vertices: np.ndarray, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners (V, 3), barycentric (V, 3) and distance (V,) of the nearest surface points."""
    import trimesh

    _, near = cKDTree(vertices[faces].mean(axis=1)).query(points, k=24)
    triangles = vertices[faces[near]].reshape(-1, 3, 3)
    repeated = np.repeat(points, near.shape[1], axis=0)
    nearest = trimesh.triangles.closest_point(triangles, repeated)
    distance = np.linalg.norm(nearest - repeated, axis=1).reshape(near.shape)
    best = distance.argmin(axis=1)
    rows = np.arange(len(points))
    flat = rows * near.shape[1] + best
    barycentric = trimesh.triangles.points_to_barycentric(triangles[flat], nearest[flat])
    return faces[near[rows, best]], barycentric, distance[rows, best]


def fit_regressor(
    meshes: np.ndarray, joints: np.ndarray, rest: np.ndarray, rest_joints: np.ndarray
) -> np.ndarray:
    """
    Weights, summing to one, that give each joint from the mesh.

    Least squares on vertices that are off by :data:`VERTEX_NOISE`, which is ridge regression: it
    keeps weights small, so that a network's vertex errors average out.

    :param meshes: (P, V, 3) and ``joints`` (P, 21, 3): samples in metres.
    :param rest: (V, 3) and ``rest_joints`` (21, 3): the mean hand in millimetres, for nearness.
    :returns: (21, V) float32.
    """
    regressor = np.zeros((JOINT_COUNT, rest.shape[0]), np.float32)
    for joint in range(JOINT_COUNT):
        near = np.linalg.norm(rest - rest_joints[joint], axis=1) <= REGRESSOR_REACH
        rows = meshes[:, near].transpose(0, 2, 1).reshape(-1, near.sum()).astype(np.float64)
        # A heavy row of ones makes the weights sum to one.
        heavy = 100.0
        gram = rows.T @ rows + heavy + len(rows) * VERTEX_NOISE**2 * np.eye(near.sum())
        solution = np.linalg.solve(gram, rows.T @ joints[:, joint].ravel() + heavy)
        regressor[joint, near] = solution / solution.sum()
    return regressor
