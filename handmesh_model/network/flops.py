"""How much a network computes."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from handmesh_model.network.hand_mesh_net import HandMeshNet


@torch.no_grad()
def count_flops(net: HandMeshNet, heads: bool = False) -> dict[str, int]:
    """
    Count the floating point operations of one crop, by running it.

    Convolutions and matrix products are counted, a multiplication and an addition as two; the rest
    is under one percent.

    :param net: the network, on any device.
    :param heads: whether to count what ``heads=True`` adds.
    :returns: operations by stage ('joint_stage', 'mesh_stage', 'refine_stage') and their 'total'.
    """
    size = net.config.input_size
    was_training = net.training
    counter = FlopCounterMode(display=False)
    try:
        net.eval()
        with counter:
            net(torch.zeros(1, 3, size, size, device=net.neighbours.device), heads=heads)
    finally:
        net.train(was_training)
    by_module = {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    stages = {
        stage: by_module[f'{type(net).__name__}.{stage}']
        for stage in ('joint_stage', 'mesh_stage', 'refine_stage')
        if f'{type(net).__name__}.{stage}' in by_module
    }
    return {**stages, 'total': counter.get_total_flops()}
