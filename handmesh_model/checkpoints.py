"""Weights files: safetensors that carry their network's configuration and topology."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from handmesh_model.errors import CheckpointError, TopologyError
from handmesh_model.network import HandMeshNet, NetworkConfig
from handmesh_model.output_files import written_beside
from handmesh_model.topology import HandTopology
from handmesh_model.torch_file_bounds import check_torch_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WEIGHTS_FOLDER = Path(__file__).parent / 'weights'
SHIPPED = {'open': 'open-v1/mesh.safetensors', 'open-large': 'open-v1/mesh-large.safetensors'}
"""Names of shipped weights and their files."""
FORMAT = 'handmesh-network-1'
SHOWN_PROBLEMS = 20
"""Weights that do not fit that are named; of another network hundreds do not."""
_TOPOLOGY = 'topology.'
_TOPOLOGY_ARRAYS = ('faces', 'joint_regressor', 'vertex_parts', 'template')


@dataclass(frozen=True)
class Checkpoint:
    """
    The contents of a weights file.

    :param config: the network's configuration.
    :param topology: the mesh it predicts.
    :param state: its state dict, float32.
    :param facts: what was noted about it: data, training time, numbers.
    """

    config: NetworkConfig
    topology: HandTopology
    state: dict[str, Tensor]
    facts: dict[str, Any]


def save_checkpoint(
    path: str | Path,
    net: HandMeshNet,
    metadata: Mapping[str, Any] | None = None,
    half: bool = False,
) -> None:
    """
    Write a network with all that is needed to build it again.

    :param metadata: facts about the weights; anything JSON can hold.
    :param half: store float16, at half the size; it is read back as float32.
    """
    topology = net.topology
    tensors = {
        name: value.detach().cpu().to(torch.float16 if half and _is_float(value) else value.dtype)
        for name, value in net.state_dict().items()
    }
    for name in _TOPOLOGY_ARRAYS:
        array = getattr(topology, name)
        if array is not None:
            tensors[_TOPOLOGY + name] = torch.from_numpy(np.array(array))
    header = {
        'format': FORMAT,
        'config': json.dumps(net.config.to_dict()),
        'topology': json.dumps({'name': topology.name, 'sha256': topology_hash(topology)}),
        'facts': json.dumps(dict(metadata or {})),
    }
    write_safetensors(path, tensors, header)


def write_safetensors(
    path: str | Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]
) -> None:
    """
    Write tensors so that a kill while writing leaves what was there before.

    The file can be read by whom the umask lets: safetensors' own would be its writer's alone.

    :raises OutputError: if it cannot be written.
    """
    with written_beside(Path(path)) as part:
        part.write_bytes(save({name: t.contiguous() for name, t in tensors.items()}, dict(header)))


def load_network(path_or_name: str | Path) -> HandMeshNet:
    """
    Build a network from its weights file.

    :param path_or_name: a file, or one of :data:`SHIPPED`.
    :returns: the network in eval mode, float32, on the CPU.
    :raises CheckpointError: if the file is missing, damaged, or contradicts itself.
    """
    checkpoint = read_checkpoint(path_or_name)
    net = blank_network(checkpoint.config, checkpoint.topology)
    fill(net, checkpoint.state, f"'{path_or_name}' does not fit its own configuration")
    return net.eval()


def blank_network(config: NetworkConfig, topology: HandTopology) -> HandMeshNet:
    """
    Build a network whose weights have no storage yet, to be loaded with ``assign=True``.

    Drawing first weights for the paper's network takes seconds, and disturbs the random state.
    """
    with torch.device('meta'):
        return HandMeshNet(config, topology)


def fill(net: nn.Module, state: Mapping[str, Tensor], complaint: str) -> None:
    """
    Give a network without storage its weights.

    :param complaint: what to say, before the reasons, if they do not fit.
    :raises CheckpointError: if they do not fit.
    """
    problems = state_problems(net.state_dict(), state)
    if problems:
        raise CheckpointError(f'{complaint}:\n  ' + '\n  '.join(shortened(problems)))
    try:
        net.load_state_dict(state, assign=True)
    except RuntimeError as error:  # integers for weights
        raise CheckpointError(f'{complaint}: {error}') from error


def read_checkpoint(path_or_name: str | Path) -> Checkpoint:
    """
    Read a weights file without building the network.

    :raises CheckpointError: if the file is missing or damaged.
    """
    path = weights_path(path_or_name)
    try:
        with safe_open(path, framework='pt') as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read weights '{path}': {error}") from error
    if header.get('format') != FORMAT:
        raise CheckpointError(f"'{path}' has format {header.get('format')!r}, expected '{FORMAT}'")
    try:
        config = NetworkConfig.from_dict(_description(header, 'config'))
        topology = _topology(tensors, _description(header, 'topology'))
        facts = _description(header, 'facts')
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(f"'{path}' has a damaged description: {error}") from error
    weights = {name: t for name, t in tensors.items() if not name.startswith(_TOPOLOGY)}
    return Checkpoint(config, topology, state_in_float32(weights), facts)


def read_torch_file(path: str | Path, complaint: str) -> Any:
    """
    The contents of a file of :func:`torch.save`; nothing in it is executed, or unpacked.

    Together its tensors hold no more than some times what the file does.

    :param complaint: what to say, before the reason, if it cannot be read.
    :raises CheckpointError: if it is missing or damaged, asks for anything but tensors and plain
        values, or has more of them than any checkpoint, see
        :mod:`handmesh_model.torch_file_bounds`.
    """
    try:
        # One file for both, which nothing else takes the place of in between.
        with open(path, 'rb') as file:
            check_torch_file(file)
            file.seek(0)
            return torch.load(file, map_location='cpu', weights_only=True)
    # A damaged file raises whatever pickle, struct, zipfile and torch stumble over.
    except Exception as error:
        raise CheckpointError(f'{complaint}: {type(error).__name__}: {error}') from error


def state_in_float32(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A file's tensors with the floating-point ones as float32, each in memory of its own."""
    return {
        # Copied because the file's tensors lie anywhere in memory, which kernels like less.
        name: value.to(torch.float32 if _is_float(value) else value.dtype, copy=True)
        for name, value in tensors.items()
    }


def weights_path(path_or_name: str | Path) -> Path:
    """
    File of a shipped name, or the path itself; ``~`` is the user's home.

    :raises CheckpointError: if there is no such file.
    """
    shipped = SHIPPED.get(str(path_or_name))
    path = WEIGHTS_FOLDER / shipped if shipped else Path(os.path.expanduser(path_or_name))
    if not path.is_file():
        names = ', '.join(f"'{name}'" for name in SHIPPED)
        raise CheckpointError(f"no weights file '{path}'; give a file or one of {names}")
    return path


def state_problems(expected: Mapping[str, Tensor], actual: Mapping[str, Tensor]) -> list[str]:
    """
    What keeps a state dict from fitting a network, one line each, sorted.

    :param expected: the network's own state dict.
    :param actual: the one to load.
    """
    problems = [f'missing: {name}' for name in expected.keys() - actual.keys()]
    problems += [f'extra: {name}' for name in actual.keys() - expected.keys()]
    problems += [
        f'misshapen: {name} is {tuple(actual[name].shape)}, expected {tuple(value.shape)}'
        for name, value in expected.items()
        if name in actual and actual[name].shape != value.shape
    ]
    return sorted(problems)


def shortened(problems: Sequence[str], most: int = SHOWN_PROBLEMS) -> list[str]:
    """The first of a list of problems, and how many more there are."""
    told = list(problems[:most])
    return told if len(problems) <= most else [*told, f'and {len(problems) - most} more']


def topology_hash(topology: HandTopology) -> str:
    """SHA-256 over faces and joint regressor: equal for meshes that a network can exchange."""
    digest = hashlib.sha256(topology.faces.tobytes())
    digest.update(topology.joint_regressor.tobytes())
    return digest.hexdigest()


def _is_float(value: Tensor) -> bool:
    return value.is_floating_point()


def _description(header: Mapping[str, str], name: str) -> dict[str, Any]:
    """An entry of the header. Raises KeyError, TypeError or ValueError if it cannot be used."""
    value = json.loads(header[name])
    if not isinstance(value, dict):
        raise TypeError(f'{name} is a {type(value).__name__}, expected names with values')
    return value


def _topology(tensors: dict[str, Tensor], description: dict[str, str]) -> HandTopology:
    arrays = {
        name: tensors[_TOPOLOGY + name].numpy()
        for name in _TOPOLOGY_ARRAYS
        if _TOPOLOGY + name in tensors
    }
    topology = HandTopology(**arrays, name=description['name'])
    if topology_hash(topology) != description['sha256']:
        raise TopologyError('its topology is not the one it was saved with')
    return topology
