"""
CUDA: the network compiled, in half precision, and captured once for each number of crops.

A frame is one copy in, one replay, one copy out. What has run on a GPU is in docs/backends.md.
"""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from handmesh_model.backends.batches import StaticPrograms, batch_sizes
from handmesh_model.backends.cache import writable_folder
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

DTYPES = {'float16': torch.float16, 'float32': torch.float32}
_KERNEL_CACHE = 'TORCHINDUCTOR_CACHE_DIR'
_WARM_UPS = 3
"""Runs before a capture: libraries choose their kernels and set memory aside in the first ones."""
PREPARING = threading.Lock()
"""
Held while something is compiled for a GPU or captured: both wait for whole devices at times, which
breaks a capture that another thread is making.
"""


class GraphBackend(Backend):
    """
    A backend whose work is captured for a few numbers of crops and replayed, with the refine stage
    and without it.

    :param net: of any configuration; left as it is.
    :param device: CUDA.
    :param precision: 'float16' or 'float32'.
    :param max_batch: crops at most in one replay; more take several.
    :raises BackendError: if compiling or capturing fails.
    """

    def __init__(
        self,
        net: HandMeshNet,
        device: torch.device,
        precision: str = 'float16',
        max_batch: int = 2,
    ) -> None:
        if device.type != 'cuda':
            raise BackendError(f"backend '{self.name}' runs on CUDA, not on '{device}'")
        self.device = device
        self.precision = precision
        self._size = net.config.input_size
        try:
            with torch.cuda.device(device), torch.inference_mode():
                self._stream = torch.cuda.Stream(device)
                self._site = CaptureSite(device, self._stream, torch.cuda.graph_pool_handle())
                edge = ArrayEdge(net, 'dense', DTYPES[precision]).to(device)
                self._layout, self._refining = edge.layout, edge.refined
                edges = [edge, edge.without_refine()] if edge.refined else [edge]
                # Both at once: a capture while images are served would stop them.
                self._programs = {
                    e.refined: StaticPrograms(
                        batch_sizes(max_batch), self._maker(net, e), pinned=True
                    )
                    for e in edges
                }
        except BackendError:
            raise
        except Exception as error:  # compilers raise many kinds
            raise BackendError(f'the network cannot be captured on {device}: {error}') from error

    @abstractmethod
    def _maker(self, net: HandMeshNet, edge: ArrayEdge) -> Callable[[int], CapturedProgram]:
        """
        What makes the program for a number of crops.

        :param net: as it came.
        :param edge: what is compiled of it, on the device.
        """

    def run(self, crops: np.ndarray | Tensor, refine: bool = True) -> NetworkResult:
        """See :meth:`Backend.run`."""
        check_crops(crops, self._size)
        if not self._programs:
            raise BackendError(CLOSED)
        refined = refine and self._refining
        programs = self._programs[refined]
        try:
            with torch.cuda.device(self.device), torch.inference_mode():
                # Crops on the device were made on the caller's stream.
                self._stream.wait_stream(torch.cuda.current_stream(self.device))
                with torch.cuda.stream(self._stream):
                    rows = programs.run(torch.as_tensor(crops), self._stream.synchronize)
        except RuntimeError as error:
            raise BackendError(
                f'the network failed on {self.device}: {reason_of(error)}'
            ) from error
        return self._layout.unpack(rows.numpy(), refined)

    def close(self) -> None:
        """See :meth:`Backend.close`."""
        self._programs = {}


class CudaGraphBackend(GraphBackend):
    """Graphs of what torch.compile makes of the network."""

    name = 'cudagraph'

    def _maker(self, net: HandMeshNet, edge: ArrayEdge) -> Callable[[int], CapturedProgram]:
        module = PackedEdge(edge)

        def make(count: int) -> CapturedProgram:
            shape = (count, self._size, self._size, 3)
            return CapturedProgram(compiled(module), shape, self._site)

        return make


class CaptureSite(NamedTuple):
    """
    Where the graphs of one backend are captured.

    They share memory for all that is between input and output: a backend replays one at a time, in
    the order of its stream, and takes each one's outputs away before the next.

    :param stream: on this device, of this backend alone. What PyTorch captures on by itself is one
        stream for all, on the device that was the first.
    :param pool: of ``torch.cuda.graph_pool_handle``.
    """

    device: torch.device
    stream: torch.cuda.Stream
    pool: Any


class CapturedProgram:
    """
    A function captured for one shape, with the memory that it reads and writes.

    :param run: what is captured; takes and gives a tensor, and does nothing on the host.
    :param shape: of its input, uint8.
    :param site: on CUDA.
    """

    def __init__(
        self, run: Callable[[Tensor], Tensor], shape: tuple[int, ...], site: CaptureSite
    ) -> None:
        device, stream, pool = site
        # A graph knows weights by their addresses alone: they must live as long as it does.
        self._run = run
        self.inputs = torch.zeros(shape, dtype=torch.uint8, device=device)
        self._graph = torch.cuda.CUDAGraph()
        # Other threads may use the device meanwhile: they serve images.
        capture = torch.cuda.graph(
            self._graph, pool=pool, stream=stream, capture_error_mode='thread_local'
        )
        present = torch.cuda.current_stream(device)
        with PREPARING, exact_float32(device):
            stream.wait_stream(present)
            # Around the capture, too: one that fails leaves its stream behind as the present one.
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    run(self.inputs)
                with capture:
                    self.outputs = run(self.inputs)
            present.wait_stream(stream)

    def replay(self) -> None:
        """See :class:`handmesh_model.backends.batches.StaticProgram`."""
        self._graph.replay()


def compiled(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """
    The module as torch.compile makes it, one program a shape; the first call compiles.

    For many shapes call this once for each: one function has eight programs at most.

    Compiled kernels are kept beside the other artefacts, so that later starts are short.
    """
    if _KERNEL_CACHE not in os.environ and (folder := writable_folder('inductor')) is not None:
        # Else where PyTorch puts them itself.
        os.environ[_KERNEL_CACHE] = str(folder)

    def forward(crops: Tensor) -> Tensor:
        output: Tensor = module(crops)
        return output

    # The compiler refuses more than eight programs of one piece of code, this module's or not.
    forward.__code__ = forward.__code__.replace()
    run: Callable[[Tensor], Tensor] = torch.compile(forward, fullgraph=True, dynamic=False)
    return run
