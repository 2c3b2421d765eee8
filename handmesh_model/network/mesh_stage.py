"""Mesh stage: a rough mesh by 1D heatmaps of every vertex."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from handmesh_model.network.backbone import Decoder, DecoderSkips, ResNetStages
from handmesh_model.network.config import NetworkConfig
from handmesh_model.network.soft_argmax import LixelHead, LixelHeatmaps, lixel_coordinates


class MeshStageOutputs(NamedTuple):
    """
    What the mesh stage hands on.

    ``rough_vertices`` (B, V, 3) lixels, ``layer1`` (B, C1, S/4, S/4) the first layer's map,
    ``decoded`` (B, C, S/4, S/4) the decoder's, ``pooled`` (B, C4) the mean of the encoder's
    last map.
    """

    rough_vertices: Tensor
    heatmaps: LixelHeatmaps
    layer1: Tensor
    decoded: Tensor
    pooled: Tensor


class MeshStage(nn.Module):
    """
    Mesh encoder, which starts behind the stem, decoder, and 1D vertex heatmaps.

    :param config: the network's configuration.
    :param vertex_count: number of vertices V.
    """

    def __init__(self, config: NetworkConfig, vertex_count: int) -> None:
        super().__init__()
        self.encoder = ResNetStages(config.mesh_depth, config.width, config.mesh_width)
        channels = self.encoder.channels[-1]
        self.decoder = Decoder(channels, config.mesh_decoder_channels)
        self.skips = DecoderSkips(
            self.encoder.channels, config.mesh_decoder_channels, config.decoder_skips
        )
        self.heatmaps = LixelHead(
            vertex_count,
            config.mesh_decoder_channels[-1],
            channels,
            config.depth_channels,
            config.heatmap_size,
        )

    def forward(self, features: Tensor) -> MeshStageOutputs:
        """
        :param features: (B, width, S/4, S/4) sum of joint feature and shared shallow feature.
        """
        encoded = self.encoder(features)
        pooled = encoded.layer4.mean(dim=(2, 3))
        decoded = self.decoder(encoded.layer4, self.skips(encoded))
        heatmaps = self.heatmaps(decoded, pooled)
        rough_vertices = lixel_coordinates(heatmaps)
        return MeshStageOutputs(rough_vertices, heatmaps, encoded.layer1, decoded, pooled)
