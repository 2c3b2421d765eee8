"""Which devices compute faster in bfloat16."""

from __future__ import annotations

from typing import Any

import torch

_CPU_FEATURES = ('avx512_bf16', 'amx_bf16')


def multiplies_bfloat16(device: torch.device) -> bool:
    """
    Whether products in bfloat16 are a device's own, so that training in it is faster.

    Where they are not, as on GPUs before NVIDIA's Ampere, PyTorch converts back and forth. A
    release that cannot tell of a CPU counts it as such.

    :param device: of GPUs, the one that this process computes on.
    """
    if device.type == 'cuda':
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != 'cpu':
        return True
    capabilities: dict[str, Any] = getattr(torch.cpu, 'get_capabilities', dict)()
    return any(capabilities.get(name) for name in _CPU_FEATURES)
