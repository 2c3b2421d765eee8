"""OpenVINO, for CPUs: float32, or int8 by calibration. The compiled-from files are cached."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from handmesh_model.backends.cache import Loaded, cached, network_digest
from handmesh_model.backends.edge import ArrayEdge, OutputLayout
from handmesh_model.backends.interface import Backend, NetworkResult, check_crops
from handmesh_model.errors import BackendError

if TYPE_CHECKING:
    from handmesh_model.network.hand_mesh_net import HandMeshNet

MODEL_FILE = 'model.xml'
"""OpenVINO's description of a model; the weights lie beside it."""
FORMAT = 1
"""To be raised when the same weights have to be converted differently."""
HINTS = {
    'PERFORMANCE_HINT': 'LATENCY',
    # Newer CPUs would take bfloat16, which costs accuracy.
    'INFERENCE_PRECISION_HINT': 'f32',
}


class OpenVinoBackend(Backend):
    """
    Run a compiled model, crop by crop: on a CPU a batch is no faster, and one shape is compiled.

    :param net: of any configuration; left as it is.
    :param device: has to be the CPU.
    :param precision: 'float32' or 'int8'.
    :raises BackendError: if OpenVINO is not installed, or cannot take the network.
    """

    name = 'openvino'

    def __init__(self, net: HandMeshNet, device: torch.device, precision: str = 'float32') -> None:
        if device.type != 'cpu':
            raise BackendError(f"backend 'openvino' runs on the CPU, not on '{device}'")
        import_openvino()
        self.precision = precision
        self._size = net.config.input_size
        self._layout = OutputLayout.of(net.config, net.topology.vertex_count)
        try:
            compiled = artefact(net, precision, compile_file)
            self._request = compiled.create_infer_request()
        except (RuntimeError, TypeError) as error:
            raise BackendError(f'OpenVINO cannot take the network: {_reason(error)}') from error

    def run(self, crops: np.ndarray | Tensor) -> NetworkResult:
        """See :meth:`Backend.run`."""
        check_crops(crops, self._size)
        found: dict[str, list[np.ndarray]] = {name: [] for name in self._layout.names}
        try:
            for crop in np.asarray(crops):
                results = self._request.infer([crop[None]], share_inputs=True)
                for i, values in enumerate(found.values()):
                    values.append(results[i].copy())
        except RuntimeError as error:
            raise BackendError(f'OpenVINO failed: {_reason(error)}') from error
        return self._layout.result({n: np.concatenate(values) for n, values in found.items()})


def import_openvino() -> Any:
    """
    The package.

    :raises BackendError: if it is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise BackendError(
            "backend 'openvino' needs the package openvino: pip install 'handmesh_ros[cpu]'"
        ) from error
    return openvino


def artefact(net: HandMeshNet, precision: str, load: Callable[[Path], Loaded]) -> Loaded:
    """
    The converted network of the cache, made first if there is none.

    :param precision: 'float32' or 'int8'.
    :param load: reads :data:`MODEL_FILE` in the folder that it is given.
    :raises BackendError: if a package is missing.
    """
    openvino = import_openvino()

    def build(folder: Path) -> None:
        openvino.save_model(openvino_model(net, precision), folder / MODEL_FILE, False)

    return cached(f'openvino-{precision}', artefact_facts(net, precision), build, load)


def openvino_model(net: HandMeshNet, precision: str = 'float32') -> Any:
    """
    Convert a network for one crop at a time.

    :param precision: 'float32' or 'int8'; the latter renders crops to calibrate with, and takes
        minutes.
    :returns: ``openvino.Model`` from (1, S, S, 3) uint8 to outputs named as in the layout.
    :raises BackendError: if a package that it takes is not installed.
    """
    edge = ArrayEdge(net, 'gather')
    example = torch.zeros(1, edge.input_size, edge.input_size, 3, dtype=torch.uint8)
    model = convert(edge, example, edge.layout.names)
    if precision == 'int8':
        from handmesh_model.backends.quantization import quantize

        model = quantize(model, edge)
    return model


def convert(module: nn.Module, example: Tensor, output_names: tuple[str, ...]) -> Any:
    """Convert a module for the shape of an example, and name what comes out."""
    openvino = import_openvino()
    with warnings.catch_warnings(), torch.inference_mode():
        # Traced shapes are constants, as they should be: only one is ever run.
        warnings.simplefilter('ignore')
        model = openvino.convert_model(module, example_input=example, input=[example.shape])
    for output, name in zip(model.outputs, output_names, strict=True):
        output.tensor.set_names({name})
    return model


def compile_file(folder: Path) -> Any:
    """Compile the model of a folder for the CPU."""
    return import_openvino().Core().compile_model(folder / MODEL_FILE, 'CPU', HINTS)


def artefact_facts(net: HandMeshNet, precision: str) -> dict[str, Any]:
    """All that a converted network depends on."""
    facts = {
        'format': FORMAT,
        'precision': precision,
        'network': network_digest(net, config=net.config.to_dict()),
        'openvino': import_openvino().__version__,
        'torch': torch.__version__,
    }
    if precision == 'int8':
        from handmesh_model.backends.quantization import calibration_facts

        facts |= calibration_facts()
    return facts


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
