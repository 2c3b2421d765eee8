"""Things that a user hangs into the picture: a YAML file of objects and where they belong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handmesh_model.ar import meshes
from handmesh_model.ar.mesh_files import load_mesh
from handmesh_model.ar.meshes import Mesh
from handmesh_model.ar.tables import LONGEST_PATH, Table, Vector
from handmesh_model.errors import ConfigError
from handmesh_model.yaml_files import read_yaml

MAX_OBJECTS = 64
_PRIMITIVES: dict[str, tuple[Callable[..., Mesh], int]] = {
    'box': (meshes.box, 3),
    'sphere': (meshes.sphere, 1),
    'cylinder': (meshes.cylinder, 2),
    'capsule': (meshes.capsule, 2),
    'ring': (meshes.ring, 2),
}
"""What makes each shape, and of how many sizes."""
SHAPES = (*_PRIMITIVES, 'mesh')


@dataclass(frozen=True, eq=False)
class Ornament:
    """
    One object of a layout.

    :param frame: a TF frame, '' for the image's own, or one of
        :data:`handmesh_model.ar.tables.HAND_FRAMES`.
    :param frame_from_object: (4, 4) rigid, metres.
    """

    name: str
    mesh: Mesh
    frame: str
    frame_from_object: np.ndarray
    color: Vector = (0.8, 0.8, 0.8)
    opacity: float = 1.0


def load_layout(path: str | Path) -> list[Ornament]:
    """
    Read a layout.

    The file holds ``objects``, a list of: ``name``, ``shape`` (box, sphere, cylinder, capsule,
    ring or mesh), ``size`` (metres: three sides; radius; radius and length, twice; radius and
    thickness) or for a mesh ``file`` (beside the layout, or absolute) and ``scale``; ``frame``,
    ``position``, ``rpy_degrees``, ``color``, ``opacity``.

    :raises ConfigError: if it cannot be read or a value in it is wrong.
    :raises MeshFileError: if a mesh in it cannot be used.
    """
    path = Path(path).expanduser()
    return layout_from_facts(read_yaml(path, 'layout'), str(path), path.parent)


def layout_from_facts(facts: Any, source: str, folder: Path) -> list[Ornament]:
    """
    A layout out of what a YAML file holds.

    :param source: named in errors.
    :param folder: that mesh files are looked for in.
    """
    table = Table(facts, source)
    rows = table.rows('objects', MAX_OBJECTS)
    table.close()
    if not rows:
        raise ConfigError(f"{source} holds no 'objects'")
    return [_ornament(Table(row, f'{source}: objects[{i}]'), folder) for i, row in enumerate(rows)]


def _ornament(table: Table, folder: Path) -> Ornament:
    shape = table.choice('shape', SHAPES, 'box')
    mesh = _mesh_of_file(table, folder) if shape == 'mesh' else _primitive(table, shape)
    pose = np.eye(4)
    pose[:3, :3] = table.rotation('rpy_degrees', np.eye(3))
    pose[:3, 3] = table.vector('position', (0.0, 0.0, 0.0))
    ornament = Ornament(
        table.text('name', shape),
        mesh,
        table.frame(),
        pose,
        table.color('color', Ornament.color),
        table.number('opacity', 1.0, 0, 1),
    )
    table.close()
    return ornament


def _mesh_of_file(table: Table, folder: Path) -> Mesh:
    file = Path(table.text('file', '', LONGEST_PATH)).expanduser()
    scale = table.number('scale', 1.0, 1e-6, 1e6)
    return load_mesh(file if file.is_absolute() else folder / file, scale)


def _primitive(table: Table, shape: str) -> Mesh:
    make, count = _PRIMITIVES[shape]
    return make(*table.numbers('size', count, 0.0005, 10.0))
