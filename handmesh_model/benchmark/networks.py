"""The mesh network alone, by backend, precision and batch size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from handmesh_model.backends import BACKENDS, Backend, create_backend
from handmesh_model.benchmark.timing import Effort, Timing, ratio, take_turns
from handmesh_model.errors import HandmeshError

if TYPE_CHECKING:
    import torch

    from handmesh_model.network.hand_mesh_net import HandMeshNet

REFERENCE = 'eager'
"""The backend that speed is compared with."""
BATCHES = (1, 2, 4)
Progress = Callable[[str], None]


def make_network(name: str, device: torch.device) -> HandMeshNet:
    """
    One of the networks that are measured.

    :param name: 'paper': the paper's, untrained, since speed does not depend on the weights;
        anything else names weights as :func:`handmesh_model.weight_files.weight_files` knows them.
    :param device: where it is measured; it comes on the CPU.
    """
    from handmesh_model.checkpoints import load_network
    from handmesh_model.network import HandMeshNet, NetworkConfig
    from handmesh_model.topology import HandTopology
    from handmesh_model.weight_files import weight_files

    if name == 'paper':
        return HandMeshNet(NetworkConfig(), HandTopology.open_hand()).eval()
    return load_network(weight_files(name, device)[0])


def measure_network(
    make: Callable[[], HandMeshNet],
    device: torch.device,
    effort: Effort,
    batches: Sequence[int] = BATCHES,
    with_int8: bool = False,
    tell: Progress = print,
) -> dict[str, Any]:
    """
    Time one network on every backend and precision that works here, in turns.

    :param make: gives the network anew; a backend may change what it is given.
    :param with_int8: it is calibrated first where that was not done before, in about a minute.
    :returns: figures by backend, and under 'left_out' the reasons of those that cannot run here.
    """
    backends, left_out = _ready_backends(make, device, with_int8, tell)
    size = make().config.input_size
    report: dict[str, Any] = {
        name: {'precision': backend.precision, 'batch': {}} for name, backend in backends.items()
    }
    for batch in batches:
        tell(f'  batch {batch}')
        crops = np.random.default_rng(batch).integers(0, 256, (batch, size, size, 3), np.uint8)
        work = {name: partial(backend.run, crops) for name, backend in backends.items()}
        timings = take_turns(work, effort)
        _note(report, batch, timings)
    for backend in backends.values():
        backend.close()
    return {'backends': report, 'left_out': left_out}


def _ready_backends(
    make: Callable[[], HandMeshNet], device: torch.device, with_int8: bool, tell: Progress
) -> tuple[dict[str, Backend], dict[str, str]]:
    """Those that can run here, by name, and the reasons of those that cannot."""
    ready: dict[str, Backend] = {}
    left_out: dict[str, str] = {}
    wanted = [
        (kind.name, precision)
        for kind in BACKENDS.values()
        for precision in kind.precisions
        if precision != 'int8' or with_int8
    ]
    for backend_name, precision in wanted:
        is_own_choice = precision == BACKENDS[backend_name].precisions[0]
        name = backend_name if is_own_choice else f'{backend_name} {precision}'
        tell(f'  preparing {name}')
        try:
            ready[name] = create_backend(backend_name, make(), device, precision, max(BATCHES))
        except HandmeshError as error:
            left_out[name] = str(error)
    return ready, left_out


def _note(report: dict[str, Any], batch: int, timings: dict[str, Timing]) -> None:
    for name, timing in timings.items():
        figures: dict[str, float] = timing.figures()
        if REFERENCE in timings:
            figures['times_faster_than_eager'] = ratio(timings[REFERENCE], timing)
        report[name]['batch'][str(batch)] = figures


def medians(report: dict[str, Any]) -> dict[str, float]:
    """Median milliseconds of one crop by backend."""
    return {
        name: facts['batch']['1']['median']
        for name, facts in report['backends'].items()
        if '1' in facts['batch']
    }
