"""Graph convolutions (GIN) on the fixed graph of a mesh, without a graph library."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def neighbour_table(faces: Tensor, vertex_count: int) -> Tensor:
    """
    Neighbours of each vertex along the mesh's edges, each once, padded to equal length.

    :param faces: (F, 3) vertex numbers.
    :param vertex_count: number of vertices V; those without faces have no neighbours.
    :returns: (V, K) int64, K the largest number of neighbours; in rising order, the padding is V.
    """
    faces = faces.long()
    device = faces.device
    ends = faces[:, [0, 1, 1, 2, 2, 0, 1, 0, 2, 1, 0, 2]].reshape(-1, 2)
    ends = ends[ends[:, 0] != ends[:, 1]]
    # As one number each, they are sorted by vertex, then by neighbour.
    pairs = torch.unique(ends[:, 0] * vertex_count + ends[:, 1])
    vertex, neighbour = pairs // vertex_count, pairs % vertex_count
    degree = torch.bincount(vertex, minlength=vertex_count)
    table = torch.full((vertex_count, max(1, int(degree.max()))), vertex_count, device=device)
    first_of_vertex = torch.cumsum(degree, 0) - degree
    slot = torch.arange(len(vertex), device=device) - first_of_vertex[vertex]
    table[vertex, slot] = neighbour
    return table


def sum_neighbours(features: Tensor, table: Tensor) -> Tensor:
    """
    Sum of the neighbours' features: s_i = sum over j in N(i) of x_j.

    :param features: (V, ...), the vertices first: whole rows are then added at memory speed.
    :param table: (V, K) of :func:`neighbour_table`; its graph must be undirected.
    :returns: (V, ...).
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return _gather_sum(features, table)
    return _SumNeighbours.apply(features, table)


def _gather_sum(features: Tensor, table: Tensor) -> Tensor:
    """The sum in basic operations, which compilers and exporters know."""
    return _with_zero_row(features)[table].sum(dim=1)


def _bag_sum(features: Tensor, table: Tensor) -> Tensor:
    """The same by the fused kernel for embeddings: ten times faster on a CPU."""
    rows = _with_zero_row(features.flatten(1))
    return F.embedding_bag(table, rows, mode='sum').view_as(features)


def _with_zero_row(features: Tensor) -> Tensor:
    # The row of zeros for absent neighbours is made by F.pad: torch 2.13's CPU compiler gives
    # wrong sums if it is made by cat.
    return F.pad(features, (0, 0) * (features.ndim - 1) + (0, 1))


class _SumNeighbours(torch.autograd.Function):
    """The graph is undirected, so the gradient is the same sum: a gather instead of a scatter."""

    @staticmethod
    def forward(ctx, features: Tensor, table: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(table)
        return _bag_sum(features, table)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def,override]
        (table,) = ctx.saved_tensors
        return _bag_sum(gradient.contiguous(), table), None


class GINConv(nn.Module):
    """
    Graph isomorphism convolution (Xu et al., How Powerful are Graph Neural Networks?, eq. 4.1).

    x_i' = MLP((1 + eps) x_i + sum over j in N(i) of x_j), with MLP = Linear, ReLU, Linear. The
    first Linear is applied before the sum: the same, and cheaper where it narrows the features.

    :param channels_in: C.
    :param channels_hidden: width inside the MLP.
    :param channels_out: C'.
    """

    eps: Tensor

    def __init__(self, channels_in: int, channels_hidden: int, channels_out: int) -> None:
        super().__init__()
        self.register_buffer('eps', torch.zeros(1))
        self.nn = nn.Sequential(
            nn.Linear(channels_in, channels_hidden),
            nn.ReLU(inplace=True),
            nn.Linear(channels_hidden, channels_out),
        )

    def forward(self, features: Tensor, table: Tensor, shared: Tensor | None = None) -> Tensor:
        """
        :param features: (V, B, C - S).
        :param table: (V, K) neighbours.
        :param shared: (B, S) features common to all vertices of a hand, the last of the C.
        :returns: (V, B, C').
        """
        first, last = cast(nn.Linear, self.nn[0]), cast(nn.Linear, self.nn[2])
        weight = first.weight[:, : features.shape[-1]]
        mapped = F.linear(features, weight)
        if shared is not None:
            mapped = mapped + F.linear(shared, first.weight[:, features.shape[-1] :])
        mapped = mapped + mapped * self.eps + sum_neighbours(mapped, table) + first.bias
        return last(F.relu(mapped))


class GraphResidualBlock(nn.Module):
    """Two times GIN, BN, ReLU; the input is added after the last ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = GINConv(channels, channels, channels)
        self.bn1 = VertexNorm(channels)
        self.conv2 = GINConv(channels, channels, channels)
        self.bn2 = VertexNorm(channels)

    def forward(self, features: Tensor, table: Tensor) -> Tensor:
        """(V, B, C) to (V, B, C)."""
        y = F.relu(self.bn1(self.conv1(features, table)))
        y = F.relu(self.bn2(self.conv2(y, table)))
        return features + y


class VertexNorm(nn.BatchNorm1d):
    """Batch normalisation of (V, B, C) over vertices and images."""

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features.flatten(0, 1)).view_as(features)
