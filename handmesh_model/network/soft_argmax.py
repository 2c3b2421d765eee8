"""1D heatmaps on the three axes and the soft-argmax that reads coordinates off them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class LixelHeatmaps(NamedTuple):
    """Logits of the 1D heatmaps of N points, each (B, N, bins)."""

    x: Tensor
    y: Tensor
    z: Tensor


def soft_argmax(logits: Tensor) -> Tensor:
    """
    Expected bin of softmax(logits): sum_k k * exp(l_k) / sum_j exp(l_j), bin centres 0..bins-1.

    :param logits: (..., bins).
    :returns: (...) lixels.
    """
    logits = _precise(logits)
    return _expected(torch.softmax(logits, dim=-1), _bins(logits))


def heatmap_spread(logits: Tensor) -> Tensor:
    """
    Standard deviation of the distribution softmax(logits) over its bins.

    :param logits: (..., bins).
    :returns: (...) lixels; 0 for one sharp peak, about 0.29 * bins for a flat heatmap.
    """
    logits = _precise(logits)
    probability = torch.softmax(logits, dim=-1)
    bins = _bins(logits)
    mean = _expected(probability, bins)
    return (_expected(probability, bins**2) - mean**2).clamp_min(0).sqrt()


def _precise(logits: Tensor) -> Tensor:
    """Half precision would round coordinates to a thirtieth of a lixel."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def _expected(probability: Tensor, values: Tensor) -> Tensor:
    """Not a matrix product: that would be done in half precision where training allows it."""
    return (probability * values).sum(dim=-1)


def _bins(logits: Tensor) -> Tensor:
    return torch.arange(logits.shape[-1], dtype=logits.dtype, device=logits.device)


class LixelHead(nn.Module):
    """
    Heads that turn a decoded map and the encoder's last map into 1D heatmaps (image-to-lixel).

    x and y: the map averaged over rows or columns, then a 1D convolution. z: the spatial mean of
    the encoder's last map, lifted to (depth_channels, bins), then a 1D convolution.

    :param point_count: number of points N.
    :param map_channels: channels of the decoded map.
    :param encoder_channels: channels of the encoder's last map.
    :param depth_channels: channels of the lifted feature.
    :param bins: bins of each heatmap.
    """

    def __init__(
        self,
        point_count: int,
        map_channels: int,
        encoder_channels: int,
        depth_channels: int,
        bins: int,
    ) -> None:
        super().__init__()
        self.bins = bins
        self.x = nn.Conv1d(map_channels, point_count, 1)
        self.y = nn.Conv1d(map_channels, point_count, 1)
        self.lift = nn.Sequential(
            nn.Linear(encoder_channels, depth_channels * bins),
            nn.BatchNorm1d(depth_channels * bins),
            nn.ReLU(inplace=True),
        )
        self.z = nn.Conv1d(depth_channels, point_count, 1)

    def forward(self, decoded: Tensor, pooled: Tensor) -> LixelHeatmaps:
        """
        :param decoded: (B, map_channels, bins, bins).
        :param pooled: (B, encoder_channels) spatial mean of the encoder's last map.
        :returns: logits of the heatmaps.
        """
        lifted = self.lift(pooled).unflatten(1, (-1, self.bins))
        return LixelHeatmaps(
            self.x(decoded.mean(dim=2)), self.y(decoded.mean(dim=3)), self.z(lifted)
        )


def lixel_coordinates(heatmaps: LixelHeatmaps) -> Tensor:
    """
    Read points off their heatmaps.

    :param heatmaps: logits of N points.
    :returns: (B, N, 3) lixels.
    """
    return torch.stack([soft_argmax(logits) for logits in heatmaps], dim=-1)
