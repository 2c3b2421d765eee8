"""Which devices compute faster in bfloat16."""

from __future__ import annotations

from typing import Any

import torch

_CPU_FEATURES = ('avx512_bf16', 'amx_bf16')


def multiplies_bfloat16(device: torch.device) -> bool:
    """
    Whether products in bfloat16 are a device's own, so that training in it is faster.

    On CPUs without it PyTorch converts back and forth. Releases that cannot tell count as such.
    """
    if device.type != 'cpu':
        return True
    capabilities: dict[str, Any] = getattr(torch.cpu, 'get_capabilities', dict)()
    return any(capabilities.get(name) for name in _CPU_FEATURES)
