"""Ways to run the mesh network, one small file each, behind one interface."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

from handmesh_model.backends.interface import Backend, NetworkResult
from handmesh_model.errors import BackendError

if TYPE_CHECKING:
    from handmesh_model.network.hand_mesh_net import HandMeshNet

__all__ = ['BACKENDS', 'Backend', 'NetworkResult', 'choose_device', 'create_backend']

BACKENDS = {'eager': 'EagerBackend', 'openvino': 'OpenVinoBackend'}
"""Module of this package -> its class."""


def choose_device(device: str) -> torch.device:
    """
    The device to compute on.

    :param device: 'auto' (CUDA where there is one, else the CPU) or torch's name of a device.
    :raises BackendError: if there is no such device here.
    """
    if device == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise BackendError(f"device '{device}' cannot be used here: {reason}") from error
    return chosen


def create_backend(name: str, net: HandMeshNet, device: torch.device) -> Backend:
    """
    Get a network ready to run.

    :param name: one of :data:`BACKENDS`, or 'auto': OpenVINO on a CPU where it is installed, else
        eager PyTorch.
    :raises BackendError: if there is no such backend or it cannot run here.
    """
    if name == 'auto':
        fits = device.type == 'cpu' and find_spec('openvino') is not None
        name = 'openvino' if fits else 'eager'
    if name not in BACKENDS:
        known = ', '.join(['auto', *BACKENDS])
        raise BackendError(f"backend is '{name}', expected one of {known}")
    module = import_module(f'{__name__}.{name}')
    backend: Backend = getattr(module, BACKENDS[name])(net, device)
    return backend
