"""OpenVINO, for CPUs. The weights stay float32; nothing has to be exported first."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from handmesh_model.backends.interface import Backend, NetworkResult, complete
from handmesh_model.errors import BackendError

if TYPE_CHECKING:
    from handmesh_model.network.hand_mesh_net import HandMeshNet

_OUTPUTS = ('vertices', 'joints', 'presence', 'side', 'confidence')


class _ArrayEdge(nn.Module):
    """The network from (1, S, S, 3) uint8 to a plain tuple of the outputs that it has."""

    def __init__(self, net: HandMeshNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        outputs = self.net(crops.permute(0, 3, 1, 2).float() / 255)
        values = (getattr(outputs, name) for name in _OUTPUTS)
        return tuple(value for value in values if value is not None)


class OpenVinoBackend(Backend):
    """
    Run a compiled model, crop by crop: on a CPU a batch is no faster, and one shape is compiled.

    :param net: of any configuration.
    :param device: has to be the CPU.
    :raises BackendError: if OpenVINO is not installed, or cannot take the network.
    """

    name = 'openvino'

    def __init__(self, net: HandMeshNet, device: torch.device) -> None:
        if device.type != 'cpu':
            raise BackendError(f"backend 'openvino' runs on the CPU, not on '{device}'")
        try:
            import openvino
        except ImportError as error:
            raise BackendError(
                "backend 'openvino' needs the package openvino: pip install 'handmesh_ros[cpu]'"
            ) from error
        net = net.cpu().eval()
        size = net.config.input_size
        example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
        try:
            with torch.inference_mode():
                outputs = net(example.permute(0, 3, 1, 2).float() / 255)
            self._names = [name for name in _OUTPUTS if getattr(outputs, name) is not None]
            with warnings.catch_warnings():
                # Traced shapes are constants, as they should be: only one is ever run.
                warnings.simplefilter('ignore')
                model = openvino.convert_model(
                    _ArrayEdge(net), example_input=example, input=[example.shape]
                )
            hints = {
                'PERFORMANCE_HINT': 'LATENCY',
                # Newer CPUs would take bfloat16, which costs accuracy.
                'INFERENCE_PRECISION_HINT': 'f32',
            }
            compiled = openvino.Core().compile_model(model, 'CPU', hints)
            self._request = compiled.create_infer_request()
        except (RuntimeError, TypeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise BackendError(f'OpenVINO cannot take the network: {reason}') from error

    def run(self, crops: np.ndarray) -> NetworkResult:
        """See :meth:`Backend.run`."""
        found: dict[str, list[np.ndarray]] = {name: [] for name in self._names}
        try:
            for crop in crops:
                results = self._request.infer([crop[None]])
                for i, name in enumerate(self._names):
                    found[name].append(results[i].copy())
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise BackendError(f'OpenVINO failed: {reason}') from error
        arrays = {name: np.concatenate(values) for name, values in found.items()}
        return complete(
            arrays['vertices'],
            arrays['joints'],
            arrays.get('presence'),
            arrays.get('side'),
            arrays.get('confidence'),
        )
