"""What networks of several widths cost: weights, operations, milliseconds. No training needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from handmesh_model.backends import create_backend
from handmesh_model.benchmark.timing import Effort, Timing, take_turns
from handmesh_model.checkpoints import blank_network
from handmesh_model.network import HandMeshNet, NetworkConfig
from handmesh_model.network.flops import count_flops
from handmesh_model.network.side_head import SideHead
from handmesh_model.topology import HandTopology

PAPER = NetworkConfig()
NARROW_DECODERS: dict[str, Any] = {
    'decoder_channels': (128, 64, 64),
    'mesh_decoder_channels': (128, 96, 64),
}
SMALL_DEPTH_HEAD: dict[str, Any] = {'depth_channels': 64}


def variants(compact: NetworkConfig) -> dict[str, NetworkConfig]:
    """
    The networks that are compared, from the paper's down to the compact one.

    :param compact: the configuration of the open network.
    """
    narrow = replace(PAPER, **NARROW_DECODERS, **SMALL_DEPTH_HEAD)
    return {
        'paper': PAPER,
        'paper, narrow decoders': replace(PAPER, **NARROW_DECODERS),
        'paper, small depth head': replace(PAPER, **SMALL_DEPTH_HEAD),
        'paper, both': narrow,
        'both, ResNet-18': replace(narrow, depth=18, mesh_depth=18),
        'both, ResNet-18 of half width': replace(
            narrow, depth=18, mesh_depth=18, width=32, mesh_width=32
        ),
        'compact': compact,
        'compact, wide decoders': replace(
            compact,
            decoder_channels=PAPER.decoder_channels,
            mesh_decoder_channels=PAPER.mesh_decoder_channels,
        ),
        'compact, large depth head': replace(compact, depth_channels=PAPER.depth_channels),
    }


@dataclass(frozen=True)
class Cost:
    """
    What one crop costs.

    :param weights: numbers that inference needs; what only training needs is left out.
    :param flops: floating point operations, by stage and in total.
    :param timing: of the timed backend; None if it was not timed.
    """

    weights: int
    flops: dict[str, int]
    timing: Timing | None = None


def measure_costs(
    configs: Mapping[str, NetworkConfig], effort: Effort | None, backend: str = 'auto'
) -> dict[str, Cost]:
    """
    Count, and time the networks in turns with random weights: speed does not depend on them.

    :param effort: how long to measure; None counts only.
    :param backend: that runs them on the CPU.
    """
    topology = HandTopology.open_hand()
    costs: dict[str, Cost] = {}
    work = {}
    for name, config in configs.items():
        # Without storage nothing is computed, and the paper's network counts as fast as any.
        costs[name] = _counted(blank_network(config, topology).to('meta').eval())
        if effort is not None:
            net = HandMeshNet(config, topology).eval()
            size = config.input_size
            crop = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
            work[name] = partial(create_backend(backend, net, torch.device('cpu')).run, crop)
    if effort is None:
        return costs
    timings = take_turns(work, effort)
    return {name: replace(cost, timing=timings[name]) for name, cost in costs.items()}


def _counted(net: HandMeshNet) -> Cost:
    skipped: tuple[str, ...] = ('joint_stage.segmentation.', 'joint_stage.maps.')
    # The side head reads all of the joints' heatmaps, their confidence those of x and y.
    if not isinstance(net.side, SideHead):
        skipped += ('joint_stage.heatmaps.lift.', 'joint_stage.heatmaps.z.')
        if not net.config.confidence:
            skipped += ('joint_stage.heatmaps.x.', 'joint_stage.heatmaps.y.')
    weights = sum(p.numel() for n, p in net.named_parameters() if not n.startswith(skipped))
    return Cost(weights, count_flops(net))


def table(costs: Mapping[str, Cost]) -> str:
    """The costs as a table in Markdown."""
    lines = [
        '| network | weights | GFLOP | joint, mesh, refine stage | ms, median | CPU ms |',
        '|---|---|---|---|---|---|',
    ]
    for name, cost in costs.items():
        stages = ', '.join(
            f'{cost.flops[stage] / 1e9:.2f}'
            for stage in ('joint_stage', 'mesh_stage', 'refine_stage')
            if stage in cost.flops
        )
        times = ['', '']
        if cost.timing is not None:
            times = [f'{np.median(t):.1f}' for t in (cost.timing.wall, cost.timing.cpu)]
        lines.append(
            f'| {name} | {cost.weights / 1e6:.1f} M | {cost.flops["total"] / 1e9:.2f} | {stages} '
            f'| {times[0]} | {times[1]} |'
        )
    return '\n'.join(lines) + '\n'
