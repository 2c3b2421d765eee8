"""All gradients in one block: clipped in one pass, averaged over ranks in one message."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from handmesh_model.training.distributed import reduce_over_ranks


class GradientBlock:
    """
    Makes the gradients of a network views of one flat tensor.

    A parameter that a step does not use has a gradient of zero, on every rank alike.

    :param net: its parameters must all be of one type and on one device, and stay there.
    """

    def __init__(self, net: nn.Module) -> None:
        self.parameters = [p for p in net.parameters() if p.requires_grad]
        first = self.parameters[0]
        count = sum(p.numel() for p in self.parameters)
        self.flat = torch.zeros(count, dtype=first.dtype, device=first.device)
        self.attach()

    def attach(self) -> None:
        """Give every parameter its view; its memory order is the parameter's own."""
        start = 0
        for parameter in self.parameters:
            parameter.grad = self.flat.as_strided(parameter.shape, parameter.stride(), start)
            start += parameter.numel()

    def zero(self) -> None:
        """Forget the last step's gradients."""
        self.flat.zero_()

    def average(self, ranks: int) -> None:
        """
        Replace the gradients by their mean over all ranks.

        :raises PeerError: if another rank is gone.
        """
        if ranks > 1:
            reduce_over_ranks(self.flat)
            self.flat.div_(ranks)

    def clip(self, largest: float) -> Tensor:
        """
        Scale the gradients down to a norm.

        :param largest: the norm allowed; 0 for any.
        :returns: the norm before, a scalar tensor.
        """
        norm = torch.linalg.vector_norm(self.flat)
        if largest:
            self.flat.mul_((largest / (norm + 1e-6)).clamp(max=1.0))
        return norm

    def forget_unless(self, fine: Tensor) -> None:
        """
        Make the gradients zero unless a condition holds, without asking for it on the host.

        :param fine: a scalar tensor, bool.
        """
        self.flat.copy_(torch.where(fine, self.flat, 0.0))
