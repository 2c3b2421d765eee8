"""Sums over a mesh's graph, and the patches that one way cuts it into."""

import pytest
import torch

from handmesh_model.backends.graph_sums import PATCH_VERTICES, SUMS, mesh_patches
from handmesh_model.network.graph import neighbour_table, sum_neighbours
from handmesh_model.topology import HandTopology

# A strip of triangles, one triangle apart from it, and a vertex without any.
STRIP = [[i, i + 1, i + 2] for i in range(98)] + [[100, 101, 102]]
STRIP_VERTICES = 104


@pytest.mark.parametrize('way', SUMS)
@pytest.mark.parametrize('batch', [1, 3])
def test_every_way_sums_a_vertex_and_its_neighbours(way, batch):
    table = neighbour_table(torch.tensor(STRIP), STRIP_VERTICES)
    features = torch.randn(STRIP_VERTICES, batch, 5)
    expected = 1.25 * features + sum_neighbours(features, table)
    torch.testing.assert_close(SUMS[way](table, 0.25)(features), expected)


def hand():
    topology = HandTopology.open_hand()
    table = neighbour_table(torch.from_numpy(topology.faces.copy()), topology.vertex_count)
    return [{v for v in row if v < len(table)} for row in table.tolist()]


def test_patches_hold_every_vertex_once_and_have_short_borders():
    around = hand()
    patches = mesh_patches(around, -(-len(around) // PATCH_VERTICES))
    assert sorted(v for patch in patches for v in patch) == list(range(len(around)))
    assert max(map(len, patches)) <= PATCH_VERTICES + 1
    seen = [set(patch).union(*(around[v] for v in patch)) for patch in patches]
    # Rings across all five fingers would see six times as many.
    assert max(map(len, seen)) < 3 * PATCH_VERTICES


def test_one_patch_is_the_whole_mesh():
    around = hand()
    assert sorted(mesh_patches(around, 1)[0]) == list(range(len(around)))
