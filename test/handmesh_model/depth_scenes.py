"""Depth images of hands whose place is known, for the tests of depth."""

from typing import Any

import numpy as np
import torch

from handmesh_model.camera import normalized, project
from handmesh_model.depth_image import DepthView
from handmesh_model.joints import WRIST
from handmesh_model.placement import Placement, place_in_camera
from handmesh_model.topology import HandTopology
from handmesh_model.zbuffer import visible_faces

K = np.array([[400.0, 0, 200], [0, 410.0, 150], [0, 0, 1]])
SHAPE = (300, 400)


def turned(seed: int) -> np.ndarray:
    """A random proper rotation."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def hand_at(
    topology: HandTopology, seed: int, scale: float = 1.0, distance: float = 0.5
) -> np.ndarray:
    """(V, 3) metres, the topology's template in the middle of the view, turned at random."""
    assert topology.template is not None
    points = scale * topology.template.astype(float) @ turned(seed).T
    return points - points.mean(axis=0) + (0.02, 0.01, distance)


def depth_of(
    vertices: np.ndarray, topology: HandTopology, background: float = np.nan
) -> np.ndarray:
    """(H, W) metres: where the ray of each pixel meets the mesh, or the background."""
    flat = np.column_stack([project(vertices, K), vertices[:, 2]])
    batch = torch.from_numpy(flat.astype(np.float32))[None]
    seen = visible_faces(batch, torch.from_numpy(topology.faces.astype(np.int64)), *SHAPE)[0]
    faces = seen.numpy()
    depth = np.full(SHAPE, background)
    rows, columns = np.nonzero(faces >= 0)
    a, b, c = vertices[topology.faces[faces[rows, columns]]].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    rays = normalized(np.column_stack([columns, rows]).astype(float), K)
    along = np.einsum('ij,ij->i', normals, np.column_stack([rays, np.ones(len(rays))]))
    depth[rows, columns] = np.einsum('ij,ij->i', normals, a) / along
    return depth


def seen(vertices: np.ndarray, topology: HandTopology, scale: float = 1.0) -> dict[str, Any]:
    """What a perfect network would say of a hand."""
    joints = topology.joint_regressor.astype(float) @ vertices
    return {
        'joints_image': project(joints, K),
        'joints_depth': (joints[:, 2] - joints[WRIST, 2]) / scale,
        'vertices_image': project(vertices, K),
        'vertices_depth': (vertices[:, 2] - joints[WRIST, 2]) / scale,
    }


def place(
    topology: HandTopology, network: dict[str, Any], depth: np.ndarray, **more: Any
) -> Placement:
    """The placement with a depth image."""
    view = DepthView(depth, network['vertices_image'])
    arguments: dict[str, Any] = {'side': 'right', 'topology': topology, 'intrinsics': K}
    return place_in_camera(**network, depth=view, **(arguments | more))
