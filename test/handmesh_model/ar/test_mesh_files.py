"""Meshes out of files: read right, and refused with a reason."""

import json
import struct

import numpy as np
import pytest
import trimesh

from handmesh_model.ar import mesh_files
from handmesh_model.ar.mesh_files import load_mesh
from handmesh_model.errors import MeshFileError

TRIANGLE = 'v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n'


@pytest.mark.parametrize('kind', ['obj', 'stl', 'glb'])
def test_reads_what_trimesh_writes(tmp_path, kind):
    path = tmp_path / f'box.{kind}'
    trimesh.creation.box((1.0, 2.0, 3.0)).export(path)
    mesh = load_mesh(path, scale=0.01)
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [0.01, 0.02, 0.03], rtol=1e-5)
    assert len(mesh.faces) == 12
    np.testing.assert_allclose(np.abs(mesh.normals).max(axis=1), 1, atol=1e-5)


def test_scene_of_moved_parts_is_gathered(tmp_path):
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.creation.box((1, 1, 1)))
    scene.add_geometry(
        trimesh.creation.box((1, 1, 1)),
        transform=trimesh.transformations.translation_matrix([4, 0, 0]),
    )
    scene.export(tmp_path / 'two.glb')
    mesh = load_mesh(tmp_path / 'two.glb')
    assert len(mesh.faces) == 24
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [5, 1, 1], rtol=1e-5)


def test_vertex_colours_are_kept(tmp_path):
    box = trimesh.creation.box((1, 1, 1))
    box.visual.vertex_colors = np.tile([255, 0, 51, 255], (8, 1)).astype(np.uint8)
    box.export(tmp_path / 'red.glb')
    mesh = load_mesh(tmp_path / 'red.glb')
    np.testing.assert_allclose(
        mesh.colors, np.tile([1, 0, 0.2], (len(mesh.vertices), 1)), atol=0.01
    )


def test_no_other_file_is_read(tmp_path, monkeypatch):
    secret = tmp_path / 'secret.mtl'
    secret.write_text('newmtl a\nmap_Kd secret.png\n')
    path = tmp_path / 'a.obj'
    path.write_text(f'mtllib secret.mtl\nusemtl a\n{TRIANGLE}')
    opened = []
    real = mesh_files.Path.open
    monkeypatch.setattr(
        mesh_files.Path,
        'open',
        lambda self, *a, **k: opened.append(self.name) or real(self, *a, **k),
    )
    assert len(load_mesh(path).faces) == 1
    assert opened == ['a.obj']


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def glb(facts, binary=b''):
    text = json.dumps(facts).encode()
    text += b' ' * (-len(text) % 4)
    chunks = struct.pack('<II', len(text), 0x4E4F534A) + text
    chunks += struct.pack('<II', len(binary), 0x004E4942) + binary
    return struct.pack('<4sII', b'glTF', 2, 12 + len(chunks)) + chunks


BAD = {
    'other.ply': ('ply\n', "ends in '.ply'"),
    'empty.obj': ('', 'is empty'),
    'words.obj': ('hello world\n', 'mesh'),
    'no_faces.obj': ('v 0 0 0\nv 1 0 0\n', 'mesh'),
    'not_finite.obj': (TRIANGLE.replace('v 1 0 0', 'v nan 0 0'), 'not finite'),
    'far_index.obj': (TRIANGLE.replace('f 1 2 3', 'f 1 2 900'), 'mesh'),
    'cut.stl': (b'\0' * 80 + struct.pack('<I', 10**9) + b'\0' * 50, 'holds no triangles'),
    'words.glb': ('glTF', 'no binary glTF'),
    'magic.glb': (glb({}).replace(b'glTF', b'gltf', 1), 'no binary glTF'),
    'nothing.glb': (glb({'asset': {'version': '2.0'}}), 'mesh'),
    'huge.glb': (glb({'accessors': [{'count': 10**12}]}), 'array of 1000000000000'),
    'outside.glb': (glb({'buffers': [{'uri': 'file:///etc/passwd'}]}), 'refers to another file'),
    'circle.glb': (glb({'nodes': [{'children': [1]}, {'children': [0]}]}), 'not a tree'),
    'shared.glb': (glb({'nodes': [{'children': [2]}, {'children': [2]}, {}]}), 'not a tree'),
    'crowd.glb': (glb({'nodes': [{}] * 1001}), 'has 1001 nodes, expected up to 1000'),
    'no_count.glb': (glb({'accessors': [{}]}), 'damaged'),
    'endless.glb': (glb({'accessors': [{'count': float('inf')}]}), 'damaged'),
    'no_place.glb': (
        glb({'accessors': [], 'meshes': [{'primitives': [{'attributes': {'POSITION': 3}}]}]}),
        'damaged',
    ),
    'far.obj': (TRIANGLE.replace('v 1 0 0', 'v 1e39 0 0'), 'reaches 1e.39 m'),
    'views.glb': (
        glb({'bufferViews': [{'buffer': 0, 'byteLength': 1 << 20}] * 40}),
        'bytes of buffer views',
    ),
    'arrays.glb': (glb({'accessors': [{'count': 250_000}] * 10}), '2500000 entries of arrays'),
}


@pytest.mark.parametrize('name', BAD)
def test_bad_files_are_named_and_refused(tmp_path, name):
    content, reason = BAD[name]
    path = write(tmp_path / name, content)
    with pytest.raises(MeshFileError, match=reason) as caught:
        load_mesh(path)
    assert str(path) in str(caught.value)


def shared(primitives, nodes=1, **part):
    """A .glb whose primitives all use the same 9,000 vertices, shown by so many nodes."""
    part = {'attributes': {'POSITION': 0, 'NORMAL': 0}, 'indices': 1, **part}
    return glb(
        {
            'asset': {'version': '2.0'},
            'accessors': [
                {'bufferView': 0, 'componentType': 5126, 'count': 9_000, 'type': 'VEC3'},
                {'bufferView': 1, 'componentType': 5125, 'count': 9_000, 'type': 'SCALAR'},
            ],
            'bufferViews': [
                {'buffer': 0, 'byteLength': 108_000},
                {'buffer': 0, 'byteOffset': 108_000, 'byteLength': 36_000},
            ],
            'buffers': [{'byteLength': 144_000}],
            'meshes': [{'primitives': [part] * primitives}],
            'nodes': [{'mesh': 0}] * nodes,
            'scenes': [{'nodes': list(range(nodes))}],
        },
        bytes(108_000) + np.arange(9_000, dtype='<u4').tobytes(),
    )


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (shared(40), 'has 360000 vertices'),
        (shared(1, nodes=40), 'has 360000 vertices'),
        (shared(20, 3), 'has 540000 vertices'),
        (shared(20, attributes={'POSITION': 0} | {f'_{n}': 0 for n in range(20)}),
         'has 3780000 entries of attributes'),
        (shared(1001), 'has 1001 primitives'),
    ],
)  # fmt: skip
def test_what_is_used_many_times_is_refused_before_it_is_read(
    tmp_path, monkeypatch, content, reason
):
    monkeypatch.setattr(mesh_files.trimesh, 'load', lambda *_, **__: pytest.fail('it is read'))
    with pytest.raises(MeshFileError, match=reason):
        load_mesh(write(tmp_path / 'shared.glb', content))


def test_vertices_may_be_shared_within_bounds(tmp_path):
    assert len(load_mesh(write(tmp_path / 'two.glb', shared(2, 2))).faces) == 12_000


def test_scales_that_lead_too_far_are_refused(tmp_path):
    path = write(tmp_path / 'a.obj', TRIANGLE)
    assert load_mesh(path, 1e4).vertices.max() == 1e4
    with pytest.raises(MeshFileError, match=r'with a scale of 20000 reaches 20000 m'):
        load_mesh(path, 2e4)


def test_missing_and_large_files_are_refused(tmp_path, monkeypatch):
    with pytest.raises(MeshFileError, match='does not exist'):
        load_mesh(tmp_path / 'none.obj')
    monkeypatch.setattr(mesh_files, 'MAX_BYTES', 10)
    with pytest.raises(MeshFileError, match='larger than'):
        load_mesh(write(tmp_path / 'long.obj', TRIANGLE))


def fan(count):
    """A disc of triangles around one vertex, as an .obj."""
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
    rim = [f'v {x:.6f} {y:.6f} 0' for x, y in zip(np.cos(turns), np.sin(turns), strict=True)]
    faces = [f'f 1 {2 + i} {2 + (i + 1) % count}' for i in range(count)]
    return '\n'.join(['v 0 0 0', *rim, *faces])


def test_discs_are_read_and_fans_that_would_take_too_long_are_refused(tmp_path):
    disc = load_mesh(write(tmp_path / 'disc.obj', fan(500)))
    np.testing.assert_allclose(disc.normals, np.tile([0, 0, 1], (501, 1)), atol=1e-6)
    with pytest.raises(MeshFileError, match=r'vertex 0 is in 4000 faces'):
        load_mesh(write(tmp_path / 'fan.obj', fan(4000)))


def test_too_many_faces_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mesh_files, 'MAX_FACES', 10)
    trimesh.creation.box((1, 1, 1)).export(tmp_path / 'box.obj')
    with pytest.raises(MeshFileError, match='12 triangles'):
        load_mesh(tmp_path / 'box.obj')
