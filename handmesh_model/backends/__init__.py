"""Ways to run the mesh network, one small file each, behind one interface."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

from handmesh_model.backends.devices import choose_device
from handmesh_model.backends.interface import Backend, NetworkResult
from handmesh_model.backends.registry import (
    AUTOMATIC,
    BACKENDS,
    PRECISIONS,
    BackendKind,
    available_backends,
    choose_backends,
    missing_backends,
)
from handmesh_model.errors import BackendError

if TYPE_CHECKING:
    import torch

    from handmesh_model.network.hand_mesh_net import HandMeshNet

__all__ = [
    'BACKENDS',
    'PRECISIONS',
    'Backend',
    'BackendKind',
    'NetworkResult',
    'available_backends',
    'choose_device',
    'create_backend',
    'missing_backends',
]

log = logging.getLogger(__name__)


def create_backend(
    name: str,
    net: HandMeshNet,
    device: torch.device,
    precision: str = 'auto',
    max_batch: int = 2,
) -> Backend:
    """
    Get a network ready to run.

    :param name: one of :data:`BACKENDS`, or 'auto': cudagraph on CUDA, OpenVINO on a CPU, eager
        where what these need is missing.
    :param net: of any configuration; left as it is.
    :param precision: one of :data:`PRECISIONS` that the backend has, or 'auto' for its own choice.
    :param max_batch: crops that are prepared for in one run; more are split.
    :raises BackendError: if there is no such backend or precision, or it cannot run here.
    """
    kinds = choose_backends(name, device, precision)
    if name == 'auto':
        _tell_missing(device)
    for kind, chosen in kinds[:-1]:
        try:
            return _create(kind, net, device, chosen, max_batch)
        except BackendError as error:
            log.warning("backend '%s' cannot be used, trying the next: %s", kind.name, error)
    kind, chosen = kinds[-1]
    return _create(kind, net, device, chosen, max_batch)


def _tell_missing(device: torch.device) -> None:
    for name, problem in missing_backends(device).items():
        # What is for other devices is no news; what is only missing could be faster.
        if name in AUTOMATIC and device.type in BACKENDS[name].device_types:
            log.warning('%s; trying the next backend', problem)


def _create(
    kind: BackendKind, net: HandMeshNet, device: torch.device, precision: str, max_batch: int
) -> Backend:
    backend_class = getattr(import_module(f'{__name__}.{kind.name}'), kind.class_name)
    options: dict[str, object] = {'precision': precision} if len(kind.precisions) > 1 else {}
    if kind.takes_batch:
        options['max_batch'] = max_batch
    backend: Backend = backend_class(net, device, **options)
    return backend
