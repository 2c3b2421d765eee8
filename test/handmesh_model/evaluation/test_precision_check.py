import pytest

from handmesh_model.errors import DatasetError
from handmesh_model.evaluation import precision_check
from handmesh_model.evaluation.precision_check import PrecisionCheck, check_precision


@pytest.mark.parametrize(
    ('other', 'accepted'), [(10.0, True), (9.0, True), (10.29, True), (10.3001, False)]
)
def test_less_than_the_bound_is_accepted(other, accepted):
    check = PrecisionCheck(98, 10.0, other)
    assert check.worse_mm == pytest.approx(other - 10)
    assert check.accepted is accepted


@pytest.fixture
def stand_in(monkeypatch, weights_folder, joint_mesh):
    """The predictor of a tiny network of this folder's topology, in every precision."""
    import torch

    from handmesh_model.checkpoints import load_network, save_checkpoint
    from handmesh_model.network import HandMeshNet

    torch.manual_seed(0)
    config = load_network(weights_folder / 'mesh.safetensors').config
    path = weights_folder / 'of_this_topology.safetensors'
    save_checkpoint(path, HandMeshNet(config, joint_mesh))
    asked = []
    predictor = precision_check.HandMeshPredictor

    def make(weights, backend, precision):
        asked.append((backend, precision))
        return predictor(weights, device='cpu', backend='eager')

    monkeypatch.setattr(precision_check, 'HandMeshPredictor', make)
    return path, asked


def test_both_precisions_see_the_same_photographs(stand_in, real_folder):
    path, asked = stand_in
    check = check_precision(path, real_folder, 'openvino', 'int8')
    assert asked == [('openvino', 'float32'), ('openvino', 'int8')]
    assert check.photographs == 3
    assert check.float32_mm > 0
    assert check.worse_mm == 0
    assert check.accepted


def test_a_folder_without_photographs_is_an_error(stand_in, tmp_path):
    with pytest.raises(DatasetError):
        check_precision(stand_in[0], tmp_path, 'openvino', 'int8')
