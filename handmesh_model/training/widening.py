"""A wider network that begins by computing what a narrower one does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from handmesh_model.network import HandMeshNet, NetworkConfig
from handmesh_model.network.refine_stage import COORDINATES
from handmesh_model.network.side_head import SideHead

WIDTHS = ('width', 'mesh_width', 'decoder_channels', 'mesh_decoder_channels')
"""Entries of the network's configuration in which the two may differ."""


def is_wider(wide: NetworkConfig, narrow: NetworkConfig) -> bool:
    """Whether two networks differ in their widths alone, and the first is nowhere the narrower."""
    mine, others = wide.to_dict(), narrow.to_dict()
    # What depth is measured along is in no layer.
    del mine['depth_axis'], others['depth_axis']
    if mine == others or any(mine[name] != others[name] for name in mine.keys() - set(WIDTHS)):
        return False
    if (wide.width == wide.mesh_width) != (narrow.width == narrow.mesh_width):
        # The mesh encoder's first block has a convolution in its shortcut where these differ.
        return False
    return all(
        own >= other
        for name in WIDTHS
        for own, other in zip(_numbers(mine[name]), _numbers(others[name]), strict=True)
    )


@torch.no_grad()
def widen(wide: HandMeshNet, narrow: HandMeshNet) -> None:
    """
    Give a wider network the weights of a narrower one.

    The first channels of each layer become the narrower network's and take nothing from the added
    ones, which keep their random weights. Source of the idea: T. Chen et al., "Net2Net:
    Accelerating learning via knowledge transfer", 2016.

    :param wide: with random weights; changed.
    :param narrow: as :func:`is_wider` demands it.
    """
    transposed = {
        f'{name}.weight'
        for name, module in wide.named_modules()
        if isinstance(module, nn.ConvTranspose2d)
    }
    parts = _input_parts(wide), _input_parts(narrow)
    old = narrow.state_dict()
    for name, new in wide.state_dict().items():
        if new.shape == old[name].shape:
            new.copy_(old[name])
        elif new.ndim == 1:
            new[: len(old[name])] = old[name]
        elif name in transposed:
            _fill(new.transpose(0, 1), old[name].transpose(0, 1), None)
        else:
            inputs = _places(parts[0][name], parts[1][name]) if name in parts[0] else None
            _fill(new, old[name], inputs)


def _fill(new: Tensor, old: Tensor, inputs: Tensor | None) -> None:
    """Write (outputs, inputs, ...) weights into the first outputs of a larger tensor."""
    if inputs is None:
        inputs = torch.arange(old.shape[1])
    rows = torch.zeros_like(new[: len(old)])
    rows[:, inputs] = old
    new[: len(old)] = rows


def _input_parts(net: HandMeshNet) -> dict[str, Sequence[int]]:
    """Lengths of the parts that the inputs of some layers are put together of."""
    parts: dict[str, Sequence[int]] = {}
    if net.refine_stage is not None:
        local = net.refine_stage.local_channels
        shared = net.config.global_channels
        parts['refine_stage.head.nn.0.weight'] = (COORDINATES, *local, shared)
    if isinstance(net.side, SideHead):
        pooled = net.side.pooled_channels
        parts['side.hidden.weight'] = (net.side.hidden.in_features - pooled, pooled)
    return parts


def _places(wide: Sequence[int], narrow: Sequence[int]) -> Tensor:
    """Where the inputs of the narrow layer are among those of the wide one."""
    starts = accumulate(wide, initial=0)
    return torch.cat(
        [torch.arange(start, start + n) for start, n in zip(starts, narrow, strict=False)]
    )


def _numbers(value: int | Sequence[int]) -> list[int]:
    return [value] if isinstance(value, int) else list(value)
