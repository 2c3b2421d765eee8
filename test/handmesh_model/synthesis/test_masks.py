"""Masks show the mesh that the labels put there, to a fraction of a pixel, of either hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from handmesh_model.synthesis.actors import add_hand
from handmesh_model.synthesis.appearance import sample_skin
from handmesh_model.synthesis.assembly import Assembly, Picture
from handmesh_model.synthesis.finishing import render
from handmesh_model.synthesis.frames import describe, frame_intrinsics, image_points
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.lighting import sample_light
from handmesh_model.synthesis.placement import (
    MIRROR,
    PlacedHand,
    crop_intrinsics,
    place_hand,
    sample_hand,
)
from handmesh_model.synthesis.scenes import _labels, _mirror
from handmesh_model.synthesis.viewpoints import sample_rotation
from handmesh_model.topology import HandTopology
from handmesh_model.zbuffer import visible_faces

WRIST_REACH = 0.035
"""Metres around the wrist within which the mesh's cut and the mask's end may differ."""
OWNER = 3
FACES = torch.as_tensor(HandTopology.open_hand().faces).long()


@pytest.fixture(params=[(seed, side) for seed in (0, 2, 3, 5) for side in ('right', 'left')])
def hand(request: pytest.FixtureRequest) -> PlacedHand:
    """A hand out of the picture's middle that nothing covers."""
    seed, side = request.param
    rng, model = np.random.default_rng(seed), HandModel.load()
    rotation = sample_rotation(rng)
    if side == 'left':
        rotation = rotation @ MIRROR
    ray = np.array([0.05, -0.03, 1.0])
    placed = place_hand(sample_hand(rng, model), rotation, ray / np.linalg.norm(ray), 0.5)
    assert placed.side == side
    return placed


def picture_of(hand: PlacedHand, intrinsics: np.ndarray, width: int, height: int) -> Picture:
    rng, model, assembly = np.random.default_rng(0), HandModel.load(), Assembly()
    add_hand(assembly, model, hand, sample_skin(rng), True, owner=OWNER)
    middle, light = hand.joints_camera.mean(axis=0), sample_light(rng)
    return render(assembly, rng, model, intrinsics, width, height, middle, light)


def check(mask: np.ndarray, vertices: np.ndarray, wrist: np.ndarray, reach: float) -> None:
    """
    Compare a mask with the silhouette of the label's mesh.

    :param vertices: (V, 2) pixels of the mask.
    :param wrist: (2,) pixels, around which ``reach`` pixels are left out.
    """
    height, width = mask.shape
    points = torch.from_numpy(np.pad(vertices, ((0, 0), (0, 1)), constant_values=1)).float()
    drawn = (visible_faces(points[None], FACES, height, width)[0] >= 0).numpy()
    rows, columns = np.mgrid[:height, :width]
    far = np.hypot(columns - wrist[0], rows - wrist[1]) > reach
    seen, drawn = (mask == 1) & far, drawn & far
    assert drawn.sum() > 200
    assert (seen & drawn).sum() / (seen | drawn).sum() > 0.96
    gap = np.argwhere(seen).mean(axis=0) - np.argwhere(drawn).mean(axis=0)
    assert np.abs(gap).max() < 0.3


def test_the_mask_of_a_frame_is_its_mesh(hand: PlacedHand) -> None:
    intrinsics = frame_intrinsics(128, 96, 150.0)
    picture = picture_of(hand, intrinsics, 128, 96)
    listed = describe(hand, OWNER, picture, intrinsics, HandModel.load())
    reach = WRIST_REACH * 150 / listed.joints_camera[0, 2]
    vertices = image_points(listed.vertices_camera, intrinsics)
    # A pixel is seen through four samples.
    share = (picture.owners == OWNER).reshape(96, 2, 128, 2).mean(axis=(1, 3))
    check(share > 0.5, vertices, listed.joints_image[0], reach)


def test_the_mask_of_a_crop_is_its_mesh_also_mirrored(hand: PlacedHand) -> None:
    intrinsics = crop_intrinsics(None, hand.vertices_camera, 96)
    sample = _labels(hand, intrinsics, picture_of(hand, intrinsics, 96, 96).cover)
    reach = WRIST_REACH * intrinsics[0, 0] / 2 / hand.joints_camera[0, 2]
    for _ in range(2):
        # A pixel of the mask is two by two of the crop.
        vertices, joints = ((sample[name][:, :2] - 0.5) / 2 for name in ('vertices', 'joints'))
        check(sample['mask'], vertices, joints[0], reach)
        _mirror(np.zeros((96, 96, 3), np.uint8), sample, 96)
