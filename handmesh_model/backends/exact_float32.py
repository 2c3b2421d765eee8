"""
Convolutions in float32 as float32 computes them.

From NVIDIA's Ampere on, cuDNN rounds the factors of float32 convolutions to TF32, whose mantissa
is as short as float16's, unless PyTorch is told otherwise, which it can only be for a whole
process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

_LOCK = threading.Lock()
_USERS: list[object] = []
"""Blocks that threads are in."""
_AFTERWARDS = ExitStack()
"""Brings back the settings that the first of them has found."""


@contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """
    Keep TF32 out of the convolutions that a block starts on a device.

    While a thread is in such a block, it is kept out of those of other threads, too.

    :param device: of any type; only on CUDA is there anything to keep out.
    """
    if device.type != 'cuda':
        yield
        return
    mark = object()
    with _LOCK:
        if not _USERS:
            _turn_off()
        _USERS.append(mark)
    try:
        yield
    finally:
        with _LOCK:
            _USERS.remove(mark)
            if not _USERS:
                _AFTERWARDS.close()


def _turn_off() -> None:
    cudnn: Any = torch.backends.cudnn
    # Since PyTorch 2.9 there are settings by operation, which may follow more general ones.
    by_operation = hasattr(cudnn, 'conv')
    try:
        is_on: bool | None = cudnn.allow_tf32
    except RuntimeError:
        # The older setting cannot be read where the newer ones say what it cannot.
        is_on = None
    if is_on is False:
        return
    if by_operation:
        _AFTERWARDS.callback(setattr, cudnn.conv, 'fp32_precision', cudnn.conv.fp32_precision)
    if is_on:
        # Where both are used they have to agree, or reading this one is an error to others.
        _AFTERWARDS.callback(setattr, cudnn, 'allow_tf32', True)
        cudnn.allow_tf32 = False
    if by_operation:
        cudnn.conv.fp32_precision = 'ieee'
