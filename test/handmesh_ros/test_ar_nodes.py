"""The AR nodes with real messages: what goes in at the topics and what comes out."""

import time
from dataclasses import replace

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.clock import ClockType
from rclpy.qos import ReliabilityPolicy
from robot import LATCHED, TIMEOUT, Robot, time_of
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

from handmesh_model.ar import clips, world
from handmesh_model.ar.buttons import TIP_RADIUS
from handmesh_model.ar.panels import load_panel
from handmesh_model.ar.performances import RATE, pinch
from handmesh_model.ar.stage import cube_stage
from handmesh_model.hand import TrackState
from handmesh_model.topology import HandTopology
from handmesh_ros import ar_buttons_node, ar_overlay_node, ar_physics_node, stamps
from handmesh_ros.conversions import hands_to_msg, topology_to_msg
from handmesh_ros.images import image_to_rgb
from handmesh_ros.msg import ButtonEvent, HandArray
from handmesh_ros.msg import HandTopology as TopologyMessage
from handmesh_ros.qos import best_effort
from handmesh_ros.stamps import stamp_to_nanoseconds

FRAME = 'head_camera'
INTRINSICS = clips.clip_intrinsics()
START = 1000.0


class Stagehand(Robot):
    """Publishes images and hands, and keeps what the AR nodes say."""

    def __init__(self):
        super().__init__(topics=())
        create = self.node.create_publisher
        self.hands = create(HandArray, 'hands', 10)
        self.raw = create(HandArray, 'hands/raw', 10)
        self.topology = create(TopologyMessage, 'topology', LATCHED)
        self.markers = create(MarkerArray, 'objects', 10)
        self.tf = create(TFMessage, '/tf', 10)
        self.topology.publish(topology_to_msg(HandTopology.open_hand()))
        kinds = {'ar_overlay': Image, 'objects': MarkerArray, 'button_events': ButtonEvent}
        for topic, kind in kinds.items():
            self.got[topic] = []
            self.node.create_subscription(kind, topic, self.got[topic].append, 50)
        self.nodes = []

    def run(self, make_node):
        node = make_node()
        self.nodes.append(node)
        self.executor.add_node(node)
        listened = self.raw if isinstance(node, ar_overlay_node.ArOverlayNode) else self.hands
        self.wait(lambda: listened.get_subscription_count() > 0, what='a match')
        return node

    def close(self):
        for node in self.nodes:
            self.executor.remove_node(node)
            node.destroy_node()
        super().close()

    def calibrate(self, node, width=640, height=480):
        """Publish the calibration until the node has it, and the hands' faces too."""
        info = CameraInfo(width=width, height=height, k=INTRINSICS.ravel().tolist())

        def have_come():
            self.infos.publish(info)
            return node._camera.current() is not None and node._picture.surface is not None

        self.wait(have_come, what='the calibration and the topology')

    def put(self, node, marker):
        """Publish an object and wait until the node has it."""
        self.markers.publish(MarkerArray(markers=[marker]))
        key = (marker.ns, marker.id)
        known = node._picture.board._markers
        self.wait(lambda: key in known and known[key][0] == marker, what='the object')

    def show_hands(self, hands, stamp, measured=None):
        """Publish hands, and on `hands/raw` others if some were measured."""
        header = Header(stamp=time_of(stamp), frame_id=FRAME)
        self.hands.publish(hands_to_msg(hands, header))
        self.raw.publish(hands_to_msg(hands if measured is None else measured, header))
        return header

    def markers_of(self, header):
        arrays = self.got['objects']
        return self.wait(
            lambda: next((a.markers for a in arrays if a.markers[0].header == header), None),
            what='the objects',
        )


@pytest.fixture
def stagehand(ros):
    stagehand = Stagehand()
    yield stagehand
    stagehand.close()


@pytest.fixture(scope='module')
def acted():
    """The true hands of each frame of the pinch."""
    return clips.true_hands(clips.truth_of(pinch()), INTRINSICS)


def cube_marker(position, stamp=START, frame=FRAME, namespace='test'):
    marker = Marker(type=Marker.CUBE, ns=namespace, action=Marker.ADD)
    marker.header = Header(stamp=time_of(stamp), frame_id=frame)
    marker.scale.x = marker.scale.y = marker.scale.z = 0.06
    marker.pose.position.x, marker.pose.position.y, marker.pose.position.z = map(float, position)
    marker.pose.orientation.w = 1.0
    marker.color.g = marker.color.a = 1.0
    return marker


def test_overlay_hides_the_object_behind_the_hand(stagehand, acted):
    node = stagehand.run(ar_overlay_node.ArOverlayNode)
    stagehand.calibrate(node)
    stagehand.wait(lambda: stagehand.images.get_subscription_count() > 0)
    stagehand.wait(lambda: stagehand.markers.get_subscription_count() > 1)
    gray = np.full((480, 640, 3), 90, np.uint8)
    (hand,) = acted[60]
    middle = hand.vertices_camera.mean(axis=0)

    # As a filter may leave it behind: far from where the image shows it.
    smoothed = replace(hand, vertices_camera=hand.vertices_camera + np.float32([0.3, 0, 0]))

    def answer(depth, stamp):
        place = middle * (1 + depth / middle[2])
        stagehand.put(node, cube_marker(place, stamp))
        header = stagehand.show(gray, stamp, INTRINSICS, FRAME)
        stagehand.show_hands([smoothed], stamp, measured=[hand])
        image = stagehand.answer('ar_overlay', header.stamp)
        assert image.header == header
        return (image_to_rgb(image) != gray).any(axis=-1)

    before, behind = answer(-0.1, START), answer(0.1, START + 0.1)
    pixels = np.round(hand.vertices_image).astype(int)
    inside = pixels[(np.abs(pixels - pixels.mean(axis=0)) < 8).all(axis=1)]
    assert before[inside[:, 1], inside[:, 0]].all()
    assert not behind[inside[:, 1], inside[:, 0]].any()
    assert behind.sum() > 200


def test_overlay_follows_tf_and_says_what_it_lacks(stagehand, acted):
    node = stagehand.run(ar_overlay_node.ArOverlayNode)
    stagehand.calibrate(node)
    stagehand.wait(lambda: stagehand.images.get_subscription_count() > 0)
    stagehand.wait(lambda: stagehand.markers.get_subscription_count() > 1)
    stagehand.wait(lambda: stagehand.tf.get_subscription_count() > 0)
    said = []
    node._warn = said.append
    gray = np.full((480, 640, 3), 90, np.uint8)
    stagehand.put(node, cube_marker((0.0, 0.0, 0.0), frame='table'))
    header = stagehand.show(gray, START, INTRINSICS, FRAME)
    stagehand.show_hands([], START)
    image = stagehand.answer('ar_overlay', header.stamp)
    assert (image_to_rgb(image) == gray).all()
    assert any("frame 'table'" in text for text in said)

    frame = TransformStamped(child_frame_id='table')
    frame.header = Header(stamp=time_of(START + 1), frame_id=FRAME)
    frame.transform.translation.z, frame.transform.rotation.w = 0.5, 1.0
    stagehand.tf.publish(TFMessage(transforms=[frame]))
    stagehand.wait(lambda: node._transforms.lookup(FRAME, 'table', round((START + 1) * 1e9), 0.1)
                   is not None)  # fmt: skip
    header = stagehand.show(gray, START + 1, INTRINSICS, FRAME)
    stagehand.show_hands([], START + 1)
    drawn = image_to_rgb(stagehand.answer('ar_overlay', header.stamp))
    assert (drawn[240, 320] != 90).any()
    assert (drawn[100, 100] == 90).all()


def test_overlay_says_each_kind_of_lack_now_and_then_and_forgets_what_it_said(ros, monkeypatch):
    now, logged = 0.0, []
    node = ar_overlay_node.ArOverlayNode()
    try:
        monkeypatch.setattr(time, 'monotonic', lambda: now)
        logger = node.get_logger()
        monkeypatch.setattr(logger, 'warning', logged.append)
        monkeypatch.setattr(node, 'get_logger', lambda: logger)
        for number in range(100):
            now = 0.5 * number
            arrow = cube_marker((0, 0, 1), namespace=f'arrow {number}')
            arrow.type = Marker.ARROW
            node._picture.board.take(MarkerArray(markers=[arrow]), now)
            node._picture._objects(FRAME, [], lambda frame: None, now)
            node._warn(f'something else {number}')
        arrows = [text for text in logged if 'of type 0' in text]
        assert arrows[0] == "'objects': markers in 'arrow 0' of type 0 are not drawn"
        assert len(arrows) == 5
        assert len(node._warned) <= 22
    finally:
        node.destroy_node()


def test_overlay_takes_a_calibration_that_was_sent_before_it_came(stagehand):
    stagehand.node.destroy_publisher(stagehand.infos)
    stagehand.infos = stagehand.node.create_publisher(CameraInfo, 'camera_info', LATCHED)
    stagehand.infos.publish(CameraInfo(width=640, height=480, k=INTRINSICS.ravel().tolist()))
    node = stagehand.run(ar_overlay_node.ArOverlayNode)
    calibration = stagehand.wait(node._camera.current, what='the calibration')
    np.testing.assert_allclose(calibration.intrinsics, INTRINSICS)


def test_overlay_takes_images_as_reliably_as_they_are_sent(stagehand):
    stagehand.run(ar_overlay_node.ArOverlayNode)

    def taken():
        infos = stagehand.node.get_subscriptions_info_by_topic('/image')
        return {info.qos_profile.reliability for info in infos}

    stagehand.wait(lambda: taken() == {ReliabilityPolicy.RELIABLE}, what='a reliable subscription')
    other = stagehand.node.create_publisher(Image, 'image', best_effort(5))
    stagehand.wait(lambda: taken() == {ReliabilityPolicy.BEST_EFFORT}, what='one that fits both')
    stagehand.node.destroy_publisher(other)


def test_overlay_goes_on_without_hands_and_after_bad_images(stagehand):
    node = stagehand.run(ar_overlay_node.ArOverlayNode)
    stagehand.calibrate(node)
    stagehand.wait(lambda: stagehand.images.get_subscription_count() > 0)
    said = []
    node._warn = said.append
    gray = np.full((120, 160, 3), 90, np.uint8)
    header = Header(stamp=time_of(START), frame_id=FRAME)
    stagehand.images.publish(Image(header=header, width=4, height=4, encoding='rgb8', step=3))
    stagehand.show(gray, START + 0.5, frame_id=FRAME)
    why = 'camera_info describes images of 640 x 480 pixels, the image has 160 x 120'
    stagehand.wait(lambda: f'image: {why}' in said, what='the reason')
    assert not stagehand.got['ar_overlay']
    header = stagehand.show(gray, START + 1, INTRINSICS, FRAME)
    image = stagehand.answer('ar_overlay', header.stamp)
    assert (image_to_rgb(image) == gray).all()


def test_overlay_goes_on_at_full_rate_without_hands(stagehand):
    rate = 60
    node = stagehand.run(ar_overlay_node.ArOverlayNode)
    stagehand.calibrate(node, width=32, height=24)
    stagehand.wait(lambda: stagehand.images.get_subscription_count() > 0)
    said = []
    node._warn = said.append
    gray = np.full((24, 32, 3), 90, np.uint8)
    shown = 0
    end = time.monotonic() + 4.0
    while time.monotonic() < end:
        stagehand.show(gray, START + shown / rate, frame_id=FRAME)
        shown += 1
        stagehand.rest(1 / rate)
    # Half a second of silence is waited for; the rest leaves room for a busy machine.
    assert len(stagehand.got['ar_overlay']) > shown / 2
    assert "nothing comes on 'hands/raw' in time: objects are drawn over everything" in said


def test_overlay_says_that_hands_come_later_than_the_silence(stagehand):
    node = stagehand.run(ar_overlay_node.ArOverlayNode)
    stagehand.calibrate(node, width=32, height=24)
    stagehand.wait(lambda: stagehand.images.get_subscription_count() > 0)
    said = []
    node._warn = said.append
    header = stagehand.show(np.full((24, 32, 3), 90, np.uint8), START, frame_id=FRAME)
    stagehand.answer('ar_overlay', header.stamp)
    stagehand.show_hands([], START)
    why = "'hands/raw' came after its image was shown without hands, as 'silence' is short"
    stagehand.wait(lambda: any(text.startswith(why) for text in said), what='the reason')
    assert sum(text.startswith(why) for text in said) == 1


def test_overlay_goes_on_while_simulated_time_stands_still(stagehand):
    node = stagehand.run(ar_overlay_node.ArOverlayNode)
    assert {timer.clock.clock_type for timer in node.timers} == {ClockType.STEADY_TIME}


def test_overlay_goes_on_with_images_that_carry_no_stamp(stagehand, acted):
    node = stagehand.run(ar_overlay_node.ArOverlayNode)
    stagehand.calibrate(node, width=32, height=24)
    stagehand.wait(lambda: stagehand.images.get_subscription_count() > 0)
    gray = np.full((24, 32, 3), 90, np.uint8)
    for number in range(1, 6):
        stagehand.show(gray, 0, frame_id=FRAME)
        stagehand.show_hands(acted[60], 0)
        stagehand.wait(lambda n=number: len(stagehand.got['ar_overlay']) >= n, what='an overlay')
    assert {stamp_to_nanoseconds(m.header.stamp) for m in stagehand.got['ar_overlay']} == {0}


def test_pinch_on_the_topics_picks_the_cube_up(stagehand, acted):
    stagehand.run(ar_physics_node.ArPhysicsNode)
    stage = cube_stage()
    heights = []
    for number, hands in enumerate(acted[:75]):
        header = stagehand.show_hands(hands, START + number / RATE)
        _, cube = stagehand.markers_of(header)
        assert cube.header == header
        place = np.array([cube.pose.position.x, cube.pose.position.y, cube.pose.position.z])
        heights.append((stage.axes.T @ (place - stage.floor))[2])
    assert heights[30] == pytest.approx(0.015, abs=1e-3)
    assert heights[-1] == pytest.approx(0.12, abs=0.008)


def test_physics_says_once_that_time_stands_still_without_stamps(ros, acted, capfd):
    node = ar_physics_node.ArPhysicsNode()
    said = 'hands carry no stamp (0): no time passes between them, objects stand still'
    try:
        for stamp, count in ((START, 0), (0.0, 1), (0.0, 0)):
            header = Header(stamp=time_of(stamp), frame_id=FRAME)
            node._on_hands(hands_to_msg(acted[0], header))
            assert capfd.readouterr().err.count(said) == count
    finally:
        node.destroy_node()


def test_physics_tells_hands_that_are_seen_from_held_ones(ros, acted, monkeypatch):
    node = ar_physics_node.ArPhysicsNode()
    told = []
    try:
        monkeypatch.setattr(node._world, 'advance', lambda time, hands: told.append(hands) or '')
        for state in (TrackState.TRACKED, TrackState.HELD):
            hands = [replace(hand, state=state) for hand in acted[0]]
            node._on_hands(hands_to_msg(hands, Header(stamp=time_of(START), frame_id=FRAME)))
        assert [[hand.tracked for hand in hands] for hands in told] == [[True], [False]]
    finally:
        node.destroy_node()


def test_physics_takes_for_a_jump_what_the_other_nodes_do():
    assert round(world.JUMP_BACK * 1e9) == stamps.JUMP


def test_physics_logs_that_it_starts_anew(ros, acted, capfd):
    node = ar_physics_node.ArPhysicsNode()
    said = 'everything starts anew: time went back by 1.5 s'
    try:
        for stamp, count in ((START, 0), (START - 0.5, 0), (START - 1.5, 1)):
            header = Header(stamp=time_of(stamp), frame_id=FRAME)
            node._on_hands(hands_to_msg(acted[0], header))
            assert capfd.readouterr().err.count(said) == count
    finally:
        node.destroy_node()


def finger_at(hand, depth):
    """The hand with its index finger so deep in the second button of the keypad, metres."""
    panel = load_panel('keypad')
    x, y = panel.buttons[1].center
    place = panel.pose @ [x, y, panel.travel - depth + TIP_RADIUS, 1]
    shift = place[:3] - hand.joints_camera[8]
    return type(hand)(**{**vars(hand), 'joints_camera': hand.joints_camera + shift})


@pytest.mark.parametrize('is_silence', [True, False])
def test_buttons_are_released_when_hands_stop_and_when_the_node_ends(stagehand, acted, is_silence):
    node = stagehand.run(ar_buttons_node.ArButtonsNode)
    (hand,) = acted[0]
    said = stagehand.got['button_events']
    for step, depth in enumerate([-0.02, 0.005]):
        stagehand.markers_of(stagehand.show_hands([finger_at(hand, depth)], START + step))
    stagehand.wait(lambda: said, what='the press')
    if not is_silence:
        assert len(said) == 1
        stagehand.executor.remove_node(stagehand.nodes.pop())
        node.destroy_node()
    stagehand.wait(lambda: len(said) > 1, what='the release')
    assert [event.event for event in said] == [ButtonEvent.PRESSED, ButtonEvent.RELEASED]
    assert said[1].header.stamp == time_of(START + 1)
    stagehand.rest(0.3)
    assert len(said) == 2


def test_buttons_are_pressed_by_hands_that_come_slower_than_the_silence(stagehand, acted, capfd):
    node = stagehand.run(ar_buttons_node.ArButtonsNode)
    (hand,) = acted[0]
    said = stagehand.got['button_events']
    for step, depth in enumerate([-0.02, 0.005] * 2):
        stagehand.markers_of(stagehand.show_hands([finger_at(hand, depth)], START + step))
        node._last_heard = -np.inf
        node._watch_for_silence()
    stagehand.wait(lambda: len(said) == 4, what='two presses and releases')
    pair = [ButtonEvent.PRESSED, ButtonEvent.RELEASED]
    assert [event.event for event in said] == pair * 2
    assert capfd.readouterr().err.count('no hands for 0.5 s (silence): what was pressed') == 1


def test_buttons_on_the_topics(stagehand, acted):
    stagehand.run(ar_buttons_node.ArButtonsNode)
    panel = load_panel('keypad')
    (hand,) = acted[0]
    said = stagehand.got['button_events']
    for step, depth in enumerate([-0.02, 0.005, -0.02]):
        header = stagehand.show_hands([finger_at(hand, depth)], START + step)
        markers = stagehand.markers_of(header)
        assert len(markers) == 1 + len(panel.buttons)
    stagehand.wait(lambda: len(said) == 2, what='two events')
    assert [(e.button, e.event, e.side, e.finger) for e in said] == [
        ('2', ButtonEvent.PRESSED, 1, 'index'),
        ('2', ButtonEvent.RELEASED, 1, 'index'),
    ]
    assert said[0].header.stamp == time_of(START + 1)


def start_without(start, module, *packages):
    """A process of a node where these packages are not installed."""
    code = (
        f'import runpy, sys; sys.modules.update(dict.fromkeys({packages!r})); '
        f"runpy.run_module('handmesh_ros.{module}', run_name='__main__', alter_sys=True)"
    )
    return start(['-c', code])


@pytest.mark.parametrize(
    ('module', 'package'),
    [
        ('ar_overlay_node', 'numba'),
        ('ar_overlay_node', 'trimesh'),
        ('ar_physics_node', 'mujoco'),
        ('true_hands', 'numba'),
        ('true_hands', 'scipy'),
    ],
)
def test_a_missing_package_is_named_in_one_line(start, module, package):
    process = start_without(start, module, package)
    assert process.process.wait(TIMEOUT) == 1
    lines = [line for line in process.text().splitlines() if package in line]
    needed = f"the package {package}: pip install '.[ar]' in a checkout of handmesh_ros"
    assert lines == [f'error: {module} needs {needed}']
    assert 'Traceback' not in process.text()


@pytest.mark.parametrize(
    ('module', 'packages'),
    [
        ('ar_physics_node', ('numba', 'trimesh')),
        ('ar_buttons_node', ('numba', 'trimesh', 'mujoco')),
    ],
)
def test_nodes_do_without_packages_that_they_do_not_need(stagehand, start, module, packages):
    process = start_without(start, module, *packages)
    stagehand.wait(lambda: 'Ready' in process.text() or not process.is_alive(), what='the node')
    stagehand.wait(lambda: stagehand.hands.get_subscription_count() > 0, what='a match')
    stagehand.markers_of(stagehand.show_hands([], START))
    assert process.end() == 0, process.text()
