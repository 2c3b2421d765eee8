import torch

from handmesh_model.network import HandMeshNet
from handmesh_model.network.flops import count_flops


def test_a_convolution_counts_two_for_each_product(tiny_config, topology):
    net = HandMeshNet(tiny_config(), topology)
    before = count_flops(net)
    # Twice the depth channels: one more linear layer's and one more 1D convolution's worth.
    wider = count_flops(HandMeshNet(tiny_config(depth_channels=8), topology))
    bins, pooled, added = 16, 64, 4
    expected = 2 * (pooled * added * bins + added * bins * topology.vertex_count)
    assert wider['mesh_stage'] - before['mesh_stage'] == expected


def test_stages_sum_to_the_total_and_heads_cost_more(tiny_config, topology):
    net = HandMeshNet(tiny_config(), topology).train()
    bare, full = count_flops(net), count_flops(net, heads=True)
    stages = bare['joint_stage'] + bare['mesh_stage'] + bare['refine_stage']
    # What is left is the joint regressor.
    assert bare['total'] - stages == 2 * topology.vertex_count * 21 * 3
    assert full['joint_stage'] > bare['joint_stage']
    assert net.training


def test_a_stage_that_is_not_there_is_not_listed(tiny_config, topology):
    counts = count_flops(HandMeshNet(tiny_config(refine_stage=False), topology))
    assert set(counts) == {'joint_stage', 'mesh_stage', 'total'}


def test_the_buffers_of_the_statistics_are_left_alone(tiny_config, topology):
    net = HandMeshNet(tiny_config(), topology).train()
    before = net.joint_stage.stem.bn1.running_mean.clone()
    count_flops(net)
    assert torch.equal(before, net.joint_stage.stem.bn1.running_mean)
