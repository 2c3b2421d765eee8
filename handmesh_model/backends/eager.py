"""PyTorch as it comes: works wherever PyTorch does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from handmesh_model.backends.edge import ArrayEdge, PackedEdge
from handmesh_model.backends.exact_float32 import exact_float32
from handmesh_model.backends.interface import (
    CLOSED,
    Backend,
    NetworkResult,
    check_crops,
    reason_of,
)
from handmesh_model.errors import BackendError

if TYPE_CHECKING:
    from handmesh_model.network.hand_mesh_net import HandMeshNet


class EagerBackend(Backend):
    """
    Run the module itself, with folded normalisations and channels last.

    :param net: of any configuration; left as it is.
    :param device: CPU or CUDA.
    :raises BackendError: if the network does not fit on it.
    """

    name = 'eager'

    def __init__(self, net: HandMeshNet, device: torch.device) -> None:
        self.device = device
        try:
            edge = ArrayEdge(net, 'bag').to(device)
        except RuntimeError as error:
            raise BackendError(
                f'the network cannot be put on {device}: {reason_of(error)}'
            ) from error
        self._layout, self._size = edge.layout, edge.input_size
        self._refining = edge.refined
        self._modules = {True: PackedEdge(edge), False: PackedEdge(edge.without_refine())}

    def run(self, crops: np.ndarray | Tensor, refine: bool = True) -> NetworkResult:
        """See :meth:`Backend.run`."""
        check_crops(crops, self._size)
        modules = self._modules
        if not modules:
            raise BackendError(CLOSED)
        try:
            with torch.inference_mode(), exact_float32(self.device):
                pixels = torch.as_tensor(crops).to(self.device)
                rows = modules[refine](pixels).cpu().numpy()
        except RuntimeError as error:
            raise BackendError(
                f'the network failed on {self.device}: {reason_of(error)}'
            ) from error
        return self._layout.unpack(rows, refine and self._refining)

    def close(self) -> None:
        """See :meth:`Backend.close`."""
        self._modules = {}
