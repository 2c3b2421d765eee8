"""Evaluation on rendered crops, from a file of drawn ones."""

import json

import numpy as np
import pytest
import torch

from handmesh_model.checkpoints import save_checkpoint
from handmesh_model.cli import USER_ERROR, main
from handmesh_model.network import HandMeshNet
from handmesh_model.training.batches import empty_batch


@pytest.fixture
def weights(tiny_config, joint_mesh, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / 'mesh.safetensors'
    save_checkpoint(path, HandMeshNet(tiny_config(presence=True, side=True), joint_mesh), {})
    return path


def samples(vertex_count, count=5):
    rng = np.random.default_rng(0)
    batch = empty_batch(count, 64, vertex_count)
    for array in batch.values():
        array[...] = rng.uniform(0, 1, array.shape) * (60 if array.ndim == 3 else 1)
    batch['mesh_valid'][:], batch['presence'][:], batch['side'][:] = True, 1, 1
    return batch


def test_command_measures_the_samples(weights, joint_mesh, tmp_path, capsys):
    np.savez(tmp_path / 'set.npz', **samples(joint_mesh.vertex_count))
    out = tmp_path / 'out'
    arguments = ['evaluate', tmp_path / 'set.npz', '--dataset', 'synthetic', '--out', out]
    arguments += ['--weights', weights, '--device', 'cpu']
    assert main([str(word) for word in [*arguments, '--limit', 4]]) == 0
    summary = json.loads((out / 'results.json').read_text())['summary']
    assert summary['count'] == 4
    assert summary['pa_mpvpe_mm'] > 0
    assert 'PA-MPVPE mm' in capsys.readouterr().out


def test_place_that_cannot_be_written_is_told_before_anything_is_measured(
    weights, joint_mesh, tmp_path, capsys, monkeypatch
):
    measuring = 'handmesh_model.evaluation.synthetic.validate'
    monkeypatch.setattr(measuring, lambda *_: pytest.fail('measures'))
    np.savez(tmp_path / 'set.npz', **samples(joint_mesh.vertex_count))
    out = tmp_path / 'set.npz' / 'below'
    arguments = ['evaluate', tmp_path / 'set.npz', '--dataset', 'synthetic', '--out', out]
    arguments += ['--weights', weights, '--device', 'cpu']
    assert main([str(word) for word in arguments]) == USER_ERROR
    assert f"cannot write '{out}/results.json'" in capsys.readouterr().err


def test_meshes_of_another_topology_are_refused(weights, joint_mesh, tmp_path, capsys):
    np.savez(tmp_path / 'set.npz', **samples(joint_mesh.vertex_count + 1))
    arguments = ['evaluate', str(tmp_path / 'set.npz'), '--dataset', 'synthetic']
    assert main([*arguments, '--weights', str(weights), '--device', 'cpu']) == USER_ERROR
    assert f'{joint_mesh.vertex_count + 1} vertices' in capsys.readouterr().err
