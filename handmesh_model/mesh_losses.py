"""Losses that compare points and surfaces, over the samples of a batch that have a mesh."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from handmesh_model.rendering import edges_with_faces
from handmesh_model.zbuffer import NOTHING

# Before the network has learned anything all vertices lie in one point; dividing by the length of
# an edge of (nearly) no length would swamp every other gradient.
SHORTEST_EDGE = 0.1


def point_loss(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """
    Mean absolute difference over the valid samples.

    :param predicted: (B, N, 3).
    :param target: (B, N, 3); may hold anything, NaN included, where a sample is not valid.
    :param valid: (B,) bool.
    :returns: scalar, in the unit of the points.
    """
    difference = (predicted.float() - _valid_target(predicted, target, valid)).abs()
    return _valid_mean(difference.mean(dim=(1, 2)), valid)


class Surface(nn.Module):
    """
    The losses that compare the shapes of two meshes of one topology.

    :param faces: (F, 3) vertex numbers.
    """

    faces: Tensor
    edges: Tensor
    edge_faces: Tensor
    on_border: Tensor

    def __init__(self, faces: np.ndarray) -> None:
        super().__init__()
        edges, edge_faces = edges_with_faces(faces)
        # Two rows of E, not E rows of two: each is gathered by itself.
        buffers = {
            'faces': torch.from_numpy(faces.T.astype(np.int64)),
            'edges': torch.from_numpy(edges.T.copy()),
            'edge_faces': torch.from_numpy(np.maximum(edge_faces, 0).T.copy()),
            'on_border': torch.from_numpy(edge_faces[:, 1] == NOTHING),
        }
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer, persistent=False)

    def normal_loss(self, predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """
        How far the predicted edges of each face leave the plane of the true face.

        The mean of the absolute cosine of the angle between edge and true normal; 0 is perfect.

        :param predicted: (B, V, 3).
        :param target: (B, V, 3).
        :param valid: (B,) bool.
        :returns: scalar, 0..1.
        """
        corners = [_valid_target(predicted, target, valid).index_select(1, i) for i in self.faces]
        normals = functional.normalize(
            torch.linalg.cross(corners[1] - corners[0], corners[2] - corners[0]), dim=-1
        )
        edges = functional.normalize(
            self._edge_vectors(predicted.float()), dim=-1, eps=SHORTEST_EDGE
        )
        first, second = (
            (edges * normals.index_select(1, faces)).sum(dim=-1).abs() for faces in self.edge_faces
        )
        total = (first + second.masked_fill(self.on_border, 0.0)).sum(dim=1)
        return _valid_mean(total / self.faces.numel(), valid)

    def edge_loss(self, predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """
        Mean absolute difference of the edge lengths.

        :param predicted: (B, V, 3).
        :param target: (B, V, 3).
        :param valid: (B,) bool.
        :returns: scalar, in the unit of the vertices.
        """
        true_edges = self._edge_vectors(_valid_target(predicted, target, valid))
        true_lengths = torch.linalg.vector_norm(true_edges, dim=-1)
        lengths = torch.linalg.vector_norm(self._edge_vectors(predicted.float()), dim=-1)
        return _valid_mean((lengths - true_lengths).abs().mean(dim=1), valid)

    def _edge_vectors(self, vertices: Tensor) -> Tensor:
        """(B, E, 3) from the first vertex of each edge to the second."""
        start, end = (vertices.index_select(1, ends) for ends in self.edges)
        return end - start


def _valid_target(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid[:, None, None], target.float(), predicted.detach().float())


def _valid_mean(per_sample: Tensor, valid: Tensor) -> Tensor:
    weight = valid.to(per_sample.dtype)
    return (per_sample * weight).sum() / weight.sum().clamp(min=1.0)
