"""
The training losses of the three-stage network.

Coordinates are lixels throughout, as the paper's are, so that one weight means the same for x, y
and the root-relative depth. Every term is a mean over what it applies to: the mesh terms over the
samples with a mesh, the segmentation over the pixels that are not to be ignored, the side over the
samples whose side is known. A term without anything to apply to is zero and still a part of the
gradient graph, which distributed training needs. With several ranks it is the mean of the ranks'
means: a sample counts for more on a rank that has few to apply the term to, and a rank without any
counts as zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from handmesh_model.crop import IGNORED_PIXEL
from handmesh_model.mesh_losses import Surface, point_loss
from handmesh_model.rendering import PartRenderer, render_loss

if TYPE_CHECKING:
    from handmesh_model.network import StageOutputs
    from handmesh_model.topology import HandTopology

AXES = 'xyz'
HEATMAP_TARGETS = {'joint': 'joints', 'vertex': 'vertices'}
"""First word of a heatmap's name -> the batch's key with the true positions."""
RENDER_SIZE = 64
"""Side of the picture that the render loss compares, pixels."""


@dataclass(frozen=True)
class LossWeights:
    """
    Factor of every term in the total; a term of weight 0 is not computed.

    :param rough_mesh: L1 of the mesh stage's vertices.
    :param mesh: L1 of the refine stage's vertices.
    :param joints: L1 of the joints regressed from the mesh.
    :param stage_joints: L1 of the joint stage's own joints.
    :param normal: refined edges against the true face normals.
    :param edge: lengths of the refined edges.
    :param rough_normal: as ``normal``, on the rough mesh.
    :param rough_edge: as ``edge``, on the rough mesh.
    :param segmentation: cross-entropy of hand and background.
    :param presence: binary cross-entropy of "there is a hand".
    :param side: binary cross-entropy of "the crop shows a right hand".
    :param heatmap: cross-entropy of the joints' 1D heatmaps with the true position.
    :param vertex_heatmap: the same of the vertices' heatmaps.
    :param joint_map: cross-entropy of the joints' 2D maps with the true position.
    :param render: painting of palm and fingers by the refined mesh against the true one. Off
        unless asked for: it costs more time than the other terms together.
    """

    rough_mesh: float = 1.0
    mesh: float = 1.0
    joints: float = 1.0
    stage_joints: float = 1.0
    normal: float = 0.1
    edge: float = 1.0
    rough_normal: float = 0.1
    rough_edge: float = 1.0
    segmentation: float = 1.0
    presence: float = 1.0
    side: float = 0.5
    heatmap: float = 0.02
    vertex_heatmap: float = 0.0
    joint_map: float = 0.0
    render: float = 0.0


class HandMeshLoss(nn.Module):
    """
    Weighted sum of the losses of all stages.

    :param weights: the factor of each term.
    :param topology: faces of the predicted mesh.
    """

    def __init__(self, weights: LossWeights, topology: HandTopology) -> None:
        super().__init__()
        self.weights = weights
        self.surface = Surface(topology.faces)
        self.renderer = PartRenderer(topology, RENDER_SIZE) if weights.render else None

    def forward(self, outputs: StageOutputs, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """
        Compute all terms.

        :param outputs: what the network gave for the batch's images; a term whose head is absent
            is left out.
        :param batch: ``vertices`` (B, V, 3) and ``joints`` (B, 21, 3) lixels, ``mesh_valid`` (B,)
            bool, ``mask`` (B, h, w) with 1 hand, 0 background, 255 ignored, ``presence`` (B,) 0
            or 1, ``side`` (B,) 1 right, 0 left, -1 unknown. An output of fewer rows than B is of
            the first samples.
        :returns: the unweighted scalar of each term, and ``total``, their weighted sum.
        """
        terms: dict[str, Tensor] = {}
        total = outputs.vertices.float().sum() * 0.0
        for name, value in self._terms(outputs, batch):
            terms[name] = value
            total = total + getattr(self.weights, name) * value
        terms['total'] = total
        return terms

    def _terms(
        self, outputs: StageOutputs, batch: Mapping[str, Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        yield from self._mesh_terms(outputs, batch)
        wanted = self.weights
        if wanted.segmentation and outputs.segmentation is not None:
            yield 'segmentation', segmentation_loss(outputs.segmentation, batch['mask'])
        if wanted.presence and outputs.presence is not None:
            presence = batch['presence']
            yield 'presence', known_bce(outputs.presence, presence, torch.ones_like(presence))
        if wanted.side and outputs.side is not None:
            side = batch['side']
            yield 'side', known_bce(outputs.side, side.clamp(min=0.0), (side >= 0).float())
        for kind, name in (('joint', 'heatmap'), ('vertex', 'vertex_heatmap')):
            heatmaps = _heatmaps_of(kind, outputs.heatmaps)
            if getattr(wanted, name) and heatmaps:
                rows = len(heatmaps['x'])
                points, valid = batch[HEATMAP_TARGETS[kind]][:rows], batch['mesh_valid'][:rows]
                yield name, heatmap_loss(heatmaps, points, valid)
        if wanted.joint_map and outputs.joint_maps is not None:
            yield 'joint_map', map_loss(outputs.joint_maps, batch['joints'], batch['mesh_valid'])

    def _mesh_terms(
        self, outputs: StageOutputs, batch: Mapping[str, Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        wanted, valid = self.weights, batch['mesh_valid']
        pairs = {
            'rough_mesh': (outputs.rough_vertices, batch['vertices']),
            'mesh': (outputs.vertices, batch['vertices']),
            'joints': (outputs.joints, batch['joints']),
            'stage_joints': (outputs.stage_joints, batch['joints']),
        }
        for name, (predicted, target) in pairs.items():
            if getattr(wanted, name) and predicted is not None:
                rows = len(predicted)
                yield name, point_loss(predicted, target[:rows], valid[:rows])
        for prefix in ('', 'rough_'):
            vertices = getattr(outputs, f'{prefix}vertices')
            rows = len(vertices)
            compared = (vertices, batch['vertices'][:rows], valid[:rows])
            if getattr(wanted, f'{prefix}normal'):
                yield f'{prefix}normal', self.surface.normal_loss(*compared)
            if getattr(wanted, f'{prefix}edge'):
                yield f'{prefix}edge', self.surface.edge_loss(*compared)
        if self.renderer is not None and wanted.render:
            # The mask has half the crop's side, lixels a quarter.
            scale = RENDER_SIZE / (batch['mask'].shape[-1] / 2)
            rows = len(outputs.vertices)
            meshes = (outputs.vertices * scale, batch['vertices'][:rows] * scale)
            yield 'render', render_loss(self.renderer, *meshes, valid[:rows])


def segmentation_loss(log_probability: Tensor, mask: Tensor) -> Tensor:
    """
    Cross-entropy of the hand segmentation over the pixels whose class is known.

    :param log_probability: (B, 2, h, w), class 0 hand, class 1 background.
    :param mask: (B, h, w), 1 hand, 0 background, 255 ignored.
    :returns: scalar.
    """
    hand, background = log_probability.float().unbind(1)
    known = mask != IGNORED_PIXEL
    chosen = torch.where(mask == 1, hand, background)
    return -torch.where(known, chosen, 0.0).sum() / known.sum().clamp(min=1)


def known_bce(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """
    Binary cross-entropy over the samples whose answer is known.

    :param logits: (B,).
    :param target: (B,) 0 or 1.
    :param known: (B,) 1 where the target counts, else 0.
    :returns: scalar.
    """
    loss = functional.binary_cross_entropy_with_logits(
        logits.float(), target.float(), weight=known.float(), reduction='sum'
    )
    return loss / known.sum().clamp(min=1.0)


def heatmap_loss(heatmaps: Mapping[str, Tensor], points: Tensor, valid: Tensor) -> Tensor:
    """
    Cross-entropy of 1D heatmaps with the true positions, averaged over the heatmaps given.

    A position between two bins is shared out between them linearly, so that the target's own
    soft-argmax is the position. Positions beyond the first or last bin count for nothing: no
    heatmap can express them.

    :param heatmaps: axis ('x', 'y' or 'z') -> (B, N, bins) logits.
    :param points: (B, N, 3) lixels, that is bins.
    :param valid: (B,) bool.
    :returns: scalar.
    """
    losses = []
    for axis, logits in heatmaps.items():
        position = points[..., AXES.index(axis), None]
        counts, lower, share = _bins_about(position, valid, logits.shape[-1])
        bins, shares = torch.cat([lower, lower + 1], -1), torch.cat([1 - share, share], -1)
        losses.append(_cross_entropy(logits, bins, shares, counts))
    return torch.stack(losses).mean()


def map_loss(maps: Tensor, points: Tensor, valid: Tensor) -> Tensor:
    """
    Cross-entropy of 2D maps with the true positions, shared out among the four bins about them.

    Positions beyond the map count for nothing, as in :func:`heatmap_loss`.

    :param maps: (B, N, bins, bins) logits, rows first.
    :param points: (B, N, 2 or 3) lixels, x first.
    :param valid: (B,) bool.
    :returns: scalar.
    """
    side = maps.shape[-1]
    counts, lower, share = _bins_about(points[..., :2], valid, side)
    (x, y), (right, down) = lower.unbind(-1), share.unbind(-1)
    first = y * side + x
    bins = torch.stack([first, first + 1, first + side, first + side + 1], dim=-1)
    shares = [(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down]
    return _cross_entropy(maps.flatten(2), bins, torch.stack(shares, dim=-1), counts)


def _bins_about(positions: Tensor, valid: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """
    Where positions (B, N, D) lie among ``size`` bins an axis.

    :returns: which of them count (B, N); the bin below each (B, N, D), and the share 0..1 of the
        one above.
    """
    positions = positions.float()
    counts = valid[:, None] & ((positions >= 0) & (positions <= size - 1)).all(dim=-1)
    positions = torch.where(counts[..., None], positions, 0.0)
    lower = positions.floor().clamp(max=size - 2)
    return counts, lower.long(), positions - lower


def _cross_entropy(logits: Tensor, bins: Tensor, shares: Tensor, counts: Tensor) -> Tensor:
    """Mean over what counts; logits (B, N, bins), the target's bins and shares (B, N, K)."""
    chosen = logits.float().log_softmax(dim=-1).gather(-1, bins)
    loss = -(chosen * shares).sum(dim=-1)
    return (loss * counts).sum() / counts.sum().clamp(min=1)


def _heatmaps_of(kind: str, heatmaps: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
    """Axis -> logits of the heatmaps called '<kind>_<axis>'."""
    named = heatmaps or {}
    return {axis: named[f'{kind}_{axis}'] for axis in AXES if f'{kind}_{axis}' in named}
