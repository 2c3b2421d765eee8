"""What a depth image says where a mesh is seen."""

import numpy as np
import pytest
from depth_scenes import SHAPE, K, depth_of, hand_at, seen

from handmesh_model.depth_image import DepthView, check_depth, depth_in_metres, sample_surface
from handmesh_model.errors import ImageError, ShapeError
from handmesh_model.topology import HandTopology

HAND = HandTopology.open_hand()


@pytest.mark.parametrize(
    ('depth', 'error', 'said'),
    [
        ([[1.0]], ImageError, 'is a list'),
        (np.ones((4, 6), np.uint8), ImageError, 'uint8, expected uint16'),
        (np.ones((4, 6), np.int32), ImageError, 'int32, expected uint16'),
        (np.ones((4, 6, 1), np.uint16), ShapeError, r'\(4, 6, 1\), expected \(4, 6\)'),
        (np.ones((6, 4), np.float32), ShapeError, r'\(6, 4\), expected \(4, 6\)'),
    ],
)
def test_what_is_no_depth_image_of_the_picture_is_named(depth, error, said):
    with pytest.raises(error, match=said):
        check_depth(depth, 4, 6)


@pytest.mark.parametrize('kind', [np.uint16, np.float16, np.float32, np.float64])
def test_depth_images_pass_as_they_are(kind):
    depth = np.ones((4, 6), kind)
    assert check_depth(depth, 4, 6) is depth


def test_units_and_gaps():
    whole = depth_in_metres(np.array([0, 1, 500, 65535], np.uint16))
    np.testing.assert_allclose(whole, [np.nan, 0.001, 0.5, 65.535])
    floating = depth_in_metres(np.array([0.0, -1, np.nan, np.inf, 0.5], np.float32))
    np.testing.assert_allclose(floating, [np.nan, np.nan, np.nan, np.nan, 0.5])


@pytest.mark.parametrize('seed', range(3))
def test_samples_look_at_the_visible_surface_only(seed):
    vertices = hand_at(HAND, seed)
    network = seen(vertices, HAND)
    depth = depth_of(vertices, HAND)
    view = DepthView(depth, network['vertices_image'])
    samples = sample_surface(view, network['vertices_depth'], HAND, 0.5 / K[0, 0])
    wrist = vertices[:, 2] - network['vertices_depth']
    assert len(samples.measured) > 100
    # The far side of the hand is centimetres away.
    np.testing.assert_allclose(samples.measured - samples.offsets, wrist[0], atol=5e-4)


def test_samples_keep_away_from_the_silhouette():
    """Also of a mesh that lies a pixel off, none looks past the hand."""
    vertices = hand_at(HAND, 1)
    network = seen(vertices, HAND)
    depth = depth_of(vertices, HAND, background=2.0)
    view = DepthView(depth, network['vertices_image'] + (0.9, -0.9))
    samples = sample_surface(view, network['vertices_depth'], HAND, 0.5 / K[0, 0])
    assert (samples.measured < 1).all()


def test_number_of_samples_is_bounded():
    vertices = hand_at(HAND, 1)
    pixels = seen(vertices, HAND)['vertices_image'] * 8
    large = np.full((SHAPE[0] * 8, SHAPE[1] * 8), 500, np.uint16)
    samples = sample_surface(DepthView(large, pixels), vertices[:, 2], HAND, 0.5 / K[0, 0] / 8)
    assert 300 < len(samples.measured) < 72 * 72
