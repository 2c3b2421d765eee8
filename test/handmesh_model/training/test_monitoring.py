"""Photographs that a run is measured on beside its own samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from handmesh_model.errors import DatasetError
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.distributed import Ranks
from handmesh_model.training.trainer import Trainer

ALONE = Ranks(0, 1, torch.device('cpu'))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    root = tmp_path / 'photographs'
    (root / 'labelled').mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = np.array(['a.png', 'b.png'])
    for name in names:
        cv2.imwrite(str(root / 'labelled' / name), rng.integers(0, 256, (96, 96, 3), np.uint8))
    camera = np.array([0, 0, 0.5]) + rng.uniform(-0.08, 0.08, (2, 21, 3))
    intrinsics = np.tile(np.array([[200.0, 0, 48], [0, 200, 48], [0, 0, 1]]), (2, 1, 1))
    image = camera @ intrinsics.transpose(0, 2, 1)
    np.savez(
        root / 'labelled_reference.npz',
        files=names,
        joints_image=image[..., :2] / image[..., 2:],
        joints_camera=camera,
        intrinsics=intrinsics,
        handedness=np.array(['left', 'right']),
    )
    return root


def test_a_run_is_measured_on_them(
    tiny_run: Callable[..., TrainingConfig], photographs: Path
) -> None:
    state = Trainer(tiny_run(total_samples=40), ALONE, photographs).run()
    (figures,) = state.history
    assert figures['samples'] == 40
    assert figures['real_labelled_error_2d'] > 0
    assert figures['real_labelled_pa_mpjpe_mm'] > 0


def test_a_folder_without_them_is_told_before_anything_is_trained(
    tiny_run: Callable[..., TrainingConfig], tmp_path: Path
) -> None:
    config = tiny_run()
    with pytest.raises(DatasetError, match=r'holds neither labelled_reference\.npz'):
        Trainer(config, ALONE, tmp_path / 'elsewhere')
    assert not Path(config.output).exists()
