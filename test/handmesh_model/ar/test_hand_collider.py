"""The hand's capsules: as thick as the hand, where the hand is, turning no more than it."""

import numpy as np
import pytest

from handmesh_model.ar.hand_collider import HandShape, bone_rotations
from handmesh_model.errors import ShapeError
from handmesh_model.joints import BONES
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.poses import GESTURES
from handmesh_model.topology import HandTopology


@pytest.fixture(scope='module')
def parts():
    return HandTopology.open_hand().vertex_parts


def posed(name):
    model = HandModel.load()
    return model.pose(GESTURES[name], np.zeros(model.shape_count))


@pytest.mark.parametrize('name', ['open', 'pinch', 'fist', 'spread'])
def test_capsules_follow_the_skin(parts, name):
    rest = posed('open')
    shape = HandShape.fit(rest.joints, rest.mesh, parts)
    hand = posed(name)
    distance = shape.capsules(hand.joints).distance(hand.mesh)
    assert abs(distance).mean() < 0.003
    # The web between thumb and palm is the farthest.
    assert distance.max() < 0.015


def test_capsules_end_where_fingers_end(parts):
    hand = posed('open')
    shape = HandShape.fit(hand.joints, hand.mesh, parts)
    capsules = shape.capsules(hand.joints)
    for finger in range(5):
        bone = 4 * finger + 3
        reach = capsules.half_lengths[bone] + capsules.radii[bone]
        end = capsules.centers[bone] + reach * capsules.directions[bone]
        skin = hand.mesh[parts == finger + 1] @ capsules.directions[bone]
        assert end @ capsules.directions[bone] == pytest.approx(skin.max(), abs=0.002)


def test_mean_shape_is_near_the_measured_one(parts):
    hand = posed('open')
    measured = HandShape.fit(hand.joints, hand.mesh, parts)
    mean = HandShape.from_size(float(np.linalg.norm(hand.joints[9])))
    assert abs(measured.radii - mean.radii).mean() < 0.003


def test_rotations_are_proper_and_along_the_bones():
    hand = posed('fist')
    ends = hand.joints[np.array(BONES)].astype(np.float64)
    directions = ends[:, 1] - ends[:, 0]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    rotations = bone_rotations(directions, np.eye(3))
    np.testing.assert_allclose(rotations[:, :, 2], directions, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-9)


def test_rotations_turn_with_the_hand():
    hand = posed('rest')
    ends = hand.joints[np.array(BONES)].astype(np.float64)
    directions = ends[:, 1] - ends[:, 0]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    angle = 0.7
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    moved = bone_rotations(directions @ turn.T, turn)
    np.testing.assert_allclose(moved, turn @ bone_rotations(directions, np.eye(3)), atol=1e-9)


def test_wrong_shapes_are_named(parts):
    hand = posed('open')
    with pytest.raises(ShapeError, match='joints'):
        HandShape.fit(hand.joints[:20], hand.mesh, parts)
    with pytest.raises(ShapeError, match='vertices'):
        HandShape.fit(hand.joints, hand.mesh[:5], parts)
