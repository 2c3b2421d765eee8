"""Joints made by the open hand are explained by the open hand."""

import numpy as np
import pytest

from handmesh_model.angles import LIMITS
from handmesh_model.synthesis.fitting import fit_hand
from handmesh_model.synthesis.geometry import random_rotation
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.poses import sample_pose


@pytest.mark.parametrize('seed', [1, 2])
def test_the_fit_finds_back_joints(seed: int) -> None:
    rng, model = np.random.default_rng(seed), HandModel.load()
    posed = model.pose(sample_pose(rng, model), rng.standard_normal(model.shape_count) * 0.5)
    joints = posed.joints @ random_rotation(rng).T + np.array([0.1, -0.05, 0.6])
    fit = fit_hand(model, joints)
    assert fit.error < 0.0025
    again = model.pose(fit.angles, fit.shape).joints @ fit.camera_from_wrist[:, :3].T
    again += fit.camera_from_wrist[:, 3]
    assert np.linalg.norm(again - joints, axis=1).mean() == pytest.approx(fit.error, abs=1e-6)
    assert np.linalg.det(fit.camera_from_wrist[:, :3]) == pytest.approx(1)
    assert (fit.angles > LIMITS[:, 0] - 0.1).all()
    assert (fit.angles < LIMITS[:, 1] + 0.1).all()
