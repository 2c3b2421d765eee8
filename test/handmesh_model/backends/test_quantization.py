from dataclasses import replace

import numpy as np
import pytest
import torch

from handmesh_model.backends import create_backend, quantization
from handmesh_model.backends.quantization import rendered_crops, vertex_distance
from handmesh_model.checkpoints import load_network
from handmesh_model.errors import BackendError
from handmesh_model.weight_files import weight_files

CPU = torch.device('cpu')


@pytest.fixture
def few_crops(monkeypatch):
    monkeypatch.setattr(quantization, 'CALIBRATION_CROPS', 12)
    monkeypatch.setattr(quantization, 'CHECK_CROPS', 4)


def test_the_same_crops_come_again_and_others_do_not():
    first, second = rendered_crops(2, 32), rendered_crops(2, 32)
    other = rendered_crops(1, 32, first=2)
    assert [crop.shape for crop in first] == [(1, 32, 32, 3)] * 2
    np.testing.assert_array_equal(first, second)
    assert (other[0] != first[0]).any()


def test_int8_stays_near_float32_and_is_made_once(net, few_crops, monkeypatch, tmp_path):
    monkeypatch.setenv('HANDMESH_CACHE', str(tmp_path))
    monkeypatch.setattr(quantization, 'MEAN_BOUND', 0.03)
    exact = create_backend('openvino', net, CPU)
    small = create_backend('openvino', net, CPU, 'int8')
    assert small.precision == 'int8'
    crops = rendered_crops(6, 64, first=100)
    moved = vertex_distance(
        lambda crop: exact.run(crop).vertices, lambda crop: small.run(crop).vertices, crops
    )
    # What sees nothing can at best give the mean mesh of all crops.
    meshes = np.concatenate([exact.run(crop).vertices for crop in crops])
    blind = np.linalg.norm(meshes - meshes.mean(axis=0), axis=2).mean()
    assert 0 < moved < 0.85 * blind
    small.run(crops[0], refine=False)
    small._compiling.join()
    regressor = net.topology.joint_regressor
    for crop in crops:
        rough = small.run(crop, refine=False)
        assert not rough.refined
        for result in (small.run(crop), rough):
            assert np.abs(result.joints - regressor @ rough.vertices).max() < 0.05
    monkeypatch.setattr(quantization, 'quantize', None)
    again = create_backend('openvino', net, CPU, 'int8')
    for a, b in zip(again.run(crops[0]), small.run(crops[0]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize('weights', ['open', 'open-large'])
def test_the_shipped_weights_are_accepted_in_int8(monkeypatch, tmp_path, weights):
    monkeypatch.setenv('HANDMESH_CACHE', str(tmp_path))
    attempts = []
    monkeypatch.setattr(quantization.log, 'info', lambda *text: attempts.append(text))
    backend = create_backend('openvino', load_network(weight_files(weights, CPU)[0]), CPU, 'int8')
    assert backend.precision == 'int8'
    assert not attempts, 'the mesh stage had to stay float32'


def test_int8_that_moves_vertices_too_far_is_refused(net, few_crops, monkeypatch, tmp_path):
    monkeypatch.setenv('HANDMESH_CACHE', str(tmp_path))
    monkeypatch.setattr('nncf.quantize', lambda model, *_, **__: model)
    monkeypatch.setattr(quantization, 'vertex_distance', lambda *_: 0.17)
    with pytest.raises(
        BackendError, match=r'int8 moves vertices by 0\.170 lixels in the mean, at most 0\.160'
    ):
        create_backend('openvino', net, CPU, 'int8')
    assert not list(tmp_path.glob('openvino-int8-*'))


def test_the_mesh_stage_stays_float_where_vertices_would_move(
    net, few_crops, monkeypatch, tmp_path
):
    monkeypatch.setenv('HANDMESH_CACHE', str(tmp_path))
    kept, moved = [], [0.17, 0.1]

    def quantize(model, *_, ignored_scope, **__):
        kept.append([pattern for pattern in ignored_scope.patterns if 'mesh_stage.*' in pattern])
        return model

    monkeypatch.setattr('nncf.quantize', quantize)
    monkeypatch.setattr(quantization, 'vertex_distance', lambda *_: moved[len(kept) - 1])
    backend = create_backend('openvino', net, CPU, 'int8')
    assert kept == [[], ['.*mesh_stage.*']]
    assert backend.precision == 'int8'


@pytest.mark.parametrize('module', ['nncf', 'handmesh_model.synthesis.dataset'])
def test_what_calibration_lacks_is_told(net, monkeypatch, tmp_path, module):
    import sys

    monkeypatch.setenv('HANDMESH_CACHE', str(tmp_path))
    monkeypatch.setitem(sys.modules, module, None)
    other = type(net)(replace(net.config, confidence_spread=1.7), net.topology)
    with pytest.raises(BackendError, match=r"pip install '\.\[export,train\]'"):
        create_backend('openvino', other, CPU, 'int8')
