"""A small fully convolutional network that finds hands in whole pictures."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from handmesh_model.errors import ShapeError

DETECTOR_STRIDE = 8
"""Input pixels in one cell of the output."""
DETECTOR_MULTIPLE = 32
"""Height and width of the input are multiples of this."""
REFERENCE_SIZE = 32.0
"""Box side in input pixels whose predicted logarithm is 0."""
_RARE = -4.0
"""Logit that the heatmap starts from: hands are rare."""


class DetectorOutputs(NamedTuple):
    """What the network says of each cell, a grid of (H / 8, W / 8) cells of 8 pixels."""

    heat: Tensor
    """(B, H/8, W/8) logits: the centre of a hand's box is in this cell."""
    side: Tensor
    """(B, H/8, W/8) logits: that hand is a right hand."""
    box: Tensor
    """(B, 4, H/8, W/8): centre x, y from the cell's centre in cells; log(w / 32), log(h / 32)."""


class ConvBlock(nn.Module):
    """3 x 3 convolution, batch normalisation, ReLU; ``skip`` adds the input before the ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, skip: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        y = self.bn(self.conv(x))
        return functional.relu(y + x if self.skip else y, inplace=True)


class HandDetectorNet(nn.Module):
    """
    Centres, sides and boxes of hands on a grid of stride 8.

    An encoder goes down to stride 32, where a cell has seen most of the picture; two steps up join
    it with the finer maps.

    :param width: channels at stride 4; deeper maps have 2, 3 and 4 times as many.
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.width = width
        quarter, eighth, sixteenth, last = width, 2 * width, 3 * width, 4 * width
        self.stem = nn.Sequential(
            ConvBlock(3, width // 2, stride=2),
            ConvBlock(width // 2, quarter, stride=2),
            ConvBlock(quarter, quarter, skip=True),
        )
        self.eighth = _stage(quarter, eighth, 2)
        self.sixteenth = _stage(eighth, sixteenth, 2)
        self.last = _stage(sixteenth, last, 2)
        self.from_last = nn.Conv2d(last, sixteenth, 1)
        self.join_sixteenth = ConvBlock(sixteenth, sixteenth)
        self.from_sixteenth = nn.Conv2d(sixteenth, eighth, 1)
        self.join_eighth = ConvBlock(eighth, eighth)
        self.heads = nn.Conv2d(eighth, 6, 1)
        nn.init.normal_(self.heads.weight, std=0.01)
        assert self.heads.bias is not None
        with torch.no_grad():
            self.heads.bias.zero_()
            self.heads.bias[0] = _RARE

    def forward(self, images: Tensor) -> DetectorOutputs:
        """
        Look for hands.

        :param images: (B, 3, H, W) float RGB 0..1, H and W multiples of 32.
        :raises ShapeError: if the images have another shape.
        """
        if images.ndim != 4 or images.shape[1] != 3 or _ragged(images):
            expected = f'(B, 3, H, W) with H, W multiples of {DETECTOR_MULTIPLE}'
            raise ShapeError('images', tuple(images.shape), expected)
        eighth = self.eighth(self.stem(images - 0.5))
        sixteenth = self.sixteenth(eighth)
        last = self.last(sixteenth)
        sixteenth = self.join_sixteenth(sixteenth + _doubled(self.from_last(last)))
        eighth = self.join_eighth(eighth + _doubled(self.from_sixteenth(sixteenth)))
        maps = self.heads(eighth)
        return DetectorOutputs(maps[:, 0], maps[:, 1], maps[:, 2:])


def _stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    more = [ConvBlock(outputs, outputs, skip=True) for _ in range(blocks)]
    return nn.Sequential(ConvBlock(inputs, outputs, stride=2), *more)


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode='nearest')


def _ragged(images: Tensor) -> bool:
    return any(side == 0 or side % DETECTOR_MULTIPLE for side in images.shape[2:])
