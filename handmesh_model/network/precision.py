"""Full precision where half of it would be too little."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor


class Computation(Protocol):
    """A function of tensors, or a module."""

    def __call__(self, *inputs: Any, **options: Any) -> Tensor:
        """What comes out."""


def in_full_precision(compute: Computation, *inputs: Tensor) -> Tensor:
    """
    Compute in float32 also under autocast, whose products would round coordinates to parts of a
    pixel.

    :param compute: how; its weights are float32 wherever there is autocast.
    :param inputs: of any type.
    """
    device = inputs[0].device.type
    # Without autocast nothing is turned off either: exporters would write that down.
    if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
        return compute(*inputs)
    with torch.autocast(device, enabled=False):
        return compute(*(x.float() if x.is_floating_point() else x for x in inputs))
