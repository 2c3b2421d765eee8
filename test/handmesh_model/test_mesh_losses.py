"""Losses of points and surfaces, worked out by hand."""

import numpy as np
import pytest
import torch

from handmesh_model.mesh_losses import Surface, point_loss

FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
TRIANGLE = Surface(np.array([[0, 1, 2]]))


def test_point_loss_counts_valid_samples_alone():
    predicted = torch.zeros(3, 2, 3)
    target = torch.stack([torch.ones(2, 3), torch.full((2, 3), torch.nan), torch.ones(2, 3) * 3])
    loss = point_loss(predicted, target, torch.tensor([True, False, True]))
    assert loss.item() == pytest.approx(2.0)


def test_edge_loss_is_the_difference_in_length():
    target = torch.tensor([[[0.0, 0, 0], [2, 0, 0], [0, 3, 0]]])
    loss = TRIANGLE.edge_loss(target * 2 + 5, target, torch.tensor([True]))
    assert loss.item() == pytest.approx((2 + 3 + np.sqrt(13)) / 3)


def test_normal_loss_is_zero_in_the_true_plane_and_one_across_it():
    valid = torch.tensor([True])
    target = torch.tensor([[[0.0, 0, 0], [2, 0, 0], [0, 3, 0]]])
    assert TRIANGLE.normal_loss(target * 4, target, valid).item() == pytest.approx(0.0)
    upright = torch.tensor([[[0.0, 0, 0], [0, 0, 2], [0, 0, 5]]])
    assert TRIANGLE.normal_loss(upright, target, valid).item() == pytest.approx(1.0)


def test_normal_loss_counts_each_edge_of_each_face():
    generator = torch.Generator().manual_seed(2)
    predicted, target = torch.rand(2, 1, 4, 3, generator=generator) * 10
    cosines = []
    for face in FACES:
        a, b, c = target[0, face]
        normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=0)
        for i in range(3):
            edge = predicted[0, face[i]] - predicted[0, face[i - 1]]
            cosines.append((torch.nn.functional.normalize(edge, dim=0) @ normal).abs())
    loss = Surface(FACES).normal_loss(predicted, target, torch.tensor([True]))
    torch.testing.assert_close(loss, torch.stack(cosines).mean())
    # Without the last face three of the edges lie on the border.
    loss = Surface(FACES[:3]).normal_loss(predicted, target, torch.tensor([True]))
    torch.testing.assert_close(loss, torch.stack(cosines[:9]).mean())


def test_normal_loss_of_a_collapsed_mesh_has_a_bounded_gradient():
    target = torch.tensor([[[0.0, 0, 0], [2, 0, 0], [0, 3, 0]]])
    collapsed = (target.roll(1, dims=-1) * 1e-6).requires_grad_()
    TRIANGLE.normal_loss(collapsed, target, torch.tensor([True])).backward()
    assert torch.isfinite(collapsed.grad).all()
    assert collapsed.grad.abs().max() < 20
