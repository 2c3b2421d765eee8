"""Refine stage: a Graph-CNN moves the rough mesh onto the image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from handmesh_model.network.config import NetworkConfig
from handmesh_model.network.graph import GINConv, GraphResidualBlock, VertexNorm
from handmesh_model.network.precision import in_full_precision

COORDINATES = 3


def project_local_features(
    vertices: Tensor, feature_maps: list[Tensor], heatmap_size: int
) -> list[Tensor]:
    """
    Local feature projection unit: feature maps sampled bilinearly at the vertices.

    As in the authors' code lixel 0 is the edge of a map here, though elsewhere it is the centre of
    crop pixel 0: half a pixel of the crop, which the learned weights account for.

    :param vertices: (B, V, 3) lixels; z is not used.
    :param feature_maps: maps of the crop, (B, C_i, H_i, W_i) each.
    :param heatmap_size: lixels along the crop.
    :returns: (V, B, C_i) each; zeros outside the crop.
    """
    grid = (vertices[:, :, :2] * (2 / heatmap_size) - 1)[:, :, None]
    return [
        # In the coordinates' precision: half of it would round them to parts of a pixel.
        F.grid_sample(
            m.to(grid.dtype), grid, mode='bilinear', padding_mode='zeros', align_corners=False
        )
        .squeeze(3)
        .permute(2, 0, 1)
        for m in feature_maps
    ]


class RefineStage(nn.Module):
    """
    Local feature projection unit, global feature broadcast unit and Graph-CNN.

    Each vertex enters the graph with its lixels, the local features and the global feature. One
    GIN block, residual blocks and a last GIN convolution give an offset for each vertex.

    :param config: the network's configuration.
    :param local_channels: channels of each map that the vertices are projected on.
    :param pooled_channels: channels of the pooled mesh feature.
    """

    def __init__(
        self, config: NetworkConfig, local_channels: list[int], pooled_channels: int
    ) -> None:
        super().__init__()
        self.heatmap_size = config.heatmap_size
        self.local_channels = tuple(local_channels)
        self.offset = config.offset
        self.global_feature = (
            nn.Linear(pooled_channels, config.global_channels) if config.global_channels else None
        )
        channels = COORDINATES + sum(local_channels) + config.global_channels
        self.head = GINConv(channels, config.graph_hidden, config.graph_width)
        self.head_norm = VertexNorm(config.graph_width)
        self.blocks = nn.ModuleList(
            GraphResidualBlock(config.graph_width) for _ in range(config.graph_blocks)
        )
        self.tail = GINConv(config.graph_width, config.graph_tail, COORDINATES)

    def forward(
        self, rough_vertices: Tensor, feature_maps: list[Tensor], pooled: Tensor, table: Tensor
    ) -> Tensor:
        """
        :param rough_vertices: (B, V, 3) lixels.
        :param feature_maps: the maps to project on, in the order of ``local_channels``.
        :param pooled: (B, C) pooled mesh feature.
        :param table: (V, K) neighbours.
        :returns: (B, V, 3) lixels of the refined mesh.
        """
        local = project_local_features(rough_vertices, feature_maps, self.heatmap_size)
        shared = None if self.global_feature is None else self.global_feature(pooled)
        x = self.head(torch.cat([rough_vertices.transpose(0, 1), *local], dim=2), table, shared)
        x = F.relu(self.head_norm(x))
        for block in self.blocks:
            x = block(x, table)
        moved = in_full_precision(self.tail, x, table).transpose(0, 1)
        return rough_vertices + moved if self.offset else moved
