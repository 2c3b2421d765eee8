import pytest
import torch

from handmesh_model.network.graph import (
    GINConv,
    GraphResidualBlock,
    VertexNorm,
    neighbour_table,
    sum_neighbours,
)

# Two triangles that share an edge, a third that repeats it, and vertex 5 on its own.
FACES = torch.tensor([[0, 1, 2], [2, 1, 3], [1, 2, 4]])
COUNT = 6
NEIGHBOURS = [{1, 2}, {0, 2, 3, 4}, {0, 1, 3, 4}, {1, 2}, {1, 2}, set()]


@pytest.fixture
def table():
    return neighbour_table(FACES, COUNT)


@pytest.fixture
def adjacency():
    matrix = torch.zeros(COUNT, COUNT)
    for vertex, others in enumerate(NEIGHBOURS):
        matrix[vertex, list(others)] = 1
    return matrix


def test_each_neighbour_is_listed_once(table):
    assert table.shape == (COUNT, 4)
    for row, expected in zip(table.tolist(), NEIGHBOURS, strict=True):
        listed = [vertex for vertex in row if vertex != COUNT]
        assert len(listed) == len(set(listed))
        assert set(listed) == expected


def test_a_face_that_repeats_a_vertex_makes_no_neighbour_of_itself():
    table = neighbour_table(torch.tensor([[0, 0, 1]]), 2)
    assert table.tolist() == [[1], [0]]


def table_of_adjacency(faces, count):
    """The same table by the matrix of all pairs, row by row."""
    adjacency = torch.zeros(count, count, dtype=torch.bool)
    for first, second in ((0, 1), (1, 2), (2, 0)):
        adjacency[faces[:, first], faces[:, second]] = True
        adjacency[faces[:, second], faces[:, first]] = True
    adjacency.fill_diagonal_(False)
    rows = [row.nonzero()[:, 0].tolist() for row in adjacency]
    longest = max(1, *map(len, rows))
    return torch.tensor([row + [count] * (longest - len(row)) for row in rows])


@pytest.mark.parametrize('dtype', [torch.int32, torch.int64])
@pytest.mark.parametrize(
    ('count', 'face_count'), [(1, 1), (5, 3), (9, 20), (50, 100), (700, 1500)]
)
def test_the_table_is_that_of_the_adjacency_matrix(count, face_count, dtype):
    generator = torch.Generator().manual_seed(count)
    faces = torch.randint(count, (face_count, 3), generator=generator, dtype=dtype)
    for alone in (0, 2):
        found = neighbour_table(faces, count + alone)
        assert found.dtype == torch.int64
        assert found.equal(table_of_adjacency(faces.long(), count + alone))


def test_a_mesh_of_many_vertices_needs_no_matrix_of_all_pairs():
    start = torch.arange(1_000_000)
    table = neighbour_table(torch.stack([start, start + 1, start + 2], dim=1), 1_000_002)
    assert table[500_000].tolist() == [499_998, 499_999, 500_001, 500_002]


def test_the_sum_is_that_of_the_adjacency_matrix(table, adjacency):
    features = torch.randn(COUNT, 2, 5)
    expected = torch.einsum('vw,wbc->vbc', adjacency, features)
    assert sum_neighbours(features, table).allclose(expected, atol=1e-6)


def test_the_gradient_of_the_sum_is_exact(table):
    features = torch.randn(COUNT, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: sum_neighbours(x, table), features)


def test_the_exported_sum_is_the_same(table):
    class Sum(torch.nn.Module):
        def forward(self, features):
            return sum_neighbours(features, table)

    exported = torch.export.export(Sum(), (torch.randn(COUNT, 2, 5),))
    assert 'embedding_bag' not in str(exported.graph)
    other = torch.randn(COUNT, 2, 5)
    assert exported.module()(other).allclose(sum_neighbours(other, table), atol=1e-6)


@pytest.mark.parametrize('shared_channels', [0, 3])
def test_gin_is_its_equation(table, adjacency, shared_channels):
    conv = GINConv(7, 6, 4)
    conv.eps.fill_(0.3)
    features = torch.randn(COUNT, 2, 7 - shared_channels)
    shared = torch.randn(2, shared_channels) if shared_channels else None
    whole = features
    if shared is not None:
        whole = torch.cat([features, shared.expand(COUNT, -1, -1)], dim=2)
    summed = (1 + conv.eps) * whole + torch.einsum('vw,wbc->vbc', adjacency, whole)
    assert conv(features, table, shared).allclose(conv.nn(summed), atol=1e-5)


def test_the_residual_block_adds_its_input_after_the_last_relu(table):
    block = GraphResidualBlock(4).eval()
    features = torch.randn(COUNT, 2, 4)
    inner = torch.relu(block.bn1(block.conv1(features, table)))
    inner = torch.relu(block.bn2(block.conv2(inner, table)))
    assert block(features, table).equal(features + inner)


def test_vertex_norm_is_over_vertices_and_images():
    normed = VertexNorm(3)(torch.randn(50, 4, 3) * 5 + 2)
    assert normed.mean(dim=(0, 1)).allclose(torch.zeros(3), atol=1e-5)
    assert normed.var(dim=(0, 1), unbiased=False).allclose(torch.ones(3), atol=1e-3)
