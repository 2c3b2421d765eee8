"""
Painting the parts of a hand, differentiably: a hard z-buffer with anti-aliased edges.

The z-buffer says which part each pixel centre shows. Where two neighbouring pixels show different
parts, the mesh edge between them is found, and the pixel that the edge runs through is blended by
how much of it lies beyond the edge. The place where the edge crosses from pixel to pixel is a
differentiable function of the edge's two vertices, so that gradients arise along the silhouette
and along the boundaries between parts, and nowhere else. (Laine et al., "Modular Primitives for
High-Performance Differentiable Rendering", 2020, blend silhouettes alike; here the boundary edges
are drawn first and then matched to pixels, as a hand's faces are hardly larger than a pixel.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from handmesh_model.topology import HandTopology
from handmesh_model.zbuffer import NOTHING, visible_faces, within_runs

PART_COLORS = (
    (1.0, 0.0, 0.0),
    (0.0, 1.0, 0.0),
    (0.0, 0.0, 1.0),
    (1.0, 1.0, 0.0),
    (1.0, 0.0, 1.0),
    (0.0, 1.0, 1.0),
)
"""Colours of palm, thumb, index, middle, ring and pinky; the background is black."""
LEAST_AREA = 0.02
"""Share of the picture that the loss takes a hand to cover at least, as for one out of sight."""


class PartRenderer(nn.Module):
    """
    Draws a mesh with its parts painted in plain colours.

    :param topology: faces and the part of each vertex.
    :param size: side of the square picture, pixels.
    :param colors: (6, C) colour of each part.
    """

    faces: Tensor
    face_parts: Tensor
    edges: Tensor
    edge_faces: Tensor
    palette: Tensor

    def __init__(
        self,
        topology: HandTopology,
        size: int,
        colors: tuple[tuple[float, ...], ...] = PART_COLORS,
    ) -> None:
        super().__init__()
        self.size = size
        edges, edge_faces = edges_with_faces(topology.faces)
        # The background is the last colour, so that its number -1 finds it.
        palette = torch.tensor([*colors, (0.0,) * len(colors[0])])
        buffers = {
            'faces': torch.from_numpy(topology.faces.astype(np.int64)),
            'face_parts': torch.from_numpy(face_parts(topology)),
            'edges': torch.from_numpy(edges),
            'edge_faces': torch.from_numpy(edge_faces),
            'palette': palette,
        }
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer, persistent=False)

    def forward(self, vertices: Tensor) -> Tensor:
        """
        Paint meshes.

        :param vertices: (B, V, 3), x and y in the picture's pixels (centres at integers), z
            growing with distance; of any unit, as it decides nothing but what hides what.
        :returns: (B, C, size, size) float32.
        """
        vertices = vertices.float()
        parts = self.part_maps(vertices)
        image = self.palette[parts].flatten(0, 2)
        edges = self._boundary_edges(vertices.detach())
        for axis in (0, 1):
            blend = _blend_along(vertices, edges, parts, axis)
            step = self.palette[blend.new] - self.palette[blend.old]
            image = image.index_add(0, blend.pixel, blend.weight[:, None] * step)
        batch_size = len(vertices)
        return image.view(batch_size, self.size, self.size, -1).permute(0, 3, 1, 2)

    def part_maps(self, vertices: Tensor) -> Tensor:
        """
        The part in each pixel, without anti-aliasing.

        :param vertices: (B, V, 3) as in :meth:`forward`.
        :returns: (B, size, size) int64, -1 for the background.
        """
        found = visible_faces(vertices, self.faces, self.size, self.size)
        return torch.where(found == NOTHING, NOTHING, self.face_parts[found])

    def _boundary_edges(self, vertices: Tensor) -> _BoundaryEdges:
        """Edges where the painting can change: outlines of the surface and of the parts."""
        corners = vertices[..., :2][:, self.faces]
        u, v = corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0]
        facing = u[..., 0] * v[..., 1] > u[..., 1] * v[..., 0]
        sides = facing[:, self.edge_faces.clamp(min=0)]
        is_border = self.edge_faces[:, 1] == NOTHING
        parts = self.face_parts[self.edge_faces]
        outline = (sides[..., 0] != sides[..., 1]) | is_border
        batch, edge = (outline | (parts[:, 0] != parts[:, 1])).nonzero().unbind(1)
        parts = torch.where(is_border[:, None], parts[:, :1], parts)[edge]
        return _BoundaryEdges(batch, self.edges[edge], parts, outline[batch, edge])


class _BoundaryEdges(NamedTuple):
    """N edges of a batch; ``parts`` (N, 2) at both sides, ``outline`` (N,) of the surface."""

    batch: Tensor
    vertices: Tensor
    parts: Tensor
    outline: Tensor


class _Crossings(NamedTuple):
    """Where edges cross from one pixel to the next along a line of pixels; (M,) each."""

    edge: Tensor
    line: Tensor
    place: Tensor
    depth: Tensor


class _Blend(NamedTuple):
    """Pixels (K,) to change by ``weight`` (K,) from colour ``old`` towards colour ``new``."""

    pixel: Tensor
    weight: Tensor
    old: Tensor
    new: Tensor


def render_loss(
    renderer: PartRenderer, predicted: Tensor, target: Tensor, valid: Tensor
) -> Tensor:
    """
    Difference of the paintings of predicted and true meshes, in units of the painted area.

    :param predicted: (B, V, 3) in the renderer's pixels, see :meth:`PartRenderer.forward`.
    :param target: (B, V, 3) likewise; may hold anything where a sample is not valid.
    :param valid: (B,) bool.
    :returns: scalar; 0 where no sample is valid.
    """
    if not valid.any():
        return predicted.float().sum() * 0.0
    image = renderer(predicted[valid])
    with torch.no_grad():
        true_image = renderer(target[valid])
    difference = (image - true_image).abs().sum(dim=(1, 2, 3))
    painted = (true_image.amax(dim=1) > 0.5).sum(dim=(1, 2))
    return (difference / painted.clamp(min=renderer.size**2 * LEAST_AREA)).mean()


def face_parts(topology: HandTopology) -> np.ndarray:
    """
    The part of each face: that of most of its vertices.

    :returns: (F,) int64.
    """
    # Of three numbers two of which are equal, the middle one is the majority.
    return np.sort(topology.vertex_parts[topology.faces], axis=1)[:, 1].astype(np.int64)


def edges_with_faces(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    List the undirected edges of a mesh, each once, and the faces at them.

    :param faces: (F, 3) vertex numbers.
    :returns: (E, 2) int64 vertices; (E, 2) int64 faces, the second -1 where the mesh ends.
    """
    pairs = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, edge_of = np.unique(pairs, axis=0, return_inverse=True)
    edge_faces = np.full((len(edges), 2), NOTHING, dtype=np.int64)
    face_of = np.repeat(np.arange(len(faces)), 3)
    order = np.argsort(edge_of.ravel(), kind='stable')
    first = np.searchsorted(edge_of.ravel()[order], np.arange(len(edges)))
    edge_faces[:, 0] = face_of[order[first]]
    second = np.minimum(first + 1, len(order) - 1)
    shared = edge_of.ravel()[order[second]] == np.arange(len(edges))
    shared &= second != first
    edge_faces[shared, 1] = face_of[order[second]][shared]
    return edges.astype(np.int64), edge_faces


def _blend_along(vertices: Tensor, edges: _BoundaryEdges, parts: Tensor, axis: int) -> _Blend:
    """
    Blend neighbouring pixels along one axis where an edge runs between them.

    :param vertices: (B, V, 3) with gradient.
    :param parts: (B, H, W) hard painting.
    :param axis: 0 for neighbours in x, 1 for neighbours in y. An edge serves both, by shares that
        are the squares of its normal's components: upright edges blend along x alone.
    """
    size = parts.shape[1]
    ends = vertices[edges.batch[:, None], edges.vertices]
    if axis == 1:
        ends, parts = ends[..., [1, 0, 2]], parts.transpose(1, 2)
    crossings = _cross_lines(ends.detach(), size)
    row = edges.batch[crossings.edge] * size + crossings.line
    lines = parts.reshape(-1, size)
    cell = crossings.place.long()
    here, there = lines[row, cell], lines[row, cell + 1]
    chosen = _dividing(crossings, edges, row * size + cell, here, there)
    edge, line, cell = crossings.edge[chosen], crossings.line[chosen], cell[chosen]
    here, there = here[chosen], there[chosen]

    start, step = ends[edge, 0, :2], ends[edge, 1, :2] - ends[edge, 0, :2]
    beyond = start[:, 0] + (line - start[:, 1]) / step[:, 1] * step[:, 0] - cell - 0.5
    duty = step[:, 1] ** 2 / (step**2).sum(dim=1)
    # The edge runs through the pixel whose centre is nearer; what lies beyond it changes colour.
    in_second = beyond.detach() > 0
    column = cell + in_second
    offset = edges.batch[edge] * size * size
    pixel = offset + (line * size + column if axis == 0 else column * size + line)
    old, new = torch.where(in_second, there, here), torch.where(in_second, here, there)
    return _Blend(pixel, duty * beyond.abs(), old, new)


@torch.no_grad()
def _cross_lines(ends: Tensor, size: int) -> _Crossings:
    """
    Intersect edges with the lines through pixel centres.

    :param ends: (N, 2, 3) both ends of each edge; the lines are those of constant ends[..., 1].
    :param size: number of lines and of pixels on each.
    """
    step = ends[:, 1] - ends[:, 0]
    usable = (step[:, 1] != 0) & ends.isfinite().all(dim=2).all(dim=1)
    low = ends[..., 1].amin(dim=1).nan_to_num().clamp(0, size).ceil().long()
    high = ends[..., 1].amax(dim=1).nan_to_num().clamp(-1, size - 1).floor().long()
    counts = torch.where(usable, (high - low + 1).clamp(min=0), 0)
    edge = torch.arange(len(ends), device=ends.device).repeat_interleave(counts)
    line = low[edge] + within_runs(counts)
    share = (line - ends[edge, 0, 1]) / step[edge, 1]
    place = ends[edge, 0, 0] + share * step[edge, 0]
    depth = ends[edge, 0, 2] + share * step[edge, 2]
    kept = (place >= 0) & (place < size - 1)
    return _Crossings(edge[kept], line[kept], place[kept], depth[kept])


@torch.no_grad()
def _dividing(
    crossings: _Crossings, edges: _BoundaryEdges, pair: Tensor, here: Tensor, there: Tensor
) -> Tensor:
    """
    Choose, for each pair of pixels of different parts, the edge that divides them.

    Towards the background it is the outermost outline, whatever lies within. Between two parts it
    is the nearest edge of those that explain the difference: an outline of one of the two, or a
    boundary of both within a surface.

    :param pair: (M,) number of the pixel pair of each crossing.
    :param here: (M,) part of the pair's first pixel.
    :param there: (M,) part of the second.
    :returns: indices into the crossings.
    """
    differing = (here != there).nonzero().squeeze(1)
    here, there, pair = here[differing], there[differing], pair[differing]
    edge, place = crossings.edge[differing], crossings.place[differing]
    parts, outline = edges.parts[edge], edges.outline[edge]
    shows = (parts == here[:, None]) | (parts == there[:, None])
    within = shows.all(dim=1) & (parts[:, 0] != parts[:, 1])
    to_background = (here == NOTHING) | (there == NOTHING)
    explains = torch.where(outline, to_background | shows.any(dim=1), within)
    outwards = torch.where(there == NOTHING, -place, place)
    rank = torch.where(to_background, outwards, crossings.depth[differing])
    # Sorted by pair, then by rank, the first of each pair is the best.
    best = explains.nonzero().squeeze(1)
    best = best[rank[best].argsort()]
    best = best[pair[best].argsort(stable=True)]
    first = torch.ones_like(best, dtype=torch.bool)
    first[1:] = pair[best[1:]] != pair[best[:-1]]
    return differing[best[first]]
