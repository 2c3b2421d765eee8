"""
TensorRT: engines made by Torch-TensorRT, cached on disk, captured and replayed as CUDA graphs.

Its libraries were not at hand when this was written; see docs/backends.md for what has and has
not been run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from handmesh_model.backends.cache import cached, network_digest
from handmesh_model.backends.cudagraph import PREPARING, CapturedProgram, GraphBackend
from handmesh_model.backends.edge import ArrayEdge, PixelEdge
from handmesh_model.errors import BackendError
from handmesh_model.extras import advice

if TYPE_CHECKING:
    from handmesh_model.network.hand_mesh_net import HandMeshNet

ENGINE_FILE = 'engine.plan'
FORMAT = 3
"""To be raised when the same weights have to be converted differently."""


class TensorRtBackend(GraphBackend):
    """One engine for each number of crops that is prepared for, and one without refine stage."""

    name = 'tensorrt'

    def _maker(self, net: HandMeshNet, edge: ArrayEdge) -> Callable[[int], CapturedProgram]:
        tensorrt, torch_tensorrt = import_tensorrt()
        digest = network_digest(net, config=net.config.to_dict())

        def make(count: int) -> CapturedProgram:
            facts = engine_facts(digest, self.precision, count, self.device, edge.refined)

            def build(folder: Path) -> None:
                (folder / ENGINE_FILE).write_bytes(engine_bytes(torch_tensorrt, edge, count))

            def load(folder: Path) -> EngineRun:
                data = (folder / ENGINE_FILE).read_bytes()
                return EngineRun(tensorrt, data, edge.pixels, self.device)

            with PREPARING:
                run = cached(f'tensorrt-{self.precision}', facts, build, load)
            return CapturedProgram(run, (count, self._size, self._size, 3), self._site)

        return make


def import_tensorrt() -> tuple[Any, Any]:
    """
    The packages ``tensorrt`` and ``torch_tensorrt``.

    :raises BackendError: if one of them, or a library that it links to, is missing.
    """
    try:
        import tensorrt
    except (ImportError, OSError) as error:
        raise BackendError(_missing('tensorrt', error)) from error
    try:
        import torch_tensorrt
    except Exception as error:  # it raises bare exceptions where its libraries do not fit
        raise BackendError(_missing('torch_tensorrt', error)) from error
    return tensorrt, torch_tensorrt


def _missing(package: str, error: Exception) -> str:
    told = advice("backend 'tensorrt'", [package], 'tensorrt')
    return f'{told} (it cannot be imported here: {error})'


def engine_facts(
    digest: str, precision: str, count: int, device: torch.device, refined: bool = True
) -> dict[str, object]:
    """
    All that an engine depends on: it fits one GPU and one set of versions.

    :param digest: of the network.
    :param count: crops in one run.
    :param refined: whether it has the refine stage.
    """
    return {
        'format': FORMAT,
        'network': digest,
        'precision': precision,
        'crops': count,
        'refined': refined,
        'gpu': torch.cuda.get_device_name(device),
        'capability': list(torch.cuda.get_device_capability(device)),
        'cuda': torch.version.cuda,
        'torch': torch.__version__,
        'torch_tensorrt': _version('torch-tensorrt'),
        'tensorrt': _version('tensorrt'),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return 'unknown'


def exported(edge: ArrayEdge, count: int) -> torch.export.ExportedProgram:
    """The program that is converted, for a number of crops, on the device of the weights."""
    device = edge.net.joint_regressor.device
    size = edge.input_size
    example = torch.zeros(count, 3, size, size, dtype=edge.dtype, device=device)
    with torch.no_grad():
        return torch.export.export(PixelEdge(edge), (example,))


def engine_bytes(torch_tensorrt: Any, edge: ArrayEdge, count: int) -> bytes:
    """
    Build an engine; takes minutes.

    :raises BackendError: if TensorRT does not take the network.
    """
    program = exported(edge, count)
    size = edge.input_size
    shape = torch_tensorrt.Input((count, 3, size, size), dtype=edge.dtype)
    try:
        # By itself it takes and leaves timings in a folder of /tmp that all users share, which is
        # closed to the second of them.
        with tempfile.TemporaryDirectory(prefix='handmesh-') as folder:
            data = torch_tensorrt.dynamo.convert_exported_program_to_serialized_trt_engine(
                program,
                inputs=[shape],
                require_full_compilation=True,
                # The types of the program are kept: what it computes in float32 stays so, and is
                # not rounded to TF32 on the way.
                disable_tf32=True,
                timing_cache_path=str(Path(folder) / 'timings.bin'),
            )
    except Exception as error:  # it raises many kinds
        raise BackendError(f'TensorRT does not take the network: {error}') from error
    return bytes(data)


class EngineRun:
    """
    An engine as a function from crops to packed outputs, to be captured.

    :param tensorrt: the package.
    :param data: the serialized engine.
    :param pixels: turns crops into the engine's input.
    :param device: CUDA.
    :raises BackendError: if the engine is damaged, or of another version or GPU.
    """

    def __init__(
        self, tensorrt: Any, data: bytes, pixels: Callable[[Tensor], Tensor], device: torch.device
    ) -> None:
        self._pixels = pixels
        self._runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.WARNING))
        self._engine = self._runtime.deserialize_cuda_engine(data)
        if self._engine is None:
            raise BackendError('the engine is damaged, or of another TensorRT version or GPU')
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        inputs = [n for n in names if self._is_input(tensorrt, n)]
        outputs = [n for n in names if n not in inputs]
        if len(inputs) != 1 or len(outputs) != 1:
            raise BackendError(f'the engine has tensors {names}, expected one in and one out')
        self._input = inputs[0]
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise BackendError('the engine cannot be run: not enough memory on the GPU')
        shape = tuple(self._engine.get_tensor_shape(outputs[0]))
        self._outputs = torch.zeros(shape, dtype=torch.float32, device=device)
        self._context.set_tensor_address(outputs[0], self._outputs.data_ptr())
        self._device = device

    def _is_input(self, tensorrt: Any, name: str) -> bool:
        return bool(self._engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT)

    def __call__(self, crops: Tensor) -> Tensor:
        """(N, S, S, 3) uint8 to (N, width) float32, the same memory in every call."""
        # Engines read rows of channels, whatever the memory was laid out for.
        self._last = self._pixels(crops).contiguous()
        self._context.set_tensor_address(self._input, self._last.data_ptr())
        stream = torch.cuda.current_stream(self._device)
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise BackendError('TensorRT could not run the engine')
        return self._outputs
