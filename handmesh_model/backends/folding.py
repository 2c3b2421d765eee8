"""Rewriting a network for inference: the same function, fewer operations."""

from __future__ import annotations

from copy import deepcopy
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from handmesh_model.network import HandMeshNet
from handmesh_model.network.graph import GINConv
from handmesh_model.network.soft_argmax import LixelHead, LixelHeatmaps

GraphWay = Literal['bag', 'gather', 'dense']
"""
How neighbours are summed: 'bag' (one fused kernel over lists of neighbours), 'gather' (a padded
table, for runtimes without that kernel) or 'dense' (a product with the adjacency matrix, for
hardware with far more arithmetic than memory).
"""


def for_inference(net: HandMeshNet, graph: GraphWay) -> HandMeshNet:
    """
    A copy of a network that can only be evaluated.

    Normalisations are folded into the layers before them, parts that only training needs are left
    out, and the sum over the graph is precomputed.

    :param net: left as it is.
    :param graph: how neighbours are summed.
    """
    copy = deepcopy(net).cpu().eval().requires_grad_(False)
    if copy.joint_stage is not None:
        copy.joint_stage.segmentation = copy.joint_stage.maps = None
        copy.joint_stage.heatmaps = _FlatHead(copy.joint_stage.heatmaps)  # type: ignore[assignment]
    fold_norms(copy)
    _replace_graph_convolutions(copy, copy.neighbours, graph)
    return copy


def fold_norms(module: nn.Module) -> None:
    """
    Fold each batch normalisation into the layer registered right before it, in place.

    :raises TypeError: if one is left whose layer cannot take it.
    """
    before: nn.Module | None = None
    before_name = ''
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            setattr(module, before_name, _folded(before, child))
            setattr(module, name, nn.Identity())
        else:
            fold_norms(child)
        before, before_name = child, name


def _folded(layer: nn.Module | None, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.Module:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        transposed = isinstance(layer, nn.ConvTranspose2d)
        return fuse_conv_bn_eval(layer, cast(nn.BatchNorm2d, norm), transpose=transposed)
    if isinstance(layer, nn.Linear):
        return fuse_linear_bn_eval(layer, norm)
    if isinstance(layer, GINConv):
        layer.nn[2] = fuse_linear_bn_eval(cast(nn.Linear, layer.nn[2]), norm)
        return layer
    raise TypeError(f'no way to fold a normalisation into {type(layer).__name__}')


def _replace_graph_convolutions(module: nn.Module, table: Tensor, graph: GraphWay) -> None:
    sums: dict[float, nn.Module] = {}
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, GINConv):
                eps = float(child.eps)
                # The layers share one graph, and as a rule one eps.
                if eps not in sums:
                    sums[eps] = _SUMS[graph](table, eps)
                setattr(parent, name, _FoldedGINConv(child, sums[eps]))


class _FlatHead(nn.Module):
    """The joints' x and y heatmaps, for their confidence; nothing reads z, which costs most."""

    def __init__(self, head: LixelHead) -> None:
        super().__init__()
        self.x, self.y = head.x, head.y

    def forward(self, decoded: Tensor, pooled: Tensor) -> LixelHeatmaps:
        x, y = self.x(decoded.mean(dim=2)), self.y(decoded.mean(dim=3))
        return LixelHeatmaps(x, y, z=x)


class _FoldedGINConv(nn.Module):
    """:class:`GINConv` with a precomputed sum over a vertex and its neighbours."""

    def __init__(self, conv: GINConv, graph_sum: nn.Module) -> None:
        super().__init__()
        self.first, self.last = cast(nn.Linear, conv.nn[0]), cast(nn.Linear, conv.nn[2])
        self.graph_sum = graph_sum

    def forward(self, features: Tensor, table: Tensor, shared: Tensor | None = None) -> Tensor:
        del table  # the sum knows its graph
        local = features.shape[-1]
        # Coordinates come in float32 whatever the weights are.
        features = features.to(self.first.weight.dtype)
        mapped = F.linear(features, self.first.weight[:, :local])
        if shared is not None:
            mapped = mapped + F.linear(shared, self.first.weight[:, local:])
        return self.last(F.relu(self.graph_sum(mapped) + self.first.bias))


class _BagSum(nn.Module):
    """(1 + eps) x_i + sum over neighbours, by the kernel made for sums of embeddings."""

    members: Tensor
    starts: Tensor

    def __init__(self, table: Tensor, eps: float) -> None:
        super().__init__()
        self.eps = eps
        vertex_count = len(table)
        itself = torch.arange(vertex_count)[:, None]
        members = torch.cat([itself, table.cpu()], dim=1)
        real = members < vertex_count
        self.register_buffer('members', members[real], persistent=False)
        starts = real.sum(dim=1).cumsum(0) - real.sum(dim=1)
        self.register_buffer('starts', starts, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(V, B, C) to (V, B, C)."""
        rows = features.flatten(1)
        summed = F.embedding_bag(self.members, rows, self.starts, mode='sum')
        summed = summed.view_as(features)
        return summed + self.eps * features if self.eps else summed


class _GatherSum(nn.Module):
    """The same with a padded table, in basic operations."""

    members: Tensor

    def __init__(self, table: Tensor, eps: float) -> None:
        super().__init__()
        self.eps = eps
        itself = torch.arange(len(table))[:, None]
        members = torch.cat([itself, table.cpu()], dim=1)
        self.register_buffer('members', members, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(V, B, C) to (V, B, C)."""
        # By F.pad: torch 2.13's CPU compiler gives wrong sums if the row is made by cat.
        rows = F.pad(features, (0, 0, 0, 0, 0, 1))
        summed = rows[self.members].sum(dim=1)
        return summed + self.eps * features if self.eps else summed


class _DenseSum(nn.Module):
    """The same as one matrix product with A + (1 + eps) I."""

    adjacency: Tensor

    def __init__(self, table: Tensor, eps: float) -> None:
        super().__init__()
        vertex_count = len(table)
        adjacency = torch.zeros(vertex_count, vertex_count + 1)
        adjacency.scatter_(1, table.cpu(), 1.0)
        adjacency = adjacency[:, :vertex_count] + (1 + eps) * torch.eye(vertex_count)
        self.register_buffer('adjacency', adjacency, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(V, B, C) to (V, B, C)."""
        return (self.adjacency @ features.flatten(1)).view_as(features)


_SUMS: dict[str, type[nn.Module]] = {'bag': _BagSum, 'gather': _GatherSum, 'dense': _DenseSum}
