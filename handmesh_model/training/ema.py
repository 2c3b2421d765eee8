"""A moving average of the weights, which measures better than the weights of the last step."""

from __future__ import annotations

import copy
import math
from typing import Generic, TypeVar

import torch
from torch import nn

Net = TypeVar('Net', bound=nn.Module)


class WeightAverage(Generic[Net]):
    """
    Exponential moving average of a network's parameters; buffers are taken over as they are.

    The average is short at first, so that the random start is forgotten soon.

    :param net: the network in training; its structure is copied.
    :param reach: number of updates that the average reaches back.
    """

    def __init__(self, net: Net, reach: float) -> None:
        self.net: Net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = math.exp(-1.0 / max(reach, 1e-9))
        self.updates = 0

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Take the present weights into the average."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        mine: list[torch.Tensor] = list(self.net.parameters())
        theirs: list[torch.Tensor] = list(net.parameters())
        torch._foreach_lerp_(mine, theirs, 1 - decay)
        torch._foreach_copy_(list(self.net.buffers()), list(net.buffers()))
