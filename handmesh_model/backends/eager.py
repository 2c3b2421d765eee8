"""PyTorch as it comes: works wherever PyTorch does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from handmesh_model.backends.edge import ArrayEdge, PackedEdge
from handmesh_model.backends.interface import Backend, NetworkResult, check_crops
from handmesh_model.errors import BackendError

if TYPE_CHECKING:
    from handmesh_model.network.hand_mesh_net import HandMeshNet


class EagerBackend(Backend):
    """
    Run the module itself, with folded normalisations and channels last.

    :param net: of any configuration; left as it is.
    :param device: CPU or CUDA.
    """

    name = 'eager'

    def __init__(self, net: HandMeshNet, device: torch.device) -> None:
        self.device = device
        edge = ArrayEdge(net, 'bag').to(device)
        self._layout, self._size = edge.layout, edge.input_size
        self._refining = edge.refined
        self._modules = {True: PackedEdge(edge), False: PackedEdge(edge.without_refine())}

    def run(self, crops: np.ndarray | Tensor, refine: bool = True) -> NetworkResult:
        """See :meth:`Backend.run`."""
        check_crops(crops, self._size)
        try:
            with torch.inference_mode():
                pixels = torch.as_tensor(crops).to(self.device)
                rows = self._modules[refine](pixels).cpu().numpy()
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise BackendError(f'the network failed on {self.device}: {reason}') from error
        return self._layout.unpack(rows, refine and self._refining)
