"""Meshes with their surfaces, gathered in the camera frame, and their picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handmesh_model.synthesis import columns
from handmesh_model.synthesis.appearance import BLOOD_ABSORPTION, MELANIN_ABSORPTION
from handmesh_model.synthesis.lighting import Light, shade_vertices, shadow_map
from handmesh_model.synthesis.noise import noise_block
from handmesh_model.synthesis.rasterizer import NO_FACE, SAMPLES, rasterize, vertex_normals
from handmesh_model.synthesis.resolve import resolve
from handmesh_model.synthesis.skin_paint import SkinPaint
from handmesh_model.synthesis.vertices import project, seen_vertices, vertex_attributes

_ABSORPTION = np.stack([MELANIN_ABSORPTION, BLOOD_ABSORPTION]).astype(np.float32)


@dataclass(frozen=True)
class Material:
    """
    A surface; colours are linear RGB.

    :param kind: ``columns.SKIN`` or ``columns.SURFACE``.
    :param color: of a surface, or of skin without pigments.
    :param other: second colour of a pattern.
    :param scale: of the pattern, 1 / metres.
    :param rough: strength of cloth-like unevenness.
    """

    kind: float
    color: tuple[float, float, float]
    other: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pattern: float = columns.PLAIN
    scale: float = 100.0
    rough: float = 0.5
    creases: float = 0.0
    lines: float = 0.0
    mottling: float = 0.0
    polish: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """
    Rendered meshes without background.

    :param color: (H, W, 3) float32 linear RGB times coverage.
    :param cover: (H, W, 3) float32 share of a pixel covered by anything, by the hand, by what a
        mask should ignore.
    :param face_ids: (2 H, 2 W) int32, face seen at each sample; -1 for none.
    :param face_owners: (F + 1,) int16, number of the hand that a face belongs to; -1 for forearms,
        other things, and the last entry.
    """

    color: np.ndarray
    cover: np.ndarray
    face_ids: np.ndarray
    face_owners: np.ndarray

    @property
    def owners(self) -> np.ndarray:
        """(2 H, 2 W) int16, number of the hand (without forearm) at each sample; -1 elsewhere."""
        return self.face_owners[self.face_ids]


_SMALL_PIXEL = 0.0011
"""Metres of skin in a pixel below which noise is smoothed."""


class Assembly:
    """Meshes that are lit and seen together, in the camera frame."""

    def __init__(self) -> None:
        self._vertices: list[np.ndarray] = []
        self._faces: list[np.ndarray] = []
        self._surfaces: list[np.ndarray] = []
        self._face_material: list[np.ndarray] = []
        self._face_class: list[np.ndarray] = []
        self._owners: list[int] = []
        self._materials: list[Material] = []
        self._spheres: list[np.ndarray] = []
        self._count = 0

    def add(
        self,
        vertices: np.ndarray,
        faces: np.ndarray,
        material: Material,
        rest: np.ndarray,
        pigments: np.ndarray | float = 0.0,
        nail: np.ndarray | float = 0.0,
        face_class: np.ndarray | int = columns.NEUTRAL,
        owner: int = -1,
    ) -> None:
        """
        Put a mesh in.

        :param vertices: (N, 3) metres, camera frame.
        :param faces: (F, 3) counter-clockwise seen from outside.
        :param rest: (N, 3) where each vertex lies in the solid texture, metres.
        :param pigments: (N, 3) or (3,) melanin, blood, gloss; a number is the gloss alone.
        :param nail: (N,) 0..1.
        :param face_class: (F,) or one class of ``columns``.
        :param owner: number of the hand that the faces of class HAND belong to.
        """
        count = len(vertices)
        surface = np.empty((count, columns.SURFACE_COLUMNS), dtype=np.float32)
        surface[:, columns.SURFACE_REST : columns.SURFACE_MELANIN] = rest
        surface[:, columns.SURFACE_MELANIN : columns.SURFACE_NAIL] = (
            np.array([0.0, 0.0, pigments]) if isinstance(pigments, float) else pigments
        )
        surface[:, columns.SURFACE_NAIL] = nail
        surface[:, columns.SURFACE_SOFTNESS] = 1.0 if material.kind == columns.SKIN else 0.0
        self._vertices.append(np.asarray(vertices, dtype=np.float32))
        self._faces.append(faces + np.int32(self._count))
        self._surfaces.append(surface)
        self._face_material.append(np.full(len(faces), len(self._materials), dtype=np.uint8))
        if isinstance(face_class, int):
            face_class = np.full(len(faces), face_class, dtype=np.uint8)
        self._face_class.append(face_class)
        self._owners.append(owner)
        self._materials.append(material)
        self._count += count

    def add_occluders(self, spheres: np.ndarray) -> None:
        """Spheres (K, 4), centre and radius in metres, that keep the surround's light off."""
        self._spheres.append(np.asarray(spheres, dtype=np.float32))

    def picture(
        self,
        intrinsics: np.ndarray,
        width: int,
        height: int,
        light: Light,
        paint: SkinPaint,
        center: np.ndarray,
        gloss_exponent: float,
        seed: np.ndarray,
    ) -> Picture:
        """
        Render everything.

        :param intrinsics: (3, 3), pixel centres at integers.
        :param center: (3,) middle of what casts shadows.
        :param seed: (2,) float32 offset into the noise.
        """
        color = np.zeros((height, width, 3), dtype=np.float32)
        cover = np.zeros((height, width, 3), dtype=np.float32)
        depth = np.zeros((SAMPLES * height, SAMPLES * width), dtype=np.float32)
        ids = np.full(depth.shape, NO_FACE, dtype=np.int32)
        if not self._vertices:
            return Picture(color, cover, ids, np.array([-1], dtype=np.int16))
        vertices, faces = np.concatenate(self._vertices), np.concatenate(self._faces)
        surface = np.concatenate(self._surfaces)
        points = project(vertices, intrinsics)
        rasterize(points, faces, depth, ids)
        seen = seen_vertices(ids, faces, len(vertices))
        lit = self._lit(vertices, faces, surface, seen, light, center, gloss_exponent)
        attributes = vertex_attributes(surface, lit, seen, seed, noise_block())
        table, polishes = self._material_table()
        close = float(np.linalg.norm(center)) / float(intrinsics[0, 0]) < _SMALL_PIXEL
        resolve(
            points, faces, ids, depth, attributes, np.concatenate(self._face_material),
            np.concatenate(self._face_class), table, polishes, noise_block(), paint.block,
            paint.bricks, paint.origin, seed, close, _ABSORPTION, color, cover,
        )  # fmt: skip
        return Picture(color, cover, ids, self._face_owners())

    def _face_owners(self) -> np.ndarray:
        parts = [
            np.where(kinds == columns.HAND, owner, -1).astype(np.int16)
            for kinds, owner in zip(self._face_class, self._owners, strict=True)
        ]
        return np.concatenate([*parts, np.array([-1], dtype=np.int16)])

    def _lit(
        self,
        vertices: np.ndarray,
        faces: np.ndarray,
        surface: np.ndarray,
        seen: np.ndarray,
        light: Light,
        center: np.ndarray,
        exponent: float,
    ) -> np.ndarray:
        """Light at each vertex that is seen, see :func:`shade_vertices`."""
        normals = vertex_normals(vertices, faces)
        if light.key_color[1] > 1e-3:
            shadow = shadow_map(vertices, faces, center, light.key_direction)
        else:
            shadow = np.zeros((1, 1), dtype=np.float32), vertices
        spheres = (
            np.concatenate(self._spheres) if self._spheres else np.zeros((0, 4), dtype=np.float32)
        )
        lit = np.zeros((len(vertices), 5), dtype=np.float32)
        shade_vertices(
            vertices, normals, seen, surface[:, columns.SURFACE_SOFTNESS],
            surface[:, columns.SURFACE_GLOSS], spheres, light.ambient, light.key_direction,
            light.key_color, shadow[0], shadow[1], light.softness, exponent, lit,
        )  # fmt: skip
        return lit

    def _material_table(self) -> tuple[np.ndarray, np.ndarray]:
        rows = [
            (
                m.kind,
                *m.color,
                *m.other,
                m.pattern,
                m.scale,
                m.rough,
                m.creases,
                m.lines,
                m.mottling,
            )
            for m in self._materials
        ]
        polishes = [(-1.0, 0.0, 0.0) if m.polish is None else m.polish for m in self._materials]
        return np.array(rows, dtype=np.float32), np.array(polishes, dtype=np.float32)
