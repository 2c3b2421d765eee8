"""Transposed convolutions as plain ones, for runtimes that are slow at the wide ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDE = 8
"""
Channels in over channels out from which splitting pays with OpenVINO: 2048 to 256 on a map of
8 x 8 takes 0.55 of the time, 256 to 256 on larger maps 1.4 times as long.
"""


class SplitTransposed(nn.Module):
    """
    A transposed convolution of kernel 4, stride 2 and padding 1 as four convolutions of kernel 2,
    one for each parity of the output's row and column.

    Along an axis, output 2 i is made of the inputs i - 1 and i by the kernel's elements 3 and 1,
    output 2 i + 1 of i and i + 1 by its elements 2 and 0.

    :param layer: left as it is.
    """

    def __init__(self, layer: nn.ConvTranspose2d) -> None:
        super().__init__()
        elements = ([3, 1], [2, 0])
        weight = layer.weight.detach().transpose(0, 1)
        self.weights = nn.ParameterList(
            nn.Parameter(weight[:, :, rows][..., columns].contiguous(), requires_grad=False)
            for rows in elements
            for columns in elements
        )
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, h, w) to (B, C_out, 2 h, 2 w)."""
        rows = []
        for a in (0, 1):
            parts = [
                F.conv2d(F.pad(x, (1 - b, b, 1 - a, a)), self.weights[2 * a + b], self.bias)
                for b in (0, 1)
            ]
            rows.append(torch.stack(parts, dim=-1).flatten(-2))
        return torch.stack(rows, dim=3).flatten(2, 3)


def split_wide_transposed(module: nn.Module) -> None:
    """Replace the transposed convolutions that :class:`SplitTransposed` is faster at, in place."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.ConvTranspose2d):
            if _is_split_faster(child):
                setattr(module, name, SplitTransposed(child))
        else:
            split_wide_transposed(child)


def _is_split_faster(layer: nn.ConvTranspose2d) -> bool:
    shape = (layer.kernel_size, layer.stride, layer.padding, layer.output_padding)
    usual = ((4, 4), (2, 2), (1, 1), (0, 0))
    return shape == usual and layer.groups == 1 and layer.in_channels >= WIDE * layer.out_channels
