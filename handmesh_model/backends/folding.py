"""Rewriting a network for inference: the same function, fewer operations."""

from __future__ import annotations

from copy import deepcopy
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from handmesh_model.backends.graph_sums import SUMS, GraphWay
from handmesh_model.network import HandMeshNet
from handmesh_model.network.graph import GINConv
from handmesh_model.network.side_head import SideHead
from handmesh_model.network.soft_argmax import LixelHead, LixelHeatmaps


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
        if not isinstance(copy.side, SideHead):
            flat = _FlatHead(copy.joint_stage.heatmaps)
            copy.joint_stage.heatmaps = flat  # type: ignore[assignment]
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
                    sums[eps] = SUMS[graph](table, eps)
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
