"""Starting encoders from a classifier's weights."""

import pytest
import torch
from safetensors.torch import save_file

from handmesh_model.errors import CheckpointError
from handmesh_model.network import HandMeshNet
from handmesh_model.training.encoder_weights import load_encoders


@pytest.fixture
def classifier(tiny_config, topology):
    """Weights of a classifier of the same layers, named as torchvision names them."""
    torch.manual_seed(5)
    stage = HandMeshNet(tiny_config(), topology).joint_stage
    state = {**stage.stem.state_dict(), **stage.encoder.state_dict()}
    state = {k: torch.rand_like(v) if v.is_floating_point() else v for k, v in state.items()}
    return {**state, 'fc.weight': torch.zeros(1000, 64), 'fc.bias': torch.zeros(1000)}


@pytest.mark.parametrize('joint_stage', [True, False])
@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_both_encoders_and_the_stem_take_them(
    classifier, tiny_config, topology, tmp_path, suffix, joint_stage
):
    path = tmp_path / f'resnet.{suffix}'
    (save_file if suffix == 'safetensors' else torch.save)(classifier, path)
    net = HandMeshNet(tiny_config(joint_stage=joint_stage), topology)
    load_encoders(net, path)
    stem = net.joint_stage.stem if joint_stage else net.stem
    torch.testing.assert_close(stem.conv1.weight, classifier['conv1.weight'])
    encoders = [net.mesh_stage.encoder] + ([net.joint_stage.encoder] if joint_stage else [])
    for encoder in encoders:
        for name, value in encoder.state_dict().items():
            torch.testing.assert_close(value, classifier[name])


def test_files_without_batch_counts_are_taken(classifier, tiny_config, topology, tmp_path):
    old = {k: v for k, v in classifier.items() if not k.endswith('num_batches_tracked')}
    torch.save(old, tmp_path / 'old.pth')
    net = HandMeshNet(tiny_config(), topology)
    load_encoders(net, tmp_path / 'old.pth')
    torch.testing.assert_close(net.joint_stage.stem.conv1.weight, old['conv1.weight'])


def test_other_layers_are_listed(classifier, tiny_config, topology, tmp_path):
    del classifier['layer1.0.conv1.weight']
    torch.save(classifier, tmp_path / 'resnet.pth')
    with pytest.raises(CheckpointError, match=r'(?s)1 differences.*missing: layer1\.0\.conv1'):
        load_encoders(HandMeshNet(tiny_config(), topology), tmp_path / 'resnet.pth')
    with pytest.raises(CheckpointError, match=r'misshapen: conv1\.weight is'):
        load_encoders(HandMeshNet(tiny_config(width=4), topology), tmp_path / 'resnet.pth')
    stem = {k: v for k, v in classifier.items() if k.startswith(('conv1.', 'bn1.'))}
    torch.save(stem, tmp_path / 'resnet.pth')
    with pytest.raises(CheckpointError, match=r'(?s)missing: layer1\.0.*\n  and \d+ more$'):
        load_encoders(HandMeshNet(tiny_config(), topology), tmp_path / 'resnet.pth')


def test_unreadable_file_is_named(tiny_config, topology, tmp_path):
    (tmp_path / 'resnet.pth').write_bytes(b'nothing')
    (tmp_path / 'cut.pth').write_bytes(b'\x80\x02.')
    net = HandMeshNet(tiny_config(), topology)
    for name in ('resnet.pth', 'cut.pth', 'none.pth', 'none.safetensors'):
        with pytest.raises(CheckpointError, match=f"cannot read encoder weights '.*{name}'"):
            load_encoders(net, tmp_path / name)
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(CheckpointError, match='hold a list, expected a state dict'):
        load_encoders(net, tmp_path / 'list.pth')
