"""The sum over a vertex and its neighbours, in the ways that suit different runtimes."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GraphWay = Literal['bag', 'gather', 'dense', 'patches']
"""
How neighbours are summed: 'bag' (one fused kernel over lists of neighbours), 'gather' (a padded
table, for runtimes without that kernel), 'dense' (a product with the adjacency matrix, for
hardware with far more arithmetic than memory) or 'patches' (products with the small matrices of
patches of the mesh, for CPUs whose runtime gathers slowly).
"""
PATCH_VERTICES = 33
"""Vertices of a patch, at most: fewer mean more vertices looked at twice, more mean more zeros."""


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


class _PatchSum(nn.Module):
    """
    The same by patches of the mesh: each is a product of a small matrix with the rows of its
    vertices and of those around it.
    """

    weights: Tensor
    members: Tensor
    places: Tensor

    def __init__(self, table: Tensor, eps: float) -> None:
        super().__init__()
        around = _neighbour_sets(table)
        count = len(around)
        patches = mesh_patches(around, -(-count // PATCH_VERTICES))
        seen = [sorted(set(patch).union(*(around[v] for v in patch))) for patch in patches]
        shape = (len(patches), max(map(len, patches)), max(map(len, seen)))
        weights = torch.zeros(shape)
        members = torch.zeros(shape[0], shape[2], dtype=torch.long)
        places = torch.zeros(count, dtype=torch.long)
        for i, (patch, rows) in enumerate(zip(patches, seen, strict=True)):
            members[i, : len(rows)] = torch.tensor(rows)
            column = {vertex: k for k, vertex in enumerate(rows)}
            for row, vertex in enumerate(patch):
                places[vertex] = i * shape[1] + row
                weights[i, row, column[vertex]] = 1 + eps
                weights[i, row, [column[v] for v in around[vertex]]] = 1
        self.register_buffer('weights', weights, persistent=False)
        self.register_buffer('members', members, persistent=False)
        self.register_buffer('places', places, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(V, B, C) to (V, B, C)."""
        summed = self.weights @ features.flatten(1)[self.members]
        return summed.flatten(0, 1)[self.places].view_as(features)


def mesh_patches(around: list[set[int]], count: int) -> list[list[int]]:
    """
    Cut a mesh into patches of about equal size with short borders: halves of halves, each cut
    across the way from one end to the other.

    :param around: the neighbours of each vertex.
    :param count: of patches, at least 1.
    :returns: the vertices of each patch; every vertex is in one.
    """

    def cut(members: list[int], parts: int) -> list[list[int]]:
        if parts == 1:
            return [members]
        ordered, first = _from_end_to_end(around, members), parts // 2
        middle = round(len(ordered) * first / parts)
        return cut(ordered[:middle], first) + cut(ordered[middle:], parts - first)

    return cut(list(range(len(around))), count)


def _from_end_to_end(around: list[set[int]], members: list[int]) -> list[int]:
    """The vertices by their distance along edges from one that lies at an end."""
    left, ordered = set(members), list[int]()
    while left:
        farthest = _spreading(around, min(left), left)[-1]
        part = _spreading(around, farthest, left)
        ordered += part
        left -= set(part)
    return ordered


def _spreading(around: list[set[int]], start: int, members: set[int]) -> list[int]:
    """Vertices that can be reached within the members, in the order of a breadth-first search."""
    ordered, seen = [start], {start}
    for vertex in ordered:
        fresh = sorted((around[vertex] & members) - seen)
        ordered += fresh
        seen.update(fresh)
    return ordered


def _neighbour_sets(table: Tensor) -> list[set[int]]:
    count = len(table)
    return [{v for v in row if v < count} for row in table.tolist()]


SUMS: dict[str, type[nn.Module]] = {
    'bag': _BagSum,
    'gather': _GatherSum,
    'dense': _DenseSum,
    'patches': _PatchSum,
}
"""The module of each way; made from (V, K) neighbours padded with V, and eps."""
