"""Joint stage: where the joints are, which pixels are hand, and features that know it."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from handmesh_model.network.backbone import (
    Decoder,
    DecoderSkips,
    EncoderOutputs,
    ResNetStages,
    Stem,
)
from handmesh_model.network.config import NetworkConfig
from handmesh_model.network.soft_argmax import LixelHead, LixelHeatmaps

CLASS_COUNT = 2
PREDICTOR_CHANNELS = 16


class JointStageOutputs(NamedTuple):
    """
    What the joint stage hands on.

    ``joint_feature`` and ``shared`` are (B, width, S/4, S/4), ``stem`` (B, width, S/2, S/2),
    ``pooled`` (B, C), the spatial mean of the encoder's last map, ``maps`` (B, 21, S/4, S/4).
    """

    joint_feature: Tensor
    stem: Tensor
    shared: Tensor
    pooled: Tensor
    heatmaps: LixelHeatmaps | None
    maps: Tensor | None
    segmentation: Tensor | None


class SegmentationNet(nn.Module):
    """
    U-Net decoder over the joint encoder's maps that tells hand from background.

    Each step: 1x1 convolution to the skip's channels, upsampling by two, addition of the skip,
    3x3 convolution. The last step's map goes through a predictor to two classes.

    :param channels: channels of the encoder's maps from the deepest to the stem.
    :param levels: number of steps; with 3 the stem is left out and the result is interpolated.
    :param kernel: size of the steps' convolution, 3 or 1.
    """

    def __init__(self, channels: tuple[int, ...], levels: int, kernel: int) -> None:
        super().__init__()
        pairs = list(pairwise(channels))[:levels]
        self.reduce = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairs)
        self.fuse = nn.ModuleList(nn.Conv2d(b, b, kernel, padding=kernel // 2) for _, b in pairs)
        self.norm = nn.ModuleList(nn.BatchNorm2d(b) for _, b in pairs[:3])
        self.predictor = nn.Sequential(
            nn.Conv2d(pairs[-1][1], PREDICTOR_CHANNELS, 3, padding=1),
            nn.Conv2d(PREDICTOR_CHANNELS, CLASS_COUNT, 1),
        )

    def forward(self, encoded: EncoderOutputs, stem: Tensor) -> Tensor:
        """
        :returns: (B, 2, S/2, S/2) log-probabilities, class 0 hand, 1 background.
        """
        x = encoded.layer4
        skips = (encoded.layer3, encoded.layer2, encoded.layer1, stem)
        for i, (reduce, fuse) in enumerate(zip(self.reduce, self.fuse, strict=True)):
            x = F.interpolate(reduce(x), scale_factor=2, mode='bilinear', align_corners=False)
            x = fuse(x + skips[i])
            if i < len(self.norm):
                x = F.relu(self.norm[i](x))
        logits = self.predictor(x)
        if logits.shape[-1] != stem.shape[-1]:
            logits = F.interpolate(logits, scale_factor=2, mode='bilinear', align_corners=False)
        return F.log_softmax(logits, dim=1)


class JointStage(nn.Module):
    """
    Image encoder, joint decoder with 1D joint heatmaps, and what only training needs: the hand
    segmentation and, beyond the paper, a 2D map of each joint.

    :param config: the network's configuration.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.stem = Stem(config.width)
        self.encoder = ResNetStages(config.depth, config.width, config.width)
        channels = self.encoder.channels
        self.decoder = Decoder(channels[-1], config.decoder_channels)
        self.skips = DecoderSkips(channels, config.decoder_channels, config.decoder_skips)
        # As many channels as the shared feature has, because the two are added.
        self.feature = nn.Sequential(
            nn.Conv2d(config.decoder_channels[-1], config.width, 3, padding=1),
            nn.BatchNorm2d(config.width),
            nn.ReLU(inplace=True),
        )
        self.heatmaps = LixelHead(
            config.joint_count,
            config.decoder_channels[-1],
            channels[-1],
            config.depth_channels,
            config.heatmap_size,
        )
        self.maps = (
            nn.Conv2d(config.decoder_channels[-1], config.joint_count, 1)
            if config.joint_maps
            else None
        )
        self.segmentation = (
            SegmentationNet(
                (*channels[::-1], config.width),
                config.segmentation_levels,
                config.segmentation_kernel,
            )
            if config.segmentation
            else None
        )

    def forward(self, image: Tensor, joints: bool, heads: bool) -> JointStageOutputs:
        """
        :param image: (B, 3, S, S) RGB 0..1.
        :param joints: whether the joint heatmaps are wanted.
        :param heads: whether the 2D joint maps and the segmentation are wanted.
        """
        stem, shared = self.stem(image)
        encoded = self.encoder(shared)
        pooled = encoded.layer4.mean(dim=(2, 3))
        decoded = self.decoder(encoded.layer4, self.skips(encoded))
        maps, segmentation = (self.maps, self.segmentation) if heads else (None, None)
        return JointStageOutputs(
            joint_feature=self.feature(decoded),
            stem=stem,
            shared=shared,
            pooled=pooled,
            heatmaps=self.heatmaps(decoded, pooled) if joints else None,
            maps=None if maps is None else maps(decoded),
            segmentation=None if segmentation is None else segmentation(encoded, stem),
        )
