"""First weights for training from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from handmesh_model.network.backbone import BasicBlock, Bottleneck
from handmesh_model.network.soft_argmax import LixelHead

if TYPE_CHECKING:
    from handmesh_model.network.hand_mesh_net import HandMeshNet

HEAD_STD = 0.01
TAIL_STD = 1e-3


def initialize(net: HandMeshNet) -> None:
    """
    Draw the weights of a fresh network from torch's global generator.

    Residual blocks start as identities, heatmaps nearly flat, so that every point starts at the
    crop's centre, and the refine stage starts with an offset near zero.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            # Both layouts: fan_out counts the values that one input value reaches.
            mode = 'fan_in' if isinstance(module, nn.ConvTranspose2d) else 'fan_out'
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity='relu')
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in net.modules():
        if isinstance(module, BasicBlock | Bottleneck):
            nn.init.zeros_(module.last_norm.weight)
        elif isinstance(module, LixelHead):
            for conv in (module.x, module.y, module.z):
                _small(conv, HEAD_STD)
    for head in (net.presence, net.side):
        if head is not None:
            _small(head, HEAD_STD)
    if net.refine_stage is not None:
        _small(net.refine_stage.tail.nn[2], TAIL_STD)
        if not net.config.offset:
            nn.init.constant_(net.refine_stage.tail.nn[2].bias, net.config.heatmap_size / 2)


def _small(layer: nn.Module, std: float) -> None:
    nn.init.normal_(layer.weight, std=std)  # type: ignore[arg-type]
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
