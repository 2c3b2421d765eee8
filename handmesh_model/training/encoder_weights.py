"""Starting both image encoders from a ResNet trained to classify pictures."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from handmesh_model.checkpoints import read_torch_file, shortened, state_problems
from handmesh_model.errors import CheckpointError
from handmesh_model.network import HandMeshNet

CLASSIFIER = 'fc.'
STEM = ('conv1.', 'bn1.')


def load_encoders(net: HandMeshNet, path: Path) -> None:
    """
    Copy a ResNet's weights into stem and encoders.

    :param path: torchvision's file (``resnet50-*.pth``), or the same as safetensors; the
        classifier in it is not needed.
    :raises CheckpointError: if it cannot be read or its layers are not the network's.
    """
    state = {k: v for k, v in _read(path).items() if not k.startswith(CLASSIFIER)}
    stem = {k: v for k, v in state.items() if k.startswith(STEM)}
    stages = {k: v for k, v in state.items() if not k.startswith(STEM)}
    encoders: list[nn.Module] = [net.mesh_stage.encoder]
    stem_module = net.stem
    if net.joint_stage is not None:
        encoders.append(net.joint_stage.encoder)
        stem_module = net.joint_stage.stem
    assert stem_module is not None
    _load(stem_module, stem, path)
    for encoder in encoders:
        _load(encoder, stages, path)


def _read(path: Path) -> dict[str, Tensor]:
    complaint = f"cannot read encoder weights '{path}'"
    if path.suffix == '.safetensors':
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f'{complaint}: {error}') from error
    state = read_torch_file(path, complaint)
    if not isinstance(state, dict):
        raise CheckpointError(
            f"encoder weights '{path}' hold a {type(state).__name__}, expected a state dict"
        )
    return state


def _load(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    problems = state_problems(module.state_dict(), state)
    # Old files do not count batches.
    problems = [p for p in problems if not p.endswith('num_batches_tracked')]
    if problems:
        shown = '\n  '.join(shortened(problems))
        raise CheckpointError(
            f"encoder weights '{path}' do not fit the network's encoders "
            f'({len(problems)} differences):\n  {shown}'
        )
    module.load_state_dict(state, strict=False)
