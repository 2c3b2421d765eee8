import pytest
import torch

from handmesh_model.network.graph import neighbour_table
from handmesh_model.network.refine_stage import RefineStage, project_local_features


def test_features_are_sampled_where_the_vertices_are():
    # A ramp whose value is the pixel's column, on a map twice as fine as the lixels.
    ramp = torch.arange(32.0).expand(1, 1, 32, 32)
    vertices = torch.tensor([[[4.0, 9.0, 0.0], [10.3, 2.0, 5.0]]])
    (sampled,) = project_local_features(vertices, [ramp], heatmap_size=16)
    assert sampled.shape == (2, 1, 1)
    # Corners are not aligned: lixel l lies at pixel 2 l - 0.5.
    assert sampled.flatten().allclose(torch.tensor([7.5, 20.1]), atol=1e-4)


def test_rows_are_y():
    ramp = torch.arange(32.0)[:, None].expand(1, 1, 32, 32)
    (sampled,) = project_local_features(torch.tensor([[[4.0, 9.0, 0.0]]]), [ramp], 16)
    assert sampled.item() == 17.5


def test_outside_the_crop_there_are_zeros():
    far = torch.tensor([[[-5.0, 3.0, 0.0], [3.0, 40.0, 0.0]]])
    (sampled,) = project_local_features(far, [torch.ones(1, 2, 8, 8)], 16)
    assert sampled.equal(torch.zeros(2, 1, 2))


@pytest.fixture
def make_stage(tiny_config):
    return lambda **changes: RefineStage(tiny_config(**changes), [3], pooled_channels=5).eval()


def run(stage, vertices, image):
    table = neighbour_table(torch.tensor([[0, 1, 2], [1, 2, 3]]), 4)
    return stage(vertices, [image], torch.rand(len(vertices), 5), table)


def test_an_offset_is_added_to_the_rough_mesh(make_stage):
    stage = make_stage()
    torch.nn.init.zeros_(stage.tail.nn[2].weight)
    stage.tail.nn[2].bias.data = torch.tensor([1.0, -2.0, 3.0])
    vertices = torch.rand(2, 4, 3) * 16
    moved = run(stage, vertices, torch.rand(2, 3, 64, 64)) - vertices
    assert moved.allclose(torch.tensor([1.0, -2.0, 3.0]).expand(2, 4, 3), atol=1e-5)


def test_without_offset_the_mesh_itself_is_predicted(make_stage):
    stage = make_stage(offset=False)
    torch.nn.init.zeros_(stage.tail.nn[2].weight)
    stage.tail.nn[2].bias.data = torch.tensor([1.0, -2.0, 3.0])
    refined = run(stage, torch.rand(2, 4, 3) * 16, torch.rand(2, 3, 64, 64))
    assert refined.allclose(torch.tensor([1.0, -2.0, 3.0]).expand(2, 4, 3))


def test_the_offset_follows_the_image_under_the_vertex(make_stage):
    stage = make_stage()
    vertices = torch.rand(1, 4, 3) * 16
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    run(stage, vertices, image).sum().backward()
    assert (image.grad != 0).any()
