"""Import of the weights that the paper's authors publish for their implementation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from handmesh_model.checkpoints import blank_network, read_torch_file
from handmesh_model.errors import CheckpointError
from handmesh_model.network import HandMeshNet, NetworkConfig

if TYPE_CHECKING:
    from handmesh_model.topology import HandTopology


def _lixel_head(part: str, stage: str) -> dict[str, str]:
    return {
        f'{part}/deconv.': f'{stage}.decoder.',
        f'{part}/conv_x.0.': f'{stage}.heatmaps.x.',
        f'{part}/conv_y.0.': f'{stage}.heatmaps.y.',
        f'{part}/conv_z_1.': f'{stage}.heatmaps.lift.',
        f'{part}/conv_z_2.0.': f'{stage}.heatmaps.z.',
    }


def _segmentation() -> dict[str, str]:
    ours = 'joint_stage.segmentation'
    names = {'segmentation_net/predict_head.': f'{ours}.predictor.'}
    for step in range(4):
        names[f'segmentation_net/conv{step + 1}.'] = f'{ours}.reduce.{step}.'
        names[f'segmentation_net/fusion{step + 1}.'] = f'{ours}.fuse.{step}.'
        names[f'segmentation_net/bn{step + 1}.'] = f'{ours}.norm.{step}.'
    return names


PREFIXES = {
    'pose_backbone/conv1.': 'joint_stage.stem.conv1.',
    'pose_backbone/bn1.': 'joint_stage.stem.bn1.',
    'pose_backbone/layer': 'joint_stage.encoder.layer',
    'posenet/conv.': 'joint_stage.feature.',
    **_lixel_head('posenet', 'joint_stage'),
    **_segmentation(),
    'mesh_backbone/layer': 'mesh_stage.encoder.layer',
    **_lixel_head('mesh_net', 'mesh_stage'),
    'global_img_feat/0.0.': 'refine_stage.global_feature.',
    'gcn/head.conv.': 'refine_stage.head.',
    'gcn/head.bn.': 'refine_stage.head_norm.',
    **{f'gcn/res{i + 1}.': f'refine_stage.blocks.{i}.' for i in range(3)},
    'gcn/tail.conv.': 'refine_stage.tail.',
}
"""How tensors are called in the file ('part/name') and in our network: one prefix for another."""

PARTS = tuple(dict.fromkeys(prefix.split('/')[0] for prefix in PREFIXES))
"""Parts of the file that the forward pass uses."""

CONFIG = NetworkConfig()
"""The published network's configuration: the paper's."""

UNUSED = ('mesh_backbone/conv1.', 'mesh_backbone/bn1.', 'gcn/tail.bn.')
"""
Tensors in those parts that it does not use: the mesh encoder starts behind the stem, and the last
graph convolution has no norm.
"""


def import_handar(path: str | Path, topology: HandTopology) -> HandMeshNet:
    """
    Build the paper's network with the authors' published weights.

    :param path: the ``.pth.tar`` file; it is read without executing anything in it.
    :param topology: the mesh; its vertex count must be that of the weights (778 for MANO).
    :returns: the network in eval mode, float32, on the CPU. Its forward takes (B, 3, 256, 256) RGB
        in 0..1.
    :raises CheckpointError: if the file cannot be read; or listing missing, extra and misshapen
        tensors.
    """
    net = blank_network(CONFIG, topology)
    own = net.state_dict()
    actual = read_tensors(path)
    expected = {file_name(name): name for name in own}
    problems = [f'missing: {name}' for name in expected.keys() - actual.keys()]
    problems += [f'extra: {name}' for name in actual.keys() - expected.keys()]
    state = {}
    for name in expected.keys() & actual.keys():
        value, target = actual[name], own[expected[name]]
        if _plain_shape(value) != _plain_shape(target):
            problems.append(
                f'misshapen: {name} is {tuple(value.shape)}, expected {tuple(target.shape)}'
            )
            continue
        state[expected[name]] = value.to(target.dtype).reshape(target.shape)
    if problems:
        raise CheckpointError(
            f"'{path}' does not fit the paper's network with {topology.vertex_count} vertices:\n  "
            + '\n  '.join(sorted(problems))
        )
    net.load_state_dict(state, assign=True)
    return net.eval()


def file_name(name: str) -> str:
    """
    How the official file calls a tensor of our network, as 'part/name'.

    :param name: name in the state dict of the paper's network.
    :raises KeyError: if the official network has no such tensor.
    """
    for theirs, ours in PREFIXES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    raise KeyError(name)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """
    Read the tensors of the parts that the forward pass uses.

    :returns: tensors under 'part/name', a ``module.`` prefix removed.
    :raises CheckpointError: if the file cannot be read or has other contents.
    """
    contents = read_torch_file(path, f"cannot read weights '{path}'")
    if not isinstance(contents, dict):
        raise CheckpointError(f"'{path}' holds a {type(contents).__name__}, expected a dict")
    tensors = {}
    for part in PARTS:
        state = contents.get(part, {})
        if not isinstance(state, dict):
            raise CheckpointError(
                f"part '{part}' of '{path}' is a {type(state).__name__}, expected a dict"
            )
        for key, value in state.items():
            name = f'{part}/{str(key).removeprefix("module.")}'
            if not isinstance(value, Tensor):
                raise CheckpointError(
                    f"'{name}' of '{path}' is a {type(value).__name__}, expected a tensor"
                )
            if not name.startswith(UNUSED):
                tensors[name] = value
    return tensors


def _plain_shape(value: Tensor) -> tuple[int, ...]:
    """Shape without the trailing 1 of convolutions over a single position: linear layers here."""
    shape = tuple(value.shape)
    return shape[:-1] if len(shape) == 3 and shape[-1] == 1 else shape
