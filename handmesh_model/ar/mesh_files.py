"""
Meshes of virtual objects out of files, which anybody may have made.

Nothing in a file runs, and no file makes another one be read: materials, textures and outside
buffers are left alone. What is too large to be drawn in time is refused before it takes memory.
"""

from __future__ import annotations

import io
import json
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from handmesh_model.ar.meshes import Mesh, make_mesh
from handmesh_model.errors import MeshFileError

SUFFIXES = ('.obj', '.stl', '.glb')
MAX_BYTES = 32 << 20
MAX_FACES = 100_000
MAX_VERTICES = 300_000
MAX_NEIGHBOURS = 10_000_000
"""Pairs of faces around the same vertex, which the normals take time for: a second or two."""
MAX_REACH = 1e4
"""Metres of a vertex off the origin, which numbers of 32 bits still tell from its neighbours."""
_MAX_NODES = 1_000
_MAX_ENTRIES = 8 * MAX_VERTICES
"""Of a .glb: entries of all arrays; places, normals, colours and more for each vertex."""
_GLB_MAGIC, _GLB_JSON = b'glTF', 0x4E4F534A


def load_mesh(path: str | Path, scale: float = 1.0) -> Mesh:
    """
    Read a mesh.

    :param path: .obj, .stl or .glb.
    :param scale: metres of one unit of the file.
    :raises MeshFileError: if it is missing, too large, of another kind, or damaged.
    """
    path = Path(path).expanduser()
    data = _read(path)
    kind = path.suffix.lower().lstrip('.')
    if kind == 'glb':
        _check_glb(data, path)
    try:
        loaded = trimesh.load(
            io.BytesIO(data),
            file_type=kind,
            resolver=None,
            process=False,
            skip_materials=True,
            split_object=False,
        )
        vertices, faces, colors = _gathered(loaded, path)
    except MeshFileError:
        raise
    except Exception as error:  # trimesh raises many kinds
        raise MeshFileError(f"mesh '{path}' is damaged: {error}") from error
    _check_arrays(vertices, faces, path)
    vertices = vertices * scale
    reach = float(np.abs(vertices).max())
    if not reach <= MAX_REACH:
        raise MeshFileError(
            f"mesh '{path}' with a scale of {scale:g} reaches {reach:g} m from its origin, "
            f'expected up to {MAX_REACH:g}'
        )
    return make_mesh(vertices, faces, colors)


def _read(path: Path) -> bytes:
    if path.suffix.lower() not in SUFFIXES:
        raise MeshFileError(
            f"mesh '{path}' ends in '{path.suffix}', expected one of {', '.join(SUFFIXES)}"
        )
    try:
        if not path.is_file():
            raise MeshFileError(f"mesh '{path}' does not exist or is no file")
        with path.open('rb') as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise MeshFileError(f"cannot read mesh '{path}': {error}") from error
    if len(data) > MAX_BYTES:
        raise MeshFileError(f"mesh '{path}' is larger than {MAX_BYTES >> 20} MiB")
    if not data:
        raise MeshFileError(f"mesh '{path}' is empty")
    return data


def _check_glb(data: bytes, path: Path) -> None:
    """
    Refuse what would grow on reading: long accessors, many nodes, nodes in circles, and what is
    small in the file for being used many times.
    """
    try:
        magic, _, _ = struct.unpack_from('<4sII', data, 0)
        length, kind = struct.unpack_from('<II', data, 12)
        facts = json.loads(data[20 : 20 + length])
    except (struct.error, ValueError, RecursionError) as error:
        raise MeshFileError(f"mesh '{path}' is no binary glTF: {error}") from error
    if magic != _GLB_MAGIC or kind != _GLB_JSON or not isinstance(facts, dict):
        raise MeshFileError(f"mesh '{path}' is no binary glTF, it begins with {data[:4]!r}")
    try:
        counts = [int(accessor['count']) for accessor in facts.get('accessors', ())]
        children = [list(node.get('children', ())) for node in facts.get('nodes', ())]
        outside = [buffer for buffer in facts.get('buffers', ()) if 'uri' in buffer]
        totals = _glb_totals(facts, counts)
    except (TypeError, LookupError, ValueError, AttributeError, OverflowError) as error:
        raise MeshFileError(f"mesh '{path}' is damaged: {error!r}") from error
    if outside:
        raise MeshFileError(f"mesh '{path}' refers to another file, expected all data inside")
    if any(count < 0 or count > 3 * MAX_FACES for count in counts):
        raise MeshFileError(
            f"mesh '{path}' has an array of {max(counts)} entries, expected up to {3 * MAX_FACES}"
        )
    if len(children) > _MAX_NODES:
        raise MeshFileError(
            f"mesh '{path}' has {len(children)} nodes, expected up to {_MAX_NODES}"
        )
    if not _is_forest(children):
        raise MeshFileError(f"mesh '{path}' has nodes that are not a tree")
    for what, count, most in totals:
        if count > most:
            raise MeshFileError(f"mesh '{path}' has {count} {what}, expected up to {most}")


def _glb_totals(facts: dict[str, Any], counts: list[int]) -> list[tuple[str, int, int]]:
    """
    What a .glb comes to once it is read, each primitive as often as nodes show it.

    :param counts: entries of each accessor.
    :returns: of each kind its name, how many there are, and how many may be.
    """
    shown = Counter(node.get('mesh') for node in facts.get('nodes', ()))
    parts = [
        (primitive, max(1, shown[number]))
        for number, mesh in enumerate(facts.get('meshes', ()))
        for primitive in mesh['primitives']
    ]
    attributes = [(part['attributes'], times) for part, times in parts]
    indices = [(counts[part['indices']], times) for part, times in parts if 'indices' in part]
    views = facts.get('bufferViews', ())
    return [
        ('primitives', sum(times for _, times in parts), _MAX_NODES),
        ('vertices', sum(times * counts[a['POSITION']] for a, times in attributes), MAX_VERTICES),
        ('corners of triangles', sum(times * count for count, times in indices), 3 * MAX_FACES),
        ('entries of attributes', sum(counts[i] for a, _ in attributes for i in a.values()),
         _MAX_ENTRIES),
        ('entries of arrays', sum(counts), _MAX_ENTRIES),
        ('bytes of buffer views', sum(abs(int(v['byteLength'])) for v in views), MAX_BYTES),
    ]  # fmt: skip


def _is_forest(children: list[list[Any]]) -> bool:
    parents: dict[int, int] = {}
    for node, below in enumerate(children):
        for child in below:
            if not isinstance(child, int) or not 0 <= child < len(children) or child in parents:
                return False
            parents[child] = node
    for node in range(len(children)):
        seen, at = 0, node
        while at in parents:
            at, seen = parents[at], seen + 1
            if seen > len(children):
                return False
    return True


def _gathered(loaded: Any, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Vertices, faces and, where all parts have them, colours of everything in a file."""
    if isinstance(loaded, trimesh.Scene):
        parts = [loaded.geometry[loaded.graph[n][1]] for n in loaded.graph.nodes_geometry]
        places = [loaded.graph[n][0] for n in loaded.graph.nodes_geometry]
    else:
        parts, places = [loaded], [np.eye(4)]
    pairs = [(p, m) for p, m in zip(parts, places, strict=True) if isinstance(p, trimesh.Trimesh)]
    face_count = sum(len(part.faces) for part, _ in pairs)
    vertex_count = sum(len(part.vertices) for part, _ in pairs)
    if not face_count:
        raise MeshFileError(f"mesh '{path}' holds no triangles")
    if face_count > MAX_FACES or vertex_count > MAX_VERTICES:
        raise MeshFileError(
            f"mesh '{path}' has {face_count} triangles and {vertex_count} vertices, expected up "
            f'to {MAX_FACES} and {MAX_VERTICES}'
        )
    vertices, faces, colors, count = [], [], [], 0
    for part, place in pairs:
        vertices.append(np.asarray(part.vertices) @ place[:3, :3].T + place[:3, 3])
        below_zero = np.linalg.det(place[:3, :3]) < 0
        wound = np.asarray(part.faces)[:, ::-1] if below_zero else np.asarray(part.faces)
        # Wrong numbers are told from those of the next part before they are moved.
        _check_arrays(vertices[-1], wound, path)
        faces.append(wound + count)
        count += len(vertices[-1])
        if part.visual.kind == 'vertex':
            colors.append(np.asarray(part.visual.vertex_colors)[:, :3] / 255)
    has_colors = len(colors) == len(pairs)
    return (
        np.concatenate(vertices),
        np.concatenate(faces),
        np.concatenate(colors) if has_colors else None,
    )


def _check_arrays(vertices: np.ndarray, faces: np.ndarray, path: Path) -> None:
    if not np.isfinite(vertices).all():
        raise MeshFileError(f"mesh '{path}' has vertices that are not finite")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise MeshFileError(
            f"mesh '{path}' names vertex {faces.max()} of {len(vertices)} in a face"
        )
    around = np.bincount(faces.ravel())
    if around @ around > MAX_NEIGHBOURS:
        raise MeshFileError(
            f"mesh '{path}' has {around @ around} pairs of faces around the same vertex, expected "
            f'up to {MAX_NEIGHBOURS}; vertex {around.argmax()} is in {around.max()} faces'
        )
