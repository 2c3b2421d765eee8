"""Markers to meshes and back."""

import numpy as np
import pytest
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from handmesh_model.ar.panels import load_panel
from handmesh_model.ar.stage import cube_stage, pour_stage
from handmesh_model.ar.world import HandWorld
from handmesh_ros import ar_markers
from handmesh_ros.ar_board import MAX_MARKERS, ObjectBoard
from handmesh_ros.ar_markers import panel_markers, world_markers
from handmesh_ros.ar_shapes import shape_of_marker


def marker(kind=Marker.CUBE, scale=(0.1, 0.2, 0.3), number=0, namespace='a', stamp=1, **fields):
    message = Marker(type=kind, ns=namespace, id=number, action=Marker.ADD, **fields)
    message.header.frame_id = 'camera'
    message.header.stamp.sec = stamp
    message.scale.x, message.scale.y, message.scale.z = scale
    message.pose.orientation.w = 1.0
    message.color.r, message.color.a = 1.0, 0.5
    return message


def nowhere(frame):
    return None


def mesh_of_marker(marker):
    return shape_of_marker(marker).mesh


def points(*rows):
    return [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in rows]


@pytest.mark.parametrize('kind', [Marker.CUBE, Marker.SPHERE, Marker.CYLINDER])
def test_solids_have_the_extent_of_their_scale(kind):
    mesh = mesh_of_marker(marker(kind))
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), [0.1, 0.2, 0.3], rtol=0.02)


def test_lists_and_triangles():
    spheres = mesh_of_marker(
        marker(Marker.SPHERE_LIST, (0.01,) * 3, points=points((0, 0, 1), (1, 0, 1)))
    )
    assert np.ptp(spheres.vertices[:, 0]) == pytest.approx(1.01, abs=1e-3)
    triangle = mesh_of_marker(
        marker(Marker.TRIANGLE_LIST, (1.0,) * 3, points=points((0, 0, 0), (1, 0, 0), (0, 1, 0)))
    )
    assert len(triangle.faces) == 1


def test_a_list_is_as_opaque_as_the_first_of_its_colours():
    colors = [ColorRGBA(g=1.0, a=0.75), ColorRGBA(b=1.0, a=1.0)]
    place = points((0, 0, 1), (1, 0, 1))
    spheres = marker(Marker.SPHERE_LIST, (0.01,) * 3, points=place, colors=colors)
    spheres.color = ColorRGBA()
    # As in RViz, a solid has no use for them.
    cube = marker(Marker.CUBE, number=1, colors=colors)
    board = ObjectBoard()
    board.take(MarkerArray(markers=[spheres, cube]), 0.0)
    listed, solid = board.placed('camera', nowhere, 0.0)
    assert (listed.color, listed.opacity) == ((0.0, 1.0, 0.0), 0.75)
    assert (solid.color, solid.opacity) == ((1.0, 0.0, 0.0), 0.5)


RGB = [ColorRGBA(r=1.0), ColorRGBA(g=1.0), ColorRGBA(b=1.0)]


@pytest.mark.parametrize('kind', [Marker.CUBE_LIST, Marker.SPHERE_LIST])
def test_each_of_a_list_is_painted_in_its_own_colour(kind):
    mesh = mesh_of_marker(marker(kind, (0.1,) * 3, points=grid(3), colors=RGB))
    place = np.round(mesh.vertices[:, 0]).astype(int)
    assert len(mesh.colors) == len(mesh.vertices)
    np.testing.assert_array_equal(mesh.colors, np.eye(3)[place])
    for colors in ([], RGB[:1]):
        assert mesh_of_marker(marker(kind, points=grid(3), colors=colors)).colors is None


def test_colours_of_a_list_that_is_cut_are_cut_too(monkeypatch):
    monkeypatch.setattr('handmesh_ros.ar_shapes.MAX_MARKER_TRIANGLES', 2 * 12)
    mesh = mesh_of_marker(marker(Marker.CUBE_LIST, points=grid(3), colors=RGB))
    np.testing.assert_array_equal(np.unique(mesh.colors, axis=0), [[0, 1, 0], [1, 0, 0]])
    monkeypatch.setattr('handmesh_ros.ar_shapes.MAX_MARKER_TRIANGLES', 1)
    mesh = mesh_of_marker(marker(Marker.TRIANGLE_LIST, points=grid(6), colors=RGB[:2]))
    np.testing.assert_array_equal(mesh.colors, [[1, 0, 0]] * 3)


def test_triangles_are_painted_by_corner_or_each_in_its_own_colour():
    corners = points((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (0, 1, 1))
    by_corner = mesh_of_marker(marker(Marker.TRIANGLE_LIST, points=corners, colors=2 * RGB))
    np.testing.assert_array_equal(by_corner.colors[by_corner.faces], [np.eye(3)] * 2)
    each = mesh_of_marker(marker(Marker.TRIANGLE_LIST, points=corners, colors=RGB[:2]))
    np.testing.assert_array_equal(each.colors[each.faces], [[[1, 0, 0]] * 3, [[0, 1, 0]] * 3])
    odd = marker(Marker.TRIANGLE_LIST, points=corners, colors=RGB)
    assert mesh_of_marker(odd).colors is None


def test_what_cannot_be_drawn_is_none():
    assert mesh_of_marker(marker(Marker.ARROW)) is None
    assert mesh_of_marker(marker(scale=(0.0, 1.0, 1.0))) is None
    assert mesh_of_marker(marker(scale=(float('nan'), 1.0, 1.0))) is None
    assert mesh_of_marker(marker(Marker.SPHERE_LIST, points=points((np.nan, 0, 0)))) is None


def grid(count):
    """So many places, 1 m apart along x."""
    return points(*((number, 0, 1) for number in range(count)))


@pytest.mark.parametrize(('kind', 'most'), [(Marker.CUBE_LIST, 8333), (Marker.SPHERE_LIST, 5000)])
def test_long_lists_are_drawn_whole_and_longer_ones_cut_with_a_word(kind, most):
    def drawn(count):
        shape = shape_of_marker(marker(kind, (0.5,) * 3, points=grid(count)))
        return np.ptp(shape.mesh.vertices[:, 0]), shape.lack

    for count in (100, 2000, most):
        extent, lack = drawn(count)
        assert (extent > count - 1, lack) == (True, '')
    extent, lack = drawn(most + 1)
    assert extent < most
    assert lack == f'with more than {most} points: the rest is not drawn'


def test_lists_are_as_fine_as_there_is_room():
    few, many = (mesh_of_marker(marker(Marker.CUBE_LIST, points=grid(n))) for n in (520, 521))
    assert (len(few.faces), len(many.faces)) == (520 * 192, 521 * 12)


def test_triangles_that_are_too_many_are_cut_with_a_word(monkeypatch):
    monkeypatch.setattr('handmesh_ros.ar_shapes.MAX_MARKER_TRIANGLES', 2)
    shapes = [shape_of_marker(marker(Marker.TRIANGLE_LIST, points=grid(n))) for n in (6, 7, 9)]
    assert [len(shape.mesh.faces) for shape in shapes] == [2, 2, 2]
    assert [shape.lack for shape in shapes] == [
        '',
        'with points left over from triangles: the rest is not drawn',
        'with more than 2 triangles: the rest is not drawn',
    ]


def test_board_says_what_it_does_not_draw_and_why():
    board = ObjectBoard()
    board.take(
        MarkerArray(
            markers=[
                marker(Marker.ARROW),
                marker(Marker.SPHERE_LIST, number=1),
                marker(scale=(0.1, 0.0, 0.1), number=2),
                marker(number=3),
            ]
        ),
        0.0,
    )
    board._markers['a', 3][0].pose.orientation.w = 0.0
    assert board.placed('camera', nowhere, 0.0) == []
    assert set(board.lacks.values()) == {
        "markers in 'a' of type 0 are not drawn",
        "markers in 'a' with a scale that is not positive are not drawn",
        "markers in 'a' with a pose that is no rigid motion are not drawn",
    }
    board.take(MarkerArray(markers=[marker(number=n) for n in range(4)]), 1.0)
    assert len(board.placed('camera', nowhere, 1.0)) == 4
    assert not board.lacks


def test_board_says_once_what_it_does_not_draw_in_many_namespaces():
    board = ObjectBoard()
    markers = [marker(Marker.ARROW, namespace=name) for name in ('a', 'b', 'c')]
    board.take(MarkerArray(markers=markers), 0.0)
    board.placed('camera', nowhere, 0.0)
    assert board.lacks == {'of type 0 are not drawn': "markers in 'a' of type 0 are not drawn"}


def test_board_says_that_there_are_too_many_markers():
    board = ObjectBoard()
    board.take(MarkerArray(markers=[marker(number=n) for n in range(MAX_MARKERS + 1)]), 0.0)
    assert len(board.placed('camera', nowhere, 0.0)) == MAX_MARKERS
    assert set(board.lacks.values()) == {f'markers beyond the first {MAX_MARKERS} are not drawn'}
    # Those that go are heard of wherever in the message they are.
    gone = [marker(number=n) for n in range(MAX_MARKERS + 1)]
    for message in gone:
        message.action = Marker.DELETE
    gone[0].id = MAX_MARKERS + 1
    board.take(MarkerArray(markers=gone), 5.0)
    (left,) = board._markers
    assert left == ('a', 0)
    board.placed('camera', nowhere, 5.0)
    assert not board.lacks


def test_board_draws_all_spheres_that_it_keeps():
    board = ObjectBoard()
    markers = [marker(Marker.SPHERE, number=n) for n in range(MAX_MARKERS)]
    board.take(MarkerArray(markers=markers), 0.0)
    assert len(board.placed('camera', nowhere, 0.0)) == MAX_MARKERS
    assert not board.lacks


def test_board_says_that_there_are_too_many_triangles(monkeypatch):
    board = ObjectBoard()
    markers = [marker(Marker.TRIANGLE_LIST, number=n, points=grid(6)) for n in range(4)]
    board.take(MarkerArray(markers=markers), 0.0)
    assert len(board.placed('camera', nowhere, 0.0)) == 4
    monkeypatch.setattr('handmesh_ros.ar_board.MAX_BOARD_TRIANGLES', 4)
    assert len(board.placed('camera', nowhere, 0.0)) == 2
    assert set(board.lacks.values()) == {'markers beyond 4 triangles of them all are not drawn'}
    # Of those beyond none is kept in memory but the first, which told that there are too many.
    assert len(board._shapes) == 3
    board.take(MarkerArray(markers=[marker(Marker.TRIANGLE_LIST)]), 0.0)
    assert len(board.placed('camera', nowhere, 0.0)) == 2
    gone = marker()
    gone.action, gone.id = Marker.DELETE, 3
    board.take(MarkerArray(markers=[gone]), 0.0)
    assert len(board.placed('camera', nowhere, 0.0)) == 2
    assert not board.lacks


def test_board_makes_a_shape_of_points_once_for_each_message():
    board = ObjectBoard()

    def mesh(message=None):
        if message is not None:
            board.take(MarkerArray(markers=[message]), 0.0)
        (thing,) = board.placed('camera', nowhere, 0.0)
        return thing.mesh

    first = mesh(marker(Marker.TRIANGLE_LIST, points=grid(3)))
    assert mesh() is first
    second = mesh(marker(Marker.TRIANGLE_LIST, points=grid(6)))
    assert (len(first.faces), len(second.faces)) == (1, 2)
    # A solid that only moves keeps its shape from message to message.
    solid = mesh(marker())
    assert mesh(marker(stamp=2)) is solid
    assert mesh(marker(scale=(1.0, 1.0, 1.0))) is not solid


def test_board_forgets_who_is_not_waited_for():
    board = ObjectBoard(patience=1.0)
    for number in range(100):
        gone = marker(namespace=f'{number}')
        gone.action = Marker.DELETE
        array = [marker(namespace=f'{number}'), gone]
        board.take(MarkerArray(markers=array), number / 10)
    assert len(board._heard) <= 11


def test_board_keeps_replaces_and_forgets():
    board = ObjectBoard()
    board.take(MarkerArray(markers=[marker(number=0), marker(number=1)]), 0.0)
    assert len(board.placed('camera', nowhere, 0.1)) == 2
    board.take(MarkerArray(markers=[marker(number=0, scale=(1.0, 1.0, 1.0))]), 0.2)
    first, _ = board.placed('camera', nowhere, 0.3)
    assert np.ptp(first.mesh.vertices) == pytest.approx(1.0)
    assert (first.color[0], first.opacity) == (1.0, 0.5)
    gone = marker(number=0)
    gone.action = Marker.DELETE
    board.take(MarkerArray(markers=[gone]), 0.4)
    assert len(board.placed('camera', nowhere, 0.5)) == 1
    everything = marker(namespace='')
    everything.action = Marker.DELETEALL
    board.take(MarkerArray(markers=[everything]), 0.6)
    assert board.placed('camera', nowhere, 0.7) == []


def test_board_lets_markers_die():
    board = ObjectBoard()
    mortal = marker()
    mortal.lifetime.sec = 1
    board.take(MarkerArray(markers=[mortal]), 10.0)
    assert len(board.placed('camera', nowhere, 10.9)) == 1
    assert board.placed('camera', nowhere, 11.1) == []


def test_board_asks_for_other_frames():
    board = ObjectBoard()
    board.take(MarkerArray(markers=[marker()]), 0.0)
    moved = np.eye(4)
    moved[:3, 3] = [0, 0, 2]
    (thing,) = board.placed('elsewhere', lambda frame: {'camera': moved}[frame], 0.0)
    np.testing.assert_allclose(thing.camera_from_object, moved)
    assert board.placed('elsewhere', nowhere, 0.0) == []


def test_board_tells_who_is_behind():
    board = ObjectBoard(patience=1.0)
    second = 10**9
    board.take(MarkerArray(markers=[marker(stamp=10)]), 0.0)
    assert board.is_behind(11 * second, 9 * second, 0.1)
    assert not board.is_behind(10 * second, 9 * second, 0.1)
    # Out of step with the images, or silent for long: not waited for.
    assert not board.is_behind(99 * second, 98 * second, 0.1)
    assert not board.is_behind(11 * second, 9 * second, 5.0)


def test_world_in_markers_and_back():
    world = HandWorld(cube_stage())
    header = Header(frame_id='camera')
    board = ObjectBoard()
    board.take(world_markers(world, header, 'physics'), 0.0)
    floor, cube = board.placed('camera', nowhere, 0.0)
    np.testing.assert_allclose(cube.camera_from_object, world.thing_pose(0), atol=1e-6)
    np.testing.assert_allclose(np.ptp(cube.mesh.vertices, axis=0), 0.03, rtol=1e-5)
    # The floor's top is where the cube stands.
    top = floor.camera_from_object @ [0, 0, 0.005, 1]
    np.testing.assert_allclose(top[:3], world.stage.floor, atol=1e-9)


def test_stream_in_markers():
    world = HandWorld(pour_stage())
    for number in range(6):
        world.advance(number / 30, [])
    (balls,) = world_markers(world, Header(frame_id='camera'), 'physics').markers
    assert balls.type == Marker.SPHERE_LIST
    assert len(balls.points) == len(world.balls()) > 10


def test_pressed_caps_sink_and_light_up():
    panel = load_panel('keypad')
    count = len(panel.buttons)
    up = panel_markers(panel, np.eye(4), [0.0] * count, [False] * count, Header(), 'b').markers
    down = panel_markers(
        panel,
        np.eye(4),
        [0.004, *[0.0] * (count - 1)],
        [True, *[False] * (count - 1)],
        Header(),
        'b',
    ).markers
    assert down[1].scale.z == pytest.approx(up[1].scale.z - 0.004)
    assert down[1].color.r < up[1].color.r
    assert up[2].color == down[2].color


def test_deletion_names_every_marker():
    array = ar_markers.deletion(Header(), 'b', 3)
    assert [(m.ns, m.id, m.action) for m in array.markers] == [
        ('b', i, Marker.DELETE) for i in range(3)
    ]
