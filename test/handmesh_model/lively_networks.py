"""Networks without training whose outputs differ from crop to crop all the same."""

from __future__ import annotations

import torch
from torch import nn

from handmesh_model.network import HandMeshNet
from handmesh_model.network.side_head import SideHead

PLANE_FACTOR, DEPTH_FACTOR, OFFSET_FACTOR = 1000, 300, 30
"""Of the last weights of x and y heatmaps, z heatmaps and the refine stage's offsets."""


def enliven(net: HandMeshNet) -> HandMeshNet:
    """
    Fit the normalisations to the weights, and scale up what fresh networks begin near zero.

    With flat heatmaps and no offsets every crop has the same mesh, and whatever computes it wrong
    seems right. Afterwards coordinates differ by about half a lixel between crops of noise, and
    logits of presence and side have mean 0 and deviation 1.

    :param net: fresh; changed in place.
    :returns: the same network, in evaluation mode.
    """
    size = net.config.input_size
    noise = torch.rand(8, 8, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        net.train()
        for crops in noise:
            net(crops)
        net.eval()
        for stage in (net.joint_stage, net.mesh_stage):
            if stage is not None:
                stage.heatmaps.x.weight.mul_(PLANE_FACTOR)
                stage.heatmaps.y.weight.mul_(PLANE_FACTOR)
                stage.heatmaps.z.weight.mul_(DEPTH_FACTOR)
        if net.refine_stage is not None:
            net.refine_stage.tail.nn[2].weight.mul_(OFFSET_FACTOR)
        outputs = net(noise.flatten(0, 1))
        side = net.side.out if isinstance(net.side, SideHead) else net.side
        for head, logits in ((net.presence, outputs.presence), (side, outputs.side)):
            if head is not None:
                _standardise(head, logits)
    return net


def _standardise(head: nn.Linear, logits: torch.Tensor) -> None:
    deviation, mean = torch.std_mean(logits)
    head.weight.div_(deviation)
    head.bias.sub_(mean).div_(deviation)
