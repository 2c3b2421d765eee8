"""PyTorch as it comes: works wherever PyTorch does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from handmesh_model.backends.interface import Backend, NetworkResult, complete
from handmesh_model.errors import BackendError

if TYPE_CHECKING:
    from torch import Tensor

    from handmesh_model.network.hand_mesh_net import HandMeshNet


class EagerBackend(Backend):
    """
    Run the module itself.

    :param net: moved to the device and set to evaluation mode.
    :param device: CPU or CUDA.
    """

    name = 'eager'

    def __init__(self, net: HandMeshNet, device: torch.device) -> None:
        self.device = device
        self.net = net.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def run(self, crops: np.ndarray) -> NetworkResult:
        """See :meth:`Backend.run`."""
        try:
            with torch.inference_mode():
                pixels = torch.from_numpy(crops).to(self.device)
                # Channels last in memory, as the network wants it; only the view is transposed.
                outputs = self.net(pixels.permute(0, 3, 1, 2).float() / 255)
                return complete(
                    _array(outputs.vertices),
                    _array(outputs.joints),
                    _optional(outputs.presence),
                    _optional(outputs.side),
                    _optional(outputs.confidence),
                )
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise BackendError(f'the network failed on {self.device}: {reason}') from error


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.float().cpu().numpy()
    return array


def _optional(tensor: Tensor | None) -> np.ndarray | None:
    return None if tensor is None else _array(tensor)
