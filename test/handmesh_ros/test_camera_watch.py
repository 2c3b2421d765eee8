"""What is made of CameraInfo, without a node."""

from copy import deepcopy
from types import SimpleNamespace

import pytest

pytest.importorskip('sensor_msgs')
pytest.importorskip('rclpy')

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from handmesh_ros.camera_watch import PATIENCE, CameraWatch

DISTORTED = CameraInfo(
    width=160,
    height=120,
    distortion_model='plumb_bob',
    d=[-0.2, 0.05, 0.0, 0.0, 0.0],
    k=[150.0, 0.0, 80.0, 0.0, 150.0, 60.0, 0.0, 0.0, 1.0],
)
RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
KEPT, VOLATILE = DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE


class Graph:
    """What a :class:`CameraWatch` sees of a node."""

    def __init__(self):
        self.offered = []
        """Reliability and durability of each publisher."""
        self.open = []
        self.image_publishers = 0
        self.logged = []

    def resolve_topic_name(self, name):
        return f'/{name}'

    def get_publishers_info_by_topic(self, topic):
        return [
            SimpleNamespace(
                qos_profile=QoSProfile(depth=1, reliability=reliability, durability=durability)
            )
            for reliability, durability in self.offered
        ]

    def count_publishers(self, topic):
        return self.image_publishers if topic == '/image' else len(self.offered)

    def create_subscription(self, kind, name, callback, qos, event_callbacks):
        self.open.append(SimpleNamespace(bring=callback, qos=qos))
        return self.open[-1]

    def destroy_subscription(self, subscription):
        self.open.remove(subscription)

    def get_logger(self):
        return SimpleNamespace(info=self.logged.append)


class Watch(CameraWatch):
    """Writes down what it says; `is_rectified` can be set."""

    def __init__(self, topic='/image'):
        self.graph, self.said, self.is_rectified = Graph(), [], False
        super().__init__(
            self.graph,
            lambda: self.is_rectified,
            lambda: topic,
            self.said.append,
        )

    @property
    def asked_for(self):
        """Reliability and durability of the only subscription."""
        (subscription,) = self.graph.open
        return subscription.qos.reliability, subscription.qos.durability

    def bring(self, frame='', focal=150.0, distorted=True):
        (subscription,) = self.graph.open
        message = deepcopy(DISTORTED)
        message.k[0] = focal
        if not distorted:
            message.d = [0.0] * 5
        message.header.frame_id = frame
        subscription.bring(message)


@pytest.fixture
def watch():
    return Watch()


@pytest.mark.parametrize(
    ('topic', 'is_said'),
    [
        ('/image_rect', True),
        ('/camera/image_rect_color', True),
        ('/camera/rectified/image', True),
        ('/direct_camera/image_raw', False),
        ('/corrected/image', False),
    ],
)
def test_topics_that_sound_rectified(topic, is_said):
    watch = Watch(topic)
    watch.open()
    watch.bring()
    said = [f"images on '{topic}' sound rectified" in text for text in watch.said]
    assert said == [True] * is_said


def test_image_is_rectified_counts_without_another_camera_info(watch):
    watch.open()
    watch.bring()
    assert watch.current().distortion.size == 5
    watch.is_rectified = True
    assert watch.current().distortion.size == 0
    watch.is_rectified = False
    watch.look('')
    assert 'undone' in watch.facts()['distortion']
    assert watch.current().distortion.size == 5


@pytest.mark.parametrize(
    ('offered', 'asked_for'),
    [
        ([], (BEST_EFFORT, VOLATILE)),
        ([(RELIABLE, KEPT)], (RELIABLE, KEPT)),
        ([(RELIABLE, KEPT), (RELIABLE, KEPT)], (RELIABLE, KEPT)),
        ([(RELIABLE, KEPT), (RELIABLE, VOLATILE)], (BEST_EFFORT, VOLATILE)),
        ([(BEST_EFFORT, KEPT)], (BEST_EFFORT, VOLATILE)),
        ([(RELIABLE, VOLATILE)], (BEST_EFFORT, VOLATILE)),
    ],
)
def test_durability_suits_every_publisher(watch, offered, asked_for):
    watch.graph.offered = offered
    watch.open()
    assert watch.asked_for == asked_for


def test_durability_follows_the_publishers_and_the_camera_stays_known(watch):
    watch.open()
    assert watch.asked_for == (BEST_EFFORT, VOLATILE)
    watch.graph.offered = [(RELIABLE, KEPT)]
    watch.look('')
    assert watch.asked_for == (RELIABLE, KEPT)
    watch.bring()
    watch.graph.offered = []
    watch.look('')
    assert watch.asked_for == (RELIABLE, KEPT)
    watch.graph.offered = [(RELIABLE, KEPT), (BEST_EFFORT, VOLATILE)]
    watch.look('')
    assert watch.asked_for == (BEST_EFFORT, VOLATILE)
    assert watch.current() is not None
    watch.close()
    watch.look('')
    assert not watch.graph.open


@pytest.mark.parametrize(
    ('offered', 'said'),
    [
        ([], "no camera_info on '/camera_info'; pixels only"),
        (
            [(RELIABLE, VOLATILE)],
            "no camera_info on '/camera_info', which has 1 publishers (reliable, volatile); "
            'pixels only',
        ),
        (
            [(RELIABLE, KEPT), (BEST_EFFORT, VOLATILE)],
            "no camera_info on '/camera_info', which has 2 publishers (best_effort, volatile; "
            'reliable, transient_local); what was sent before is received only if all of them '
            'are transient_local; pixels only',
        ),
    ],
)
def test_missing_camera_info_is_said_with_what_is_offered(watch, offered, said):
    watch.graph.offered = offered
    watch.open()
    watch.miss(PATIENCE)
    watch.miss(PATIENCE)
    assert watch.said == [said]


def test_camera_info_of_another_frame_is_said_once_and_used(watch):
    watch.open()
    watch.bring(frame='other')
    watch.look('eye')
    watch.look('eye')
    (said,) = watch.said
    assert said == watch.doubt
    assert "in frame 'other', the images in 'eye'" in said
    assert watch.current() is not None
    watch.bring(frame='eye')
    watch.look('eye')
    assert not watch.doubt


@pytest.mark.parametrize(
    ('frame', 'image_frame'),
    [('', 'eye'), ('eye', ''), ('eye', 'eye'), ('/eye', 'eye'), ('eye', '/eye')],
)
def test_empty_frames_and_a_slash_are_no_mismatch(watch, frame, image_frame):
    watch.open()
    watch.bring(frame=frame)
    watch.look(image_frame)
    assert not watch.said
    assert not watch.doubt


def test_camera_info_that_varies_is_logged_once_until_more_than_numbers_changes():
    watch = Watch('/image_rect')
    watch.open()
    for i in range(5):
        watch.bring(focal=150 + 1e-4 * i)
        assert watch.current().intrinsics[0, 0] == 150 + 1e-4 * i
    (logged,) = watch.graph.logged
    assert logged.startswith('Camera is calibrated: ')
    assert len(watch.said) == 1
    watch.bring(focal=float('nan'))
    assert watch.current() is None
    assert len(watch.said) == 2
    watch.bring()
    assert watch.graph.logged == [logged] * 2
    watch.is_rectified = True
    watch.look('')
    assert watch.graph.logged[2].endswith('image_is_rectified is true')


@pytest.mark.parametrize('other', [{'distorted': False}, {'focal': float('nan')}])
def test_camera_info_that_changes_with_every_message_does_not_fill_the_log(watch, other):
    watch.open()
    for _ in range(20):
        watch.bring()
        watch.bring(**other)
    assert len(watch.graph.logged) == 3
    watch.bring()
    assert watch.current().distortion.size == 5
    watch.open()
    watch.graph.open.pop()
    watch.bring()
    assert len(watch.graph.logged) == 4


def test_several_publishers_are_doubted_while_they_are_there(watch):
    watch.graph.offered = [(RELIABLE, VOLATILE)] * 2
    watch.open()
    watch.look('eye')
    assert not watch.doubt  # nothing has come by now
    watch.bring(frame='eye')
    for frame in ('eye', 'other', 'eye'):
        watch.bring(frame=frame)
        watch.look('eye')
    (said,) = watch.said
    assert said == watch.doubt
    assert said.startswith("camera_info on '/camera_info' has 2 publishers, expected one")
    assert watch.current() is not None
    watch.graph.offered.pop()
    watch.look('eye')
    assert not watch.doubt


def test_camera_info_that_nobody_publishes_any_more_is_doubted_and_used(watch):
    watch.graph.offered, watch.graph.image_publishers = [(RELIABLE, VOLATILE)], 1
    watch.open()
    watch.look('eye')
    watch.bring(frame='eye')
    watch.look('eye')
    assert not watch.doubt
    watch.graph.offered = []
    watch.look('eye')
    watch.look('eye')
    (said,) = watch.said
    assert said == watch.doubt
    assert said.startswith(
        "camera_info on '/camera_info' has no publisher any more, images on '/image' have"
    )
    assert watch.current() is not None
    # Nobody is left who sends images by it.
    watch.graph.image_publishers = 0
    watch.look('eye')
    assert not watch.doubt


def test_camera_info_that_never_came_is_not_doubted(watch):
    watch.graph.image_publishers = 1
    watch.open()
    watch.look('eye')
    assert not watch.doubt
    assert not watch.said
