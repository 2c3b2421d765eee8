"""Figures on real photographs, with a network that knows the answers."""

import numpy as np
import pytest

from handmesh_model.datasets.real_images import read_real_images
from handmesh_model.errors import DatasetError
from handmesh_model.evaluation import evaluate_network_on_real
from handmesh_model.evaluation.real_images import score_sample, summarize
from handmesh_model.metrics import box_diagonal


@pytest.mark.parametrize('batch_size', [1, 2, 8])
def test_true_answers_have_no_error_for_either_side(real_folder, knowing_net, batch_size):
    net = knowing_net().train()
    figures = evaluate_network_on_real(net, real_folder, batch_size)
    assert net.training
    for kind in ('labelled', 'clip'):
        assert figures[f'{kind}_count'] == 3
        assert figures[f'{kind}_found'] == 1.0
        assert figures[f'{kind}_error_2d'] == pytest.approx(0, abs=1e-5)
        assert figures[f'{kind}_pck_05'] == 1.0
    assert figures['labelled_pa_mpjpe_mm'] == pytest.approx(0, abs=1e-3)
    assert figures['labelled_mpjpe_mm'] == pytest.approx(0, abs=0.5)


def test_a_shift_in_the_image_is_measured_against_the_box_diagonal(real_folder, knowing_net):
    figures = evaluate_network_on_real(knowing_net(offset_pixels=3.0), real_folder)
    for kind, samples in read_real_images(real_folder).items():
        judged = [s for s in samples if s.reliable]
        expected = np.mean([np.hypot(3, 3) / box_diagonal(s.joints_image) for s in judged])
        assert figures[f'{kind}_error_2d'] == pytest.approx(expected, rel=1e-4)


def test_hand_not_found_has_no_error_but_no_correct_joint_either(real_folder):
    samples = read_real_images(real_folder)['labelled'][:2]
    rows = [
        {'found': 1.0, 'error_2d': 0.1, 'pck_05': 0.8},
        score_sample(samples[1], None, np.zeros((1, 3), int)),
    ]
    figures = summarize(samples, rows)
    assert figures['found'] == 0.5
    assert figures['error_2d'] == pytest.approx(0.1)
    assert figures['pck_05'] == pytest.approx(0.8)
    assert figures['pck_05_all'] == pytest.approx(0.4)


def test_folder_without_images_is_refused(tmp_path, knowing_net):
    with pytest.raises(DatasetError, match=r'labelled_reference\.npz'):
        evaluate_network_on_real(knowing_net(), tmp_path)
