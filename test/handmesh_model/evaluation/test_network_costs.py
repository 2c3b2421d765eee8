from dataclasses import replace

import pytest
import torch

from handmesh_model.benchmark.timing import Effort
from handmesh_model.evaluation.network_costs import measure_costs, table, variants
from handmesh_model.network import HandMeshNet
from handmesh_model.topology import HandTopology


def test_wider_networks_cost_more_and_every_one_is_in_the_table(tiny_config):
    tiny = tiny_config()
    configs = {
        'tiny': tiny,
        'wide': replace(tiny, decoder_channels=(32, 32, 32)),
        'deep': replace(tiny, depth_channels=64),
    }
    effort = Effort(seconds=0, least=2, warmup=1)
    costs = measure_costs(configs, effort, 'eager')
    assert costs['wide'].flops['total'] > costs['tiny'].flops['total']
    assert costs['deep'].weights > costs['tiny'].weights
    assert all(len(cost.timing.wall) == 2 for cost in costs.values())
    lines = table(costs).splitlines()
    assert len(lines) == 2 + len(configs)
    assert {line.count('|') for line in lines} == {7}


@pytest.mark.parametrize(
    'heads', [{}, {'confidence': True}, {'side': True, 'side_hidden': 6}], ids=str
)
@torch.no_grad()
def test_weights_are_those_that_inference_reads(tiny_config, heads):
    config = tiny_config(**heads)
    net = HandMeshNet(config, HandTopology.open_hand()).eval()
    parts = {}
    for name, parameter in net.named_parameters():
        parts.setdefault('.'.join(name.split('.')[:3]), []).append(parameter)
    crops = torch.rand(1, 3, 64, 64)

    def is_read(part):
        before = [parameter.clone() for parameter in part]
        for parameter in part:
            parameter.fill_(torch.nan)
        outputs = [values for values in net(crops) if isinstance(values, torch.Tensor)]
        for parameter, values in zip(part, before, strict=True):
            parameter.copy_(values)
        return any(values.isnan().any() for values in outputs)

    read = sum(p.numel() for part in parts.values() if is_read(part) for p in part)
    assert measure_costs({'net': config}, None)['net'].weights == read


def test_all_variants_can_be_configured(tiny_config):
    compact = tiny_config()
    found = variants(compact)
    assert found['compact'] is compact
    assert len(set(map(str, found.values()))) == len(found)
