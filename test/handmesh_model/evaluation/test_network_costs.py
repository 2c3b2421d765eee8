from dataclasses import replace

from handmesh_model.benchmark.timing import Effort
from handmesh_model.evaluation.network_costs import measure_costs, table, variants


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


def test_all_variants_can_be_configured(tiny_config):
    compact = tiny_config()
    found = variants(compact)
    assert found['compact'] is compact
    assert len(set(map(str, found.values()))) == len(found)
