import numpy as np
import pytest
from hands import hand_at
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from handmesh_model.hand import TrackState
from handmesh_model.topology import HandTopology
from handmesh_ros.markers import NAMESPACES, MarkerBuilder

TOPOLOGY = HandTopology.open_hand()
HEADER = Header(frame_id='head')


@pytest.fixture
def builder():
    return MarkerBuilder(TOPOLOGY)


def points_of(marker):
    return np.array([(p.x, p.y, p.z) for p in marker.points])


def test_a_hand_is_a_mesh_joints_and_bones(builder):
    hand = hand_at((0, 0, 0.5), track_id=7)
    mesh, joints, bones = builder.build([hand], HEADER).markers
    assert [m.ns for m in (mesh, joints, bones)] == list(NAMESPACES)
    assert {m.id for m in (mesh, joints, bones)} == {7}
    kinds = (Marker.TRIANGLE_LIST, Marker.SPHERE_LIST, Marker.LINE_LIST)
    assert tuple(m.type for m in (mesh, joints, bones)) == kinds
    assert points_of(mesh).shape == (3 * len(TOPOLOGY.faces), 3)
    np.testing.assert_allclose(points_of(joints), hand.joints_camera)
    assert points_of(bones).shape == (40, 3)


@pytest.mark.parametrize('side', ['left', 'right'])
def test_mesh_winding_keeps_the_outside_outside(builder, side):
    hand = hand_at((0, 0, 0.5), side=side)
    corners = points_of(builder.build([hand], HEADER).markers[0]).reshape(-1, 3, 3)
    corners = corners - hand.joints_camera[0]
    # A closed surface seen counter-clockwise from outside encloses a positive volume. The wrist is
    # open, but lies in the origin, so that the missing lid adds nothing.
    volume = np.einsum('ni,ni->n', corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum()
    assert volume > 0


def test_rviz_rules(builder):
    hands = [hand_at((0, 0, 0.5), 'left', 1), hand_at((0.2, 0, 0.5), 'right', 2)]
    for marker in builder.build(hands, HEADER).markers:
        assert marker.points
        assert np.isfinite(points_of(marker)).all()
        assert not marker.colors
        assert not marker.frame_locked
        assert marker.color.a == 1.0
        assert marker.scale.x > 0
        assert marker.pose.orientation.w == 1.0
        assert marker.header == HEADER
        assert marker.lifetime.sec > 0


def test_hands_that_left_are_deleted_once(builder):
    left, right = hand_at((0, 0, 0.5), 'left', 1), hand_at((0.2, 0, 0.5), 'right', 2)
    builder.build([left, right], HEADER)
    markers = builder.build([right], HEADER).markers
    deleted = {(m.ns, m.id) for m in markers if m.action == Marker.DELETE}
    assert deleted == {(namespace, 1) for namespace in NAMESPACES}
    assert {m.id for m in markers if m.action == Marker.ADD} == {2}
    assert len(builder.build([], HEADER).markers) == 3
    assert builder.build([], HEADER).markers == []


def test_held_hands_are_shown_fainter(builder):
    (mesh, *_) = builder.build([hand_at((0, 0, 0.5), state=TrackState.HELD)], HEADER).markers
    assert 0 < mesh.color.a < 1
