"""Pictures of a simulated robot, by the project's own rasterizer: no OpenGL is needed."""

from __future__ import annotations

from functools import lru_cache

import cv2
import mujoco
import numpy as np
import trimesh

from handmesh_model.synthesis.rasterizer import NO_FACE, rasterize

SAMPLES = 2
"""Samples along each side of a pixel."""
_LIGHT = np.array([-0.45, -0.75, 0.5]) / np.linalg.norm([-0.45, -0.75, 0.5])
"""Where the light comes from, in the world."""
_HORIZON, _FLOOR = np.array([0.93, 0.94, 0.96]), np.array([0.72, 0.74, 0.78])


def draw_robot(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    world_from_camera: np.ndarray,
    intrinsics: np.ndarray,
    size: tuple[int, int],
) -> np.ndarray:
    """
    What a camera sees of all geoms.

    :param world_from_camera: (4, 4), of an optical frame: z forward.
    :param intrinsics: (3, 3) pixels.
    :param size: width and height, pixels.
    :returns: (H, W, 3) uint8 RGB.
    """
    vertices, faces, colors = _gather(model, data)
    rotation, position = world_from_camera[:3, :3], world_from_camera[:3, 3]
    local = (vertices - position) @ rotation
    depth = local[:, 2]
    safe = np.where(depth > 1e-3, depth, 1e9)[:, None]
    pixels = local[:, :2] / safe @ intrinsics[:2, :2].T + intrinsics[:2, 2]
    # The middle of pixel 0 lies between its samples.
    points = np.column_stack([SAMPLES * pixels + (SAMPLES - 1) / 2, depth]).astype(np.float32)
    width, height = size
    inverse = np.zeros((SAMPLES * height, SAMPLES * width), np.float32)
    seen = np.full(inverse.shape, NO_FACE, np.int32)
    rasterize(points, faces, inverse, seen)
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    shade = 0.45 + 0.55 * np.clip(normals @ _LIGHT, 0, 1) + 0.12 * np.clip(normals[:, 2], -1, 1)
    lit = np.clip(colors * shade[:, None], 0, 1)
    ground = np.linspace(0, 1, seen.shape[0])[:, None, None]
    canvas = np.broadcast_to(_HORIZON * (1 - ground) + _FLOOR * ground, (*seen.shape, 3)).copy()
    hit = seen != NO_FACE
    canvas[hit] = lit[seen[hit]]
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return np.round(255 * small).astype(np.uint8)


def _gather(model: mujoco.MjModel, data: mujoco.MjData) -> tuple[np.ndarray, ...]:
    """(N, 3) vertices in the world, (F, 3) faces, (F, 3) colours 0..1."""
    parts, faces, colors, count = [], [], [], 0
    for number in range(model.ngeom):
        mesh = _mesh(int(model.geom_type[number]), *map(float, model.geom_size[number]))
        if mesh is None:
            continue
        rotation = data.geom_xmat[number].reshape(3, 3)
        parts.append(mesh.vertices @ rotation.T + data.geom_xpos[number])
        faces.append(mesh.faces + count)
        colors.append(np.tile(model.geom_rgba[number, :3], (len(mesh.faces), 1)))
        count += len(mesh.vertices)
    return np.concatenate(parts), np.concatenate(faces).astype(np.int32), np.concatenate(colors)


@lru_cache(maxsize=256)
def _mesh(kind: int, a: float, b: float, c: float) -> trimesh.Trimesh | None:
    """A geom's surface in its own frame; sizes as MuJoCo has them."""
    geom = mujoco.mjtGeom
    if kind == geom.mjGEOM_BOX:
        return trimesh.creation.box((2 * a, 2 * b, 2 * c))
    if kind == geom.mjGEOM_SPHERE:
        return trimesh.creation.icosphere(2, a)
    if kind == geom.mjGEOM_CYLINDER:
        return trimesh.creation.cylinder(a, 2 * b)
    if kind == geom.mjGEOM_CAPSULE:
        return _capsule(a, b)
    return None


def _capsule(radius: float, half: float, sections: int = 16, rings: int = 6) -> trimesh.Trimesh:
    """A capsule along z, its middle at the origin."""
    sphere = trimesh.creation.uv_sphere(radius, (2 * rings + 1, sections))
    vertices = sphere.vertices.copy()
    # The equator is cut and both halves are moved apart.
    vertices[:, 2] += np.where(vertices[:, 2] >= -1e-9, half, -half)
    return trimesh.Trimesh(vertices, sphere.faces, process=False)
