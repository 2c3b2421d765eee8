"""Which device the networks run on, known to compute before anything relies on it."""

from __future__ import annotations

import logging
from functools import cache

import torch

from handmesh_model.backends.interface import reason_of
from handmesh_model.backends.registry import BACKENDS
from handmesh_model.errors import BackendError

log = logging.getLogger(__name__)


def choose_device(device: str, backend: str = 'auto') -> torch.device:
    """
    The device to compute on.

    :param device: 'auto' (CUDA where there is one that computes, else the CPU) or torch's name of
        a device.
    :param backend: what is to run there, 'auto' or one of :data:`BACKENDS`; 'auto' is the CPU if
        it runs on no other device.
    :raises BackendError: if there is no such device here, or it does not compute.
    """
    if device == 'auto':
        kind = BACKENDS.get(backend)
        suits = kind is None or 'cuda' in kind.device_types
        return torch.device('cuda' if suits and torch.cuda.is_available() and _cuda() else 'cpu')
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise BackendError(_unusable(device, reason_of(error))) from error
    problem = device_problem(chosen)
    if problem is not None:
        raise BackendError(_unusable(device, problem))
    return chosen


@cache
def device_problem(device: torch.device) -> str | None:
    """
    What keeps a device from computing; None if it computes. Each is tried once in a process.

    One that PyTorch sees may be full or broken, or of a kind that this build has no kernels for.
    """
    try:
        total = torch.ones(2, device=device).sum().item()
    except Exception as error:  # drivers raise many kinds
        return reason_of(error)
    return None if total == 2 else f'1 + 1 is {total} there'


@cache
def _cuda() -> bool:
    """Whether CUDA computes; says so once if not."""
    problem = device_problem(torch.device('cuda'))
    if problem is not None:
        log.warning('%s; the CPU is taken', _unusable('cuda', problem))
    return problem is None


def _unusable(device: str, problem: str) -> str:
    return f"device '{device}' cannot be used here: {problem}"
