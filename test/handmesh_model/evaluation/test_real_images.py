"""Figures on real photographs, with a network that knows the answers."""

import numpy as np
import pytest

from handmesh_model.datasets.real_images import read_real_images
from handmesh_model.errors import DatasetError
from handmesh_model.evaluation.real_images import (
    evaluate_network_on_real,
    interval,
    score_sample,
    summarize,
)
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


def test_interval_of_a_mean_narrows_with_photographs_and_holds_the_truth(real_folder):
    sample = read_real_images(real_folder)['labelled'][0]
    rng = np.random.default_rng(3)
    rows = [
        {'found': 1.0, 'error_2d': error, 'side': float(error < 0.1)}
        for error in rng.normal(0.05, 0.02, 400)
    ]
    few, many = (interval([sample] * n, rows[:n]) for n in (25, 400))
    for (low, high), count in ((few, 25), (many, 400)):
        mean = np.mean([row['error_2d'] for row in rows[:count]])
        # Of normal errors, 1.96 deviations of the mean to either side.
        assert high['error_2d'] - mean == pytest.approx(1.96 * 0.02 / count**0.5, rel=0.25)
        assert mean - low['error_2d'] == pytest.approx(1.96 * 0.02 / count**0.5, rel=0.25)
        assert low['found'] == high['found'] == 1.0
    assert 0.9 < many[0]['side'] <= many[1]['side'] <= 1.0


def test_interval_leaves_out_what_no_photograph_has(real_folder):
    samples = read_real_images(real_folder)['labelled'][:2]
    low, high = interval(samples, [{'found': 0.0}, {'found': 0.0}])
    assert low == high == {'found': 0.0, 'pck_05_all': 0.0}
