"""Hands whose depth is measured along the line of sight to them."""

import cv2
import numpy as np
import pytest
from depth_scenes import K, depth_of, turned

from handmesh_model.camera import distort, facing, project, relative_depth
from handmesh_model.depth_image import DepthView
from handmesh_model.hand import ScaleSource
from handmesh_model.joints import SIGHTED, WRIST
from handmesh_model.placement import place_in_camera
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.placement import crop_intrinsics, place_hand, sample_hand
from handmesh_model.synthesis.scenes import _labels
from handmesh_model.topology import HandTopology

HAND = HandTopology.open_hand()
PLACES = [(0.0, 0.0, 0.5), (0.22, -0.12, 0.55), (-0.3, 0.15, 0.5), (0.02, 0.4, 0.45)]
"""Up to forty degrees off the camera's axis."""


def hand_at(place, seed, scale=1.0):
    points = scale * HAND.template.astype(float) @ turned(seed).T
    return points - points.mean(axis=0) + place


def seen(vertices, scale=1.0):
    """What a perfect network says that measures along the ray, and the true joints."""
    joints = HAND.joint_regressor.astype(float) @ vertices
    network = {
        'joints_image': project(joints, K),
        'joints_depth': relative_depth(joints, joints, 'ray') / scale,
        'vertices_image': project(vertices, K),
        'vertices_depth': relative_depth(vertices, joints, 'ray') / scale,
    }
    return network, joints


def place(network, **more):
    arguments = {'side': 'right', 'topology': HAND, 'intrinsics': K, 'depth_axis': 'ray'}
    return place_in_camera(**network, **(arguments | more))


@pytest.mark.parametrize('ray', [(0.0, 0.0), (0.3, -0.7), (-3.0, 4.0)])
def test_a_camera_that_faces_a_ray_has_it_on_its_axis(ray):
    turn = facing(np.array(ray))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    np.testing.assert_allclose(turn @ [*ray, 1.0], [0, 0, np.hypot(1, np.hypot(*ray))], atol=1e-12)
    # No more than it has to: about an axis across both.
    expected = cv2.Rodrigues(np.cross([*ray, 1.0], [0, 0, 1.0]))[0]
    axis, _ = cv2.Rodrigues(turn)
    assert np.linalg.norm(np.cross(axis.ravel(), cv2.Rodrigues(expected)[0].ravel())) < 1e-9


@pytest.mark.parametrize('position', PLACES)
@pytest.mark.parametrize('seed', range(3))
def test_noise_free_hand_is_placed_to_a_millimetre(position, seed):
    vertices = hand_at(position, seed)
    network, joints = seen(vertices)
    placed = place(network)
    assert np.abs(placed.vertices_camera - vertices).max() < 1e-3
    assert np.abs(placed.joints_camera - joints).max() < 1e-3
    np.testing.assert_allclose(placed.wrist_pose[:3, 3], placed.joints_camera[WRIST], atol=1e-12)
    np.testing.assert_allclose(project(placed.vertices_camera, K), network['vertices_image'])


def test_depth_along_the_other_axis_would_tilt_it():
    vertices = hand_at(PLACES[1], 0)
    wrong = place(seen(vertices)[0], depth_axis='camera')
    assert np.abs(wrong.vertices_camera - vertices).max() > 0.01


def test_on_the_axis_both_are_one():
    vertices = hand_at(PLACES[0], 1)
    vertices -= (HAND.joint_regressor.astype(float) @ vertices)[SIGHTED] * (1, 1, 0)
    along_ray, along_axis = (place(seen(vertices)[0], depth_axis=a) for a in ('ray', 'camera'))
    np.testing.assert_allclose(along_ray.vertices_camera, along_axis.vertices_camera, atol=1e-9)
    np.testing.assert_allclose(along_ray.wrist_covariance, along_axis.wrist_covariance, atol=1e-9)


def test_covariance_turns_with_the_hand():
    vertices = hand_at(PLACES[0], 2)
    vertices -= (HAND.joint_regressor.astype(float) @ vertices)[SIGHTED] * (1, 1, 0)
    turn = facing(np.array([0.5, -0.3])).T
    ahead, aside = (place(seen(points)[0], pixel_noise=0.0) for points in
                    (vertices, vertices @ turn.T))  # fmt: skip
    both = np.kron(np.eye(2), turn)
    np.testing.assert_allclose(
        aside.wrist_covariance, both @ ahead.wrist_covariance @ both.T, rtol=1e-3, atol=1e-9
    )
    expected = turn @ ahead.wrist_pose[:3, :3]
    np.testing.assert_allclose(aside.wrist_pose[:3, :3], expected, atol=1e-6)


@pytest.mark.parametrize('position', [(0.0, 0.0, 0.5), (0.17, -0.11, 0.5), (-0.28, 0.12, 0.7)])
@pytest.mark.parametrize('scale', [0.9, 1.1])
def test_depth_image_places_it_whatever_its_size(position, scale):
    vertices = hand_at(position, 3, scale)
    network, joints = seen(vertices, scale)
    view = DepthView(depth_of(vertices, HAND), network['vertices_image'])
    placed = place(network, depth=view)
    assert placed.scale_source is ScaleSource.DEPTH
    assert np.abs(placed.joints_camera - joints).max() < 1e-3
    assert placed.hand_size == pytest.approx(scale * HAND.hand_size, rel=5e-3)


def test_depth_image_of_a_lens_is_read_where_the_lens_sees_the_hand():
    lens = np.array([-0.25, 0.06, 0.001, -0.001])
    vertices = hand_at((0.17, -0.11, 0.5), 3)
    network, joints = seen(vertices)
    depth = depth_of(vertices, HAND)
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]]
    pixels = np.column_stack([columns.ravel(), rows.ravel()]).astype(float)
    # Where each pixel of the lens's picture lies in the ideal camera's.
    ideal = cv2.undistortPointsIter(
        pixels[:, None], K, lens, np.eye(3), K, (cv2.TERM_CRITERIA_COUNT, 50, 0)
    )
    seen_by_lens = cv2.remap(
        depth.astype(np.float32), ideal.reshape(*depth.shape, 2).astype(np.float32), None,
        cv2.INTER_NEAREST, borderValue=float('nan'),
    )  # fmt: skip
    view = DepthView(seen_by_lens, distort(network['vertices_image'], K, lens))
    placed = place(network, depth=view)
    assert placed.scale_source is ScaleSource.DEPTH
    assert np.abs(placed.joints_camera - joints).max() < 2e-3


@pytest.mark.parametrize('aside', [0.5, 0.9])
def test_depth_image_of_a_fisheye_far_off_the_axis(aside):
    """There the factor between both axes is no linear function of the pixels."""
    focal, (height, width) = 150.0, (480, 640)
    matrix = np.array([[focal, 0, 320], [0, focal, 240], [0, 0, 1]])
    # As the lens turns with it, the mesh goes around the camera.
    turn = cv2.Rodrigues(np.array([0, aside, 0]))[0]
    vertices = hand_at((0, 0, 0.4), 3) @ turn.T
    joints = HAND.joint_regressor.astype(float) @ vertices
    network = {
        'joints_image': project(joints, matrix),
        'joints_depth': relative_depth(joints, joints, 'ray'),
        'vertices_image': project(vertices, matrix),
        'vertices_depth': relative_depth(vertices, joints, 'ray'),
    }
    seen_at = distort(network['vertices_image'], matrix, np.zeros(4), fisheye=True)
    depth = np.full((height, width), np.nan)
    # A vertex a pixel, and what lies around it.
    for pixel, z in sorted(zip(np.rint(seen_at).astype(int).tolist(), vertices[:, 2], strict=True),
                           key=lambda item: -item[1]):  # fmt: skip
        depth[pixel[1] - 2 : pixel[1] + 3, pixel[0] - 2 : pixel[0] + 3] = z
    placed = place(network, intrinsics=matrix, depth=DepthView(depth, seen_at))
    assert placed.scale_source is ScaleSource.DEPTH
    assert np.abs(placed.joints_camera - joints).max() < 0.006


def test_without_intrinsics_the_axis_makes_no_difference():
    network, _ = seen(hand_at(PLACES[1], 0))
    one, other = (place(network, intrinsics=None, depth_axis=a) for a in ('ray', 'camera'))
    np.testing.assert_array_equal(one.vertices_camera, other.vertices_camera)


@pytest.mark.parametrize('ray', [(0.0, 0.0), (0.4, 0.3)])
def test_rendered_labels_lead_back_to_the_hand(ray):
    rng = np.random.default_rng(5)
    model = HandModel.load()
    hand = place_hand(sample_hand(rng, model), turned(4), np.array([*ray, 1.0]), 0.6)
    matrix = crop_intrinsics(None, hand.vertices_camera, 128)
    labels = _labels(hand, matrix, np.zeros((128, 128, 3), np.float32))
    size = float(np.linalg.norm(hand.joints_camera[9] - hand.joints_camera[WRIST]))
    placed = place_in_camera(
        labels['joints'][:, :2],
        labels['joints'][:, 2],
        labels['vertices'][:, :2],
        labels['vertices'][:, 2],
        side='right',
        topology=HAND,
        intrinsics=matrix,
        hand_size=size,
        depth_axis='ray',
    )
    # Bones of this hand are others than the mean hand's: the distance is a little off, and with it
    # the whole, but not its shape.
    factor = hand.joints_camera[WRIST, 2] / placed.joints_camera[WRIST, 2]
    assert factor == pytest.approx(1, abs=0.08)
    gap = placed.joints_camera - placed.joints_camera[WRIST]
    gap -= hand.joints_camera - hand.joints_camera[WRIST]
    assert np.linalg.norm(gap, axis=1).max() < 0.012
