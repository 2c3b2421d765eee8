"""The z-buffer against a per-pixel reference, and its limits."""

import numpy as np
import pytest
import torch

from handmesh_model import zbuffer
from handmesh_model.zbuffer import visible_faces, within_runs

HEIGHT, WIDTH = 12, 17


def random_mesh(seed, batch_size=2, face_count=30):
    generator = torch.Generator().manual_seed(seed)
    vertices = torch.rand(batch_size, 3 * face_count, 3, generator=generator) * 24 - 3
    return vertices, torch.arange(3 * face_count).view(-1, 3)


def reference(vertices, faces):
    """Nearest face a pixel by solving for barycentric weights, face by face."""
    found = np.full((len(vertices), HEIGHT, WIDTH), -1)
    for sample, points in enumerate(vertices.double().numpy()):
        depth = np.full((HEIGHT, WIDTH), np.inf)
        for number, face in enumerate(faces.numpy()):
            corners = points[face]
            system = np.vstack([corners[:, :2].T, np.ones(3)])
            for y in range(HEIGHT):
                for x in range(WIDTH):
                    weights = np.linalg.solve(system, [x, y, 1])
                    z = weights @ corners[:, 2]
                    if (weights >= 0).all() and z < depth[y, x]:
                        depth[y, x], found[sample, y, x] = z, number
    return found


@pytest.mark.parametrize('seed', [0, 1])
def test_nearest_face_is_seen(seed):
    vertices, faces = random_mesh(seed, face_count=12)
    result = visible_faces(vertices, faces, HEIGHT, WIDTH)
    np.testing.assert_array_equal(result.numpy(), reference(vertices, faces))


def test_shared_edge_through_pixel_centres_leaves_no_gap():
    corners = torch.tensor([[[0.0, 0, 1], [8, 0, 1], [8, 8, 1], [0, 8, 1]]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    result = visible_faces(corners, faces, 9, 9)
    assert (result >= 0).all()


def test_work_in_parts_gives_the_same(monkeypatch):
    vertices, faces = random_mesh(3)
    whole = visible_faces(vertices, faces, HEIGHT, WIDTH)
    monkeypatch.setattr(zbuffer, 'MAX_CANDIDATES', 100)
    assert torch.equal(visible_faces(vertices, faces, HEIGHT, WIDTH), whole)


@pytest.mark.parametrize('value', [float('nan'), float('inf'), 1e30, -1e30])
def test_wild_vertices_are_survived(value):
    vertices, faces = random_mesh(4)
    vertices[0, ::5] = value
    result = visible_faces(vertices, faces, HEIGHT, WIDTH)
    assert ((result >= -1) & (result < len(faces))).all()
    untouched = visible_faces(vertices[1:], faces, HEIGHT, WIDTH)
    assert torch.equal(result[1:] >= 0, untouched >= 0)


def test_mesh_out_of_sight_or_without_area_shows_nothing():
    vertices, faces = random_mesh(5)
    assert (visible_faces(vertices + 100, faces, HEIGHT, WIDTH) == -1).all()
    assert (visible_faces(vertices * 0, faces, HEIGHT, WIDTH) == -1).all()


def test_within_runs_restarts_at_each_run():
    runs = within_runs(torch.tensor([2, 0, 3]))
    assert runs.tolist() == [0, 1, 0, 1, 2]
    assert within_runs(torch.tensor([], dtype=torch.int64)).tolist() == []
