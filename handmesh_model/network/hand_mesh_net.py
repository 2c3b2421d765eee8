"""The whole network: joint stage, mesh stage, refine stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from handmesh_model.errors import ShapeError
from handmesh_model.network.backbone import Stem
from handmesh_model.network.config import NetworkConfig
from handmesh_model.network.graph import neighbour_table
from handmesh_model.network.initialization import initialize
from handmesh_model.network.joint_stage import JointStage, JointStageOutputs
from handmesh_model.network.mesh_stage import MeshStage, MeshStageOutputs
from handmesh_model.network.precision import in_full_precision
from handmesh_model.network.refine_stage import RefineStage
from handmesh_model.network.side_head import SideHead
from handmesh_model.network.soft_argmax import LixelHeatmaps, heatmap_spread, lixel_coordinates

if TYPE_CHECKING:
    from handmesh_model.topology import HandTopology


class StageOutputs(NamedTuple):
    """
    What the network says of B crops of side S, with V vertices.

    Lixels run along the crop from 0 to ``heatmap_size``; z is the depth relative to the wrist.
    The last five fields are there with ``heads=True`` only; a field whose head the configuration
    leaves out is None.
    """

    rough_vertices: Tensor
    """(B, V, 3) lixels, of the mesh stage."""
    vertices: Tensor
    """
    (B, V, 3) lixels, of the refine stage; the rough ones where it is left out. Fewer rows than the
    rough ones where not all crops are refined, as of joints that come from them.
    """
    joints: Tensor
    """(B, 21, 3) lixels, joint regressor times the mesh that ``joints_from`` names."""
    presence: Tensor | None = None
    """(B,) logits: a hand is in the crop."""
    side: Tensor | None = None
    """(B,) logits: the crop shows a right hand."""
    confidence: Tensor | None = None
    """(B, 21) 0..1, how peaked each joint's heatmaps are along x and y."""
    segmentation: Tensor | None = None
    """(B, 2, S/2, S/2) log-probabilities, class 0 hand, class 1 background."""
    stage_joints: Tensor | None = None
    """(B, 21, 3) lixels, of the joint stage itself."""
    joint_maps: Tensor | None = None
    """(B, 21, S/4, S/4) logits of where in the crop each joint is, a softmax over all bins."""
    heatmaps: dict[str, Tensor] | None = None
    """Logits (B, N, bins) under 'joint_x', 'joint_y', 'joint_z' and 'vertex_x', ..."""


class HandMeshNet(nn.Module):
    """
    The three-stage network of "Towards Accurate Alignment in Real-time 3D Hand-Mesh
    Reconstruction" (ICCV 2021), with optional heads for presence, side and confidence.

    :param config: layers and widths.
    :param topology: the mesh that is predicted; only its arrays are kept.
    """

    neighbours: Tensor
    joint_regressor: Tensor

    def __init__(self, config: NetworkConfig, topology: HandTopology) -> None:
        super().__init__()
        self.config = config
        self.topology = topology
        vertex_count = topology.vertex_count
        # On the CPU even where the weights are left without storage, to be loaded later.
        faces = torch.as_tensor(topology.faces, device='cpu')
        table = neighbour_table(faces, vertex_count)
        self.register_buffer('neighbours', table, persistent=False)
        regressor = torch.as_tensor(topology.joint_regressor, device='cpu').float().clone()
        self.register_buffer('joint_regressor', regressor, persistent=False)

        self.joint_stage = JointStage(config) if config.joint_stage else None
        self.stem = None if config.joint_stage else Stem(config.width)
        self.mesh_stage = MeshStage(config, vertex_count)
        mesh_channels = self.mesh_stage.encoder.channels
        self.refine_stage = None
        if config.refine_stage:
            widths = {
                'image': 3,
                'stem': config.width,
                'shared': config.width,
                'mesh': mesh_channels[0],
                'decoded': config.mesh_decoder_channels[-1],
            }
            local = [widths[name] for name in config.local_features]
            self.refine_stage = RefineStage(config, local, mesh_channels[-1])
        pooled_from = self.mesh_stage if self.joint_stage is None else self.joint_stage
        pooled_channels = pooled_from.encoder.channels[-1]
        self.presence = nn.Linear(pooled_channels, 1) if config.presence else None
        self.side: nn.Linear | SideHead | None = None
        if config.side and config.side_hidden:
            self.side = SideHead(pooled_channels, config.joint_count, config.side_hidden)
        elif config.side:
            self.side = nn.Linear(pooled_channels, 1)
        initialize(self)

    def forward(
        self,
        crops: Tensor,
        heads: bool = False,
        mesh_count: int | None = None,
        refine: bool = True,
        refine_count: int | None = None,
    ) -> StageOutputs:
        """
        Predict meshes of right hands.

        :param crops: (B, 3, S, S) float RGB 0..1, S the configured input size.
        :param heads: whether segmentation, stage joints and heatmap logits are wanted too.
        :param mesh_count: how many crops, the first ones, go through mesh and refine stage, which
            cost more than the joint stage; meshes, joints and vertex heatmaps then have so many
            rows. None for all; without a joint stage it is always all.
        :param refine: False leaves the refine stage out: vertices are then the rough ones, and
            the joints come from them.
        :param refine_count: how many of the crops that go through the mesh stage, the first ones,
            are refined; refined vertices, and joints that come from them, then have so many rows.
            None for all.
        :raises ShapeError: if the crops have another shape.
        """
        size = self.config.input_size
        if crops.ndim != 4 or crops.shape[1:] != (3, size, size):
            raise ShapeError('crops', tuple(crops.shape), f'(B, 3, {size}, {size})')
        joint = self._run_joint_stage(crops, heads)
        if joint is None:
            assert self.stem is not None
            stem, shared = self.stem(crops)
            mesh = self.mesh_stage(shared)
        else:
            crops, stem, shared = (m[:mesh_count] for m in (crops, joint.stem, joint.shared))
            mesh = self.mesh_stage(joint.joint_feature[:mesh_count] + shared)

        vertices = mesh.rough_vertices
        if refine and self.refine_stage is not None:
            maps = {
                'image': crops,
                'stem': stem,
                'shared': shared,
                'mesh': mesh.layer1,
                'decoded': mesh.decoded,
            }
            local = [maps[name] for name in self.config.local_features]
            pooled = mesh.pooled
            if refine_count is not None and refine_count < len(vertices):
                local = [m[:refine_count] for m in local]
                vertices, pooled = vertices[:refine_count], pooled[:refine_count]
            vertices = self.refine_stage(vertices, local, pooled, self.neighbours)
        source = vertices if self.config.joints_from == 'refined' else mesh.rough_vertices
        pooled = mesh.pooled if joint is None else joint.pooled
        outputs = StageOutputs(
            rough_vertices=mesh.rough_vertices,
            vertices=vertices,
            joints=in_full_precision(torch.matmul, self.joint_regressor, source),
            presence=None if self.presence is None else self.presence(pooled).squeeze(1),
            side=self._side(pooled, joint),
            confidence=self._confidence(joint, mesh) if self.config.confidence else None,
        )
        return _with_heads(outputs, joint, mesh) if heads else outputs

    def _run_joint_stage(self, crops: Tensor, heads: bool) -> JointStageOutputs | None:
        if self.joint_stage is None:
            return None
        joints = heads or self.config.confidence or isinstance(self.side, SideHead)
        return self.joint_stage(crops, joints, heads)

    def _side(self, pooled: Tensor, joint: JointStageOutputs | None) -> Tensor | None:
        if isinstance(self.side, SideHead):
            assert joint is not None
            assert joint.heatmaps is not None
            return self.side(pooled, joint.heatmaps)
        return None if self.side is None else self.side(pooled).squeeze(1)

    def _confidence(self, joint: JointStageOutputs | None, mesh: MeshStageOutputs) -> Tensor:
        """(B, 21) exp(-(spread / allowed)^2 / 2), spread over x and y in lixels."""
        if joint is not None and joint.heatmaps is not None:
            spread = _spread_squared(joint.heatmaps)
        else:
            # A mean, which is never negative: some of the regressor's own weights are.
            weights = self.joint_regressor.clamp_min(0)
            weights = weights / weights.sum(dim=1, keepdim=True)
            spread = _spread_squared(mesh.heatmaps) @ weights.T
        # Training must not sharpen the heatmaps through here.
        return torch.exp(-spread.detach() / (2 * self.config.confidence_spread**2))


def _spread_squared(heatmaps: LixelHeatmaps) -> Tensor:
    return (heatmap_spread(heatmaps.x) ** 2 + heatmap_spread(heatmaps.y) ** 2) / 2


def _with_heads(
    outputs: StageOutputs, joint: JointStageOutputs | None, mesh: MeshStageOutputs
) -> StageOutputs:
    heatmaps = {f'vertex_{axis}': h for axis, h in mesh.heatmaps._asdict().items()}
    if joint is None or joint.heatmaps is None:
        return outputs._replace(heatmaps=heatmaps)
    heatmaps |= {f'joint_{axis}': h for axis, h in joint.heatmaps._asdict().items()}
    return outputs._replace(
        segmentation=joint.segmentation,
        joint_maps=joint.maps,
        stage_joints=lixel_coordinates(joint.heatmaps),
        heatmaps=heatmaps,
    )
