"""Hands from pixels to metres, with a registered depth image."""

import numpy as np
import pytest
from depth_scenes import SHAPE, K, depth_of, hand_at, place, seen

from handmesh_model.depth_image import DepthView
from handmesh_model.hand import ScaleSource
from handmesh_model.joints import JOINT_COUNT, PARTS, WRIST
from handmesh_model.placement import place_in_camera
from handmesh_model.topology import HandTopology

HAND = HandTopology.open_hand()


def joints_of(vertices):
    return HAND.joint_regressor.astype(float) @ vertices


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize(('distance', 'scale'), [(0.3, 0.9), (0.5, 1.05), (1.0, 1.15)])
def test_noise_free_hand_is_placed_to_a_millimetre_whatever_its_size(seed, distance, scale):
    vertices = hand_at(HAND, seed, scale, distance)
    placed = place(HAND, seen(vertices, HAND, scale), depth_of(vertices, HAND))
    assert placed.scale_source is ScaleSource.DEPTH
    assert np.abs(placed.vertices_camera - vertices).max() < 1e-3
    assert np.abs(placed.joints_camera - joints_of(vertices)).max() < 1e-3
    assert placed.hand_size == pytest.approx(scale * HAND.hand_size, rel=5e-3)


@pytest.mark.parametrize('seed', range(6))
@pytest.mark.parametrize('given', [None, 1.1 * HAND.hand_size, 1.15 * HAND.hand_size])
def test_depth_in_metres_of_a_large_hand_is_taken_as_it_is(seed, given):
    vertices = hand_at(HAND, seed, 1.15)
    network = seen(vertices, HAND)
    placed = place(HAND, network, depth_of(vertices, HAND), hand_size=given, metric_depth=True)
    assert placed.scale_source is ScaleSource.DEPTH
    assert np.abs(placed.vertices_camera - vertices).max() < 1e-3
    assert placed.hand_size == pytest.approx(1.15 * HAND.hand_size, rel=5e-3)


def test_whole_millimetres_are_read_as_such():
    vertices = hand_at(HAND, 1)
    depth = np.nan_to_num(np.round(1000 * depth_of(vertices, HAND))).astype(np.uint16)
    placed = place(HAND, seen(vertices, HAND), depth)
    assert placed.scale_source is ScaleSource.DEPTH
    assert np.abs(placed.vertices_camera - vertices).max() < 1e-3


def test_depth_comes_before_the_hand_size_and_names_the_true_one():
    vertices = hand_at(HAND, 2, 1.1)
    network = seen(vertices, HAND, 1.1)
    placed = place(HAND, network, depth_of(vertices, HAND), hand_size=HAND.hand_size)
    assert placed.scale_source is ScaleSource.DEPTH
    assert placed.hand_size == pytest.approx(1.1 * HAND.hand_size, rel=5e-3)
    assert placed.scale_note == ''


@pytest.mark.parametrize('given', [0.78, 1.3])
def test_size_that_somebody_gave_does_not_make_depth_wrong(given):
    """The distance by size is off by a quarter, four deviations of it if one believes in it."""
    vertices = hand_at(HAND, 2)
    network = seen(vertices, HAND)
    placed = place(HAND, network, depth_of(vertices, HAND), hand_size=given * HAND.hand_size)
    assert placed.scale_source is ScaleSource.DEPTH
    assert np.abs(placed.vertices_camera - vertices).max() < 1e-3


def test_what_depth_told_before_holds_where_there_is_none_now():
    vertices = hand_at(HAND, 2, 1.1)
    network = seen(vertices, HAND, 1.1)
    sizes = {'measured_size': 1.1 * HAND.hand_size, 'hand_size': 0.95 * HAND.hand_size}
    for depth, note in ((np.full(SHAPE, 3.0), 'depth puts the wrist at'), (None, '')):
        more = {} if depth is None else {'depth': DepthView(depth, network['vertices_image'])}
        more |= {'side': 'right', 'topology': HAND, 'intrinsics': K}
        placed = place_in_camera(**network, **more, **sizes)
        assert placed.scale_source is ScaleSource.MEASURED
        assert placed.scale_note.startswith(note)
        assert placed.hand_size == pytest.approx(1.1 * HAND.hand_size)
        assert np.abs(placed.vertices_camera - vertices).max() < 1e-3
    mean = place_in_camera(**network, side='right', topology=HAND, intrinsics=K)
    by_depth = place(HAND, network, depth_of(vertices, HAND))
    stated = [p.wrist_covariance[2, 2] for p in (by_depth, placed, mean)]
    assert stated == sorted(stated)


def test_what_depth_told_before_does_not_decide_what_it_tells_now():
    vertices = hand_at(HAND, 3, 1.1)
    network = seen(vertices, HAND, 1.1)
    depth = depth_of(vertices, HAND, background=1.5)
    plain = place(HAND, network, depth)
    again = place(HAND, network, depth, measured_size=0.7 * HAND.hand_size)
    assert again.scale_source is ScaleSource.DEPTH
    np.testing.assert_array_equal(again.vertices_camera, plain.vertices_camera)
    np.testing.assert_array_equal(again.wrist_covariance, plain.wrist_covariance)


def test_thing_that_hides_half_the_hand_makes_the_distance_less_sure():
    """Whichever of hand and board is taken for the hand, the other is not ruled out."""
    errors, normalised, stated = [], [], []
    for seed in range(40):
        vertices = hand_at(HAND, seed, 1.15)
        network = seen(vertices, HAND, 1.15)
        depth = depth_of(vertices, HAND, background=1.2)
        free = place(HAND, network, depth)
        columns = network['vertices_image'][:, 0]
        depth[:, : int(np.quantile(columns, 0.55))] = vertices[:, 2].min() - 0.08
        placed = place(HAND, network, depth)
        if placed.scale_source is not ScaleSource.DEPTH:
            continue
        error = placed.joints_camera[WRIST, 2] - joints_of(vertices)[WRIST, 2]
        errors.append(error)
        normalised.append(error / np.sqrt(placed.wrist_covariance[2, 2]))
        stated.append(placed.wrist_covariance[2, 2] / free.wrist_covariance[2, 2])
    assert len(stated) > 24
    # It is no use if the board is never taken for the hand.
    assert np.abs(errors).max() > 0.04
    assert np.median(stated) > 2
    assert np.abs(normalised).max() < 4


@pytest.mark.parametrize('seed', range(4))
def test_background_beside_the_silhouette_does_not_pull(seed):
    """
    The mesh lies 4 pixels, 5 mm, beside the hand, so that its rim looks at the wall.

    On a tilted hand 5 mm to the side are some in depth too; the wall is 100 mm away.
    """
    vertices = hand_at(HAND, seed)
    network = seen(vertices, HAND)
    for name in ('joints_image', 'vertices_image'):
        network[name] = network[name] + (4, -2)
    placed = place(HAND, network, depth_of(vertices, HAND, background=0.62))
    assert placed.scale_source is ScaleSource.DEPTH
    assert abs(placed.joints_camera[WRIST, 2] - joints_of(vertices)[WRIST, 2]) < 6e-3


@pytest.mark.parametrize('share', [0.5, 0.85])
def test_holes_are_left_out(share):
    vertices = hand_at(HAND, 3)
    depth = depth_of(vertices, HAND, background=1.5)
    holes = np.random.default_rng(0).random(SHAPE) < share
    for unknown in (np.nan, 0.0, np.inf, -1.0):
        depth[holes] = unknown
        placed = place(HAND, seen(vertices, HAND), depth)
        assert placed.scale_source is ScaleSource.DEPTH
        assert np.abs(placed.vertices_camera - vertices).max() < 1e-3


@pytest.mark.parametrize('before', [0.03, 0.08, 0.2])
def test_object_before_the_hand_is_looked_past(before):
    """A board hides the wrist and a third of the hand: what is below a joint is the board's."""
    vertices = hand_at(HAND, 5)
    network = seen(vertices, HAND)
    depth = depth_of(vertices, HAND, background=1.0)
    away = network['vertices_image'] - network['joints_image'][WRIST]
    limit = np.quantile(np.linalg.norm(away, axis=1), 0.35)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    pixels = np.stack([columns, rows], axis=-1)
    hidden = np.linalg.norm(pixels - network['joints_image'][WRIST], axis=-1) < limit
    depth[hidden] = vertices[:, 2].min() - before
    placed = place(HAND, network, depth)
    assert placed.scale_source is ScaleSource.DEPTH
    assert abs(placed.joints_camera[WRIST, 2] - joints_of(vertices)[WRIST, 2]) < 2e-3


@pytest.mark.parametrize(
    ('depth', 'said'),
    [
        (np.zeros(SHAPE), 'depth is known at 0 of'),
        (np.full(SHAPE, np.nan, np.float32), 'depth is known at 0 of'),
        (np.full(SHAPE, 3.0), 'depth puts the wrist at'),
        (np.full(SHAPE, 0.05, np.float32), 'depth puts the wrist at'),
        (np.random.default_rng(1).uniform(0.3, 0.7, SHAPE), 'agrees on a distance'),
    ],
)
def test_depth_that_says_nothing_of_the_hand_gives_way_to_its_size(depth, said):
    vertices = hand_at(HAND, 4)
    network = seen(vertices, HAND)
    mean = place(HAND, network, depth)
    assert mean.scale_source is ScaleSource.MEAN
    assert said in mean.scale_note
    given = place(HAND, network, depth, hand_size=HAND.hand_size)
    assert given.scale_source is ScaleSource.PARAMETER
    assert np.abs(given.vertices_camera - vertices).max() < 1e-3


def test_hand_outside_the_picture_gives_way_to_its_size():
    vertices = hand_at(HAND, 4) + np.array([2.0, 0, 0])
    placed = place(HAND, seen(vertices, HAND), np.full(SHAPE, 0.5))
    assert placed.scale_source is ScaleSource.MEAN
    assert '0 of 0 pixels' in placed.scale_note


def test_depth_makes_the_wrist_surer():
    vertices = hand_at(HAND, 6)
    network = seen(vertices, HAND)
    by_depth = place(HAND, network, depth_of(vertices, HAND))
    by_size = place(HAND, network, np.zeros(SHAPE), hand_size=HAND.hand_size)
    assert by_depth.wrist_covariance[2, 2] < by_size.wrist_covariance[2, 2] / 2


def test_covariance_covers_the_errors_it_promises():
    """Sensor, mesh and joints err as the placement supposes; errors are what it says of them."""
    rng = np.random.default_rng(8)
    normalised, depth_errors, depth_variances = [], [], []
    for number in range(60):
        scale = 1 + 0.07 * rng.normal()
        vertices = hand_at(HAND, number, scale, 0.45)
        network = seen(vertices, HAND, scale)
        network['joints_image'] = network['joints_image'] + rng.normal(0, 2, (JOINT_COUNT, 2))
        network['joints_depth'] = network['joints_depth'] + rng.normal(0, 0.01, JOINT_COUNT)
        network['joints_depth'][WRIST] = rng.normal(0, 0.002)
        of_parts = rng.normal(0, 0.01, len(PARTS))
        network['vertices_depth'] = network['vertices_depth'] + of_parts[HAND.vertex_parts]
        depth = depth_of(vertices, HAND, background=0.9) * (1 + 0.01 * rng.normal())
        depth += rng.normal(0, 0.002, SHAPE)
        placed = place(HAND, network, depth, pixel_noise=2.0)
        assert placed.scale_source is ScaleSource.DEPTH, placed.scale_note
        error = placed.wrist_pose[:3, 3] - joints_of(vertices)[WRIST]
        covariance = placed.wrist_covariance[:3, :3]
        normalised.append(error @ np.linalg.solve(covariance, error))
        depth_errors.append(error[2])
        depth_variances.append(covariance[2, 2])
    # The squared error of three numbers over their covariance is 3 on average.
    assert 1.5 < np.mean(normalised) < 6
    assert 0.5 < np.mean(np.square(depth_errors)) / np.mean(depth_variances) < 2


def test_distorted_view_is_read_where_the_picture_shows_the_hand():
    """The depth image has the lens of the picture: its pixels are not the undistorted ones."""
    vertices = hand_at(HAND, 7)
    network = seen(vertices, HAND)
    shifted = np.roll(depth_of(vertices, HAND), (0, 30), axis=(0, 1))
    view = DepthView(shifted, network['vertices_image'] + (30, 0))
    placed = place_in_camera(**network, side='right', topology=HAND, intrinsics=K, depth=view)
    assert placed.scale_source is ScaleSource.DEPTH
    assert np.abs(placed.vertices_camera - vertices).max() < 1e-3
