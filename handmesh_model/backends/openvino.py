"""OpenVINO, for CPUs: float32, or int8 by calibration. The compiled-from files are cached."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from handmesh_model.backends.cache import Loaded, cached, network_digest, torch_version
from handmesh_model.backends.edge import ArrayEdge, OutputLayout, TwofoldEdge, rough_names
from handmesh_model.backends.interface import (
    CLOSED,
    Backend,
    NetworkResult,
    check_crops,
    reason_of,
)
from handmesh_model.backends.transposed import split_wide_transposed
from handmesh_model.backends.wide_maps import sample_wide_maps
from handmesh_model.errors import BackendError, OutputError
from handmesh_model.extras import advice

if TYPE_CHECKING:
    from handmesh_model.network.hand_mesh_net import HandMeshNet

MODEL_FILE = 'model.xml'
"""OpenVINO's description of a model; the weights lie beside it."""
FORMAT = 7
"""To be raised when the same weights have to be converted differently."""
HINTS = {
    'PERFORMANCE_HINT': 'LATENCY',
    # Newer CPUs would take bfloat16, which costs accuracy.
    'INFERENCE_PRECISION_HINT': 'f32',
}

_ONE_AT_A_TIME = threading.Lock()

log = logging.getLogger(__name__)


class OpenVinoBackend(Backend):
    """
    Run a compiled model, crop by crop: on a CPU a batch is no faster, and one shape is compiled.

    The model without refine stage is compiled in a thread of its own when it is first asked for.

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
        self._rough_request: Any = None
        self._compiling: threading.Thread | None = None
        self._refining = net.refine_stage is not None

        def load(folder: Path) -> tuple[Any, Any]:
            model = read_file(folder)
            rough = part(model, net, refined=False) if self._refining else None
            return infer_request(part(model, net, refined=True)), rough

        try:
            self._request, self._rough_model = artefact(net, precision, load)
        except BackendError:
            raise
        except Exception as error:  # OpenVINO, NNCF and the disk raise many kinds
            raise BackendError(f'OpenVINO cannot take the network: {reason_of(error)}') from error

    def run(self, crops: np.ndarray | Tensor, refine: bool = True) -> NetworkResult:
        """See :meth:`Backend.run`."""
        check_crops(crops, self._size)
        if self._request is None:
            raise BackendError(CLOSED)
        rough_request = None if refine or not self._refining else self._without_refine()
        request = rough_request or self._request
        found: dict[str, list[np.ndarray]] = {name: [] for name in self._layout.names}
        try:
            for crop in np.asarray(crops):
                results = request.infer([crop[None]], share_inputs=True)
                for i, values in enumerate(found.values()):
                    values.append(results[i].copy())
        except RuntimeError as error:
            raise BackendError(f'OpenVINO failed: {reason_of(error)}') from error
        return self._layout.result(
            {n: np.concatenate(values) for n, values in found.items()},
            refined=self._refining and rough_request is None,
        )

    def _without_refine(self) -> Any:
        """What runs without refine stage; None as long as it is not ready."""
        if self._compiling is None:
            self._compiling = threading.Thread(target=self._compile_rough, name='compile')
            self._compiling.start()
        return self._rough_request

    def _compile_rough(self) -> None:
        try:
            self._rough_request = infer_request(self._rough_model)
        except (RuntimeError, TypeError) as error:
            log.warning('the refine stage always runs: OpenVINO says %s', reason_of(error))
        self._rough_model = None

    def close(self) -> None:
        """See :meth:`Backend.close`."""
        if self._compiling is not None:
            self._compiling.join()
        self._request = self._rough_request = self._rough_model = None


def import_openvino() -> Any:
    """
    The package, which reports nothing to anybody.

    :raises BackendError: if it is not installed.
    """
    # It and NNCF send their makers what is imported and converted, unasked, and fork this process
    # to do so. Where they do not find what they send it with, they go on without.
    sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise BackendError(advice("backend 'openvino'", ['openvino'], 'cpu')) from error
    return openvino


def runtime() -> Any:
    """
    OpenVINO's ``Core``, one for the whole process and for as long as it lives.

    The first compilation of each Core gives its thread a stack for signal handlers (``plugin.cpp``
    of OpenVINO's Intel CPU plugin, SigAltStackSetup). The memory goes with the Core, but the
    thread keeps the stack if the Core ends on another thread, or before a later one. The next
    signal with a handler then ends the process without a word: SIGTERM, or the end of a child.

    :raises BackendError: if OpenVINO is not installed.
    """
    with _ONE_AT_A_TIME:
        return _core()


@lru_cache(maxsize=1)
def _core() -> Any:
    return import_openvino().Core()


def artefact(net: HandMeshNet, precision: str, load: Callable[[Path], Loaded]) -> Loaded:
    """
    The converted network of the cache, made first if there is none.

    :param precision: 'float32' or 'int8'.
    :param load: reads :data:`MODEL_FILE` in the folder that it is given.
    :raises BackendError: if a package is missing.
    """
    import_openvino()

    def build(folder: Path) -> None:
        save_model(openvino_model(net, precision), folder / MODEL_FILE)

    return cached(f'openvino-{precision}', artefact_facts(net, precision), build, load)


def openvino_model(net: HandMeshNet, precision: str = 'float32') -> Any:
    """
    Convert a network for one crop at a time.

    :param precision: 'float32' or 'int8'; the latter renders crops to calibrate with, and takes
        about a minute.
    :returns: ``openvino.Model`` from (1, S, S, 3) uint8 to the outputs of
        :class:`handmesh_model.backends.edge.TwofoldEdge`, by their names; see :func:`part`.
    :raises BackendError: if a package that it takes is not installed.
    """
    edge = ArrayEdge(net, 'patches')
    split_wide_transposed(edge.net)
    example = torch.zeros(1, edge.input_size, edge.input_size, 3, dtype=torch.uint8)
    twofold = TwofoldEdge(edge)
    model = convert(twofold, example, twofold.names)
    if precision == 'int8':
        from handmesh_model.backends.quantization import quantize

        return quantize(model, edge)
    sample_wide_maps(model)
    return model


def convert(
    module: nn.Module,
    example: Tensor,
    output_names: tuple[str, ...],
    shape: Sequence[int] | None = None,
) -> Any:
    """
    Convert a module, and name what comes out.

    :param example: what it is traced with.
    :param shape: that the model takes, -1 where any number will do; None for the example's alone.
    """
    openvino = import_openvino()
    wanted = example.shape if shape is None else openvino.PartialShape(list(shape))
    with warnings.catch_warnings(), torch.inference_mode():
        # What is traced as a constant, or as passed, is the same for all shapes that are run.
        warnings.simplefilter('ignore')
        model = openvino.convert_model(module, example_input=example, input=[wanted])
    for output, name in zip(model.outputs, output_names, strict=True):
        output.tensor.set_names({name})
    return model


def save_model(model: Any, path: Path) -> None:
    """
    Write a model's description, and its weights beside it, as they are.

    :raises OutputError: if they cannot be written; OpenVINO says so without a reason.
    """
    try:
        import_openvino().save_model(model, path, False)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"cannot write '{path}': {reason_of(error)}") from error


def read_file(folder: Path) -> Any:
    """The model of a folder; its weights stay in the file until it is compiled."""
    return runtime().read_model(folder / MODEL_FILE)


def part(model: Any, net: HandMeshNet, refined: bool) -> Any:
    """
    The part of a model that makes the outputs with, or without, the refine stage.

    :param model: of :func:`openvino_model`.
    :param net: that it was made of.
    :returns: ``openvino.Model`` with the outputs in the order of the layout.
    """
    others = {} if refined else rough_names(net.config)
    names = OutputLayout.of(net.config, net.topology.vertex_count).names
    outputs = [model.output(others.get(name, name)) for name in names]
    return import_openvino().Model(outputs, model.get_parameters(), model.friendly_name)


def infer_request(model: Any) -> Any:
    """Compile a model for the CPU, ready to be asked again and again."""
    return runtime().compile_model(model, 'CPU', HINTS).create_infer_request()


def artefact_facts(net: HandMeshNet, precision: str) -> dict[str, Any]:
    """All that a converted network depends on."""
    facts = {
        'format': FORMAT,
        'precision': precision,
        'network': network_digest(net, config=net.config.to_dict()),
        'openvino': import_openvino().__version__,
        'torch': torch_version(),
    }
    if precision == 'int8':
        from handmesh_model.backends.quantization import calibration_facts

        facts |= calibration_facts()
    return facts
