"""What a forward pass in training does to a network, taken back if the step is not to count."""

from __future__ import annotations

import torch
from torch import nn


class KeptBuffers:
    """
    A copy of a network's buffers, above all the running means of its batch normalizations.

    A forward pass that overflows leaves NaN in them, and no later one takes it out.

    :param net: its buffers must stay where they are.
    """

    def __init__(self, net: nn.Module) -> None:
        self._buffers = list(net.buffers())
        self._kept = [buffer.clone() for buffer in self._buffers]

    @torch.no_grad()
    def keep(self) -> None:
        """Note the buffers as they are, before a forward pass."""
        torch._foreach_copy_(self._kept, self._buffers)

    @torch.no_grad()
    def take_back(self) -> None:
        """Undo what was done to them since."""
        torch._foreach_copy_(self._buffers, self._kept)
