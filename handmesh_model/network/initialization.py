"""First weights for training from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import nn

from handmesh_model.network.backbone import BasicBlock, Bottleneck, DecoderSkips
from handmesh_model.network.side_head import SideHead
from handmesh_model.network.soft_argmax import LixelHead

if TYPE_CHECKING:
    from handmesh_model.network.hand_mesh_net import HandMeshNet

HEAD_STD = 0.01
TAIL_STD = 1e-3


def initialize(net: HandMeshNet) -> None:
    """
    Draw the weights of a fresh network from torch's global generator.

    Residual blocks start as identities, skips with nothing to add, heatmaps nearly flat, so that
    every point starts at the crop's centre, and the refine stage with an offset near zero.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            # torch takes the weights of a transposed convolution for (out, in, ...): they are
            # (in, out, ...), so that its fan_in is the fan_out that is meant.
            if isinstance(module, nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_in', nonlinearity='relu')
            else:
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in net.modules():
        if isinstance(module, BasicBlock | Bottleneck):
            nn.init.zeros_(module.last_norm.weight)
        elif isinstance(module, DecoderSkips):
            for weight in module.parameters():
                nn.init.zeros_(weight)
        elif isinstance(module, LixelHead):
            for conv in (module.x, module.y, module.z):
                _small(conv, HEAD_STD)
    for head in (net.presence, net.side.out if isinstance(net.side, SideHead) else net.side):
        if head is not None:
            _small(head, HEAD_STD)
    if net.refine_stage is not None:
        last = cast(nn.Linear, net.refine_stage.tail.nn[2])
        _small(last, TAIL_STD)
        if not net.config.offset:
            nn.init.constant_(last.bias, net.config.heatmap_size / 2)


def _small(layer: nn.Linear | nn.Conv1d, std: float) -> None:
    nn.init.normal_(layer.weight, std=std)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
