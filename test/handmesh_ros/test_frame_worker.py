"""The worker, all but ROS: what becomes of images, and of a network that fails."""

import threading
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from bench import BOTH, Bench
from builtin_interfaces.msg import Time
from painted_hands import POISON, PaintedPredictor, paint
from robot import TIMEOUT, time_of
from std_msgs.msg import Header

from handmesh_model.errors import BackendError
from handmesh_model.hand import HandBox, ScaleSource, TrackState
from handmesh_model.tracker import HandTracker
from handmesh_ros import frame_worker, recovery
from handmesh_ros.calibration import Calibration
from handmesh_ros.conversions import hands_to_msg
from handmesh_ros.images import rgb_to_image
from handmesh_ros.msg import Hand as HandMsg
from handmesh_ros.outputs import TOPICS

POISONED = paint([])
POISONED[0, 0] = POISON


def image(rgb, stamp, frame_id='camera'):
    return rgb_to_image(rgb, Header(stamp=time_of(stamp), frame_id=frame_id))


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.close()


def test_time_of_every_stage_is_measured(bench):
    bench.serve_good(1.0)
    assert set(bench.monitor.stages()) >= {
        'decode',
        'detect',
        'crop',
        'network',
        'place',
        'publish',
    }
    ((processing, pipeline),) = bench.reports
    assert 0 < processing < 60
    # The stamp is of 1970.
    assert pipeline > 1e9


def test_missing_frame_is_said(bench):
    assert bench.serve(image(BOTH, 1.0, frame_id='')) == 'processed'
    assert ('frame', 'images have no frame_id: TF and RViz cannot place hands') in bench.faults


def test_hands_beyond_the_lens_have_no_metres_and_it_is_said(bench):
    def lens(focal):
        matrix = np.array([[focal, 0, 80], [0, focal, 60], [0, 0, 1.0]])
        # Of all zero coefficients ROS says that there is no distortion.
        return Calibration(matrix, np.array([1e-3, 0, 0, 0]), fisheye=True)

    bench.calibration = lens(300.0)
    assert all(hand.is_metric for hand in bench.serve_good(1.0))
    assert not bench.faults
    # 20 pixels and more beside the axis are 95 degrees then.
    bench.calibration = lens(12.0)
    hands = bench.serve_good(1.1)
    assert len(hands) == 2
    assert not any(hand.is_metric for hand in hands)
    other, *rest = bench.faults
    assert other[1].startswith('camera_info shows another view than before')
    ((kind, text),) = set(rest)
    assert kind == 'calibration'
    assert text.startswith('the hand is too far off the camera axis')
    assert text.endswith('; pixels only')


def test_one_image_that_is_late_is_dropped_and_costs_no_hand_its_id(bench):
    first = {hand.track_id for hand in bench.serve_good(10.0)}
    assert bench.serve(image(BOTH, 9.999)) == 'stale'
    assert bench.serve(image(BOTH, 9.1)) == 'stale'
    assert [text for kind, text in bench.faults if kind == 'time'] == [
        'image dropped: it is 0.001 s older than one before it',
        'image dropped: it is 0.9 s older than one before it',
    ]
    assert {hand.track_id for hand in bench.serve_good(10.1)} == first
    assert not {hand.track_id for hand in bench.serve_good(9.0)} & first
    assert bench.faults[-1] == ('time', 'image stamps went back by 1.1 s: tracks start anew')


def test_an_image_that_comes_again_is_no_new_one(bench):
    """As where something relays images beside their camera."""
    ids = set()
    for stamp in (10.0, 10.1, 10.2):
        ids |= {hand.track_id for hand in bench.serve_good(stamp)}
        for _ in range(7):
            assert bench.serve(image(BOTH, stamp)) == 'stale'
    assert len(ids) == 2
    assert len(bench.outputs.published) == 3
    assert set(bench.faults) == {('time', 'image dropped: it has the stamp of the one before it')}


def test_images_without_a_stamp_are_new_even_if_the_clock_stands_still(bench, monkeypatch):
    monkeypatch.setattr(bench.worker._times, '_now', lambda: 7.0)
    for _ in range(3):
        bench.serve_good(0.0)
    # Nor does it make one stale that carries a stamp.
    bench.serve_good(8.0)


@pytest.mark.parametrize('count', [2, 6, 7])
def test_a_short_recording_goes_on_however_often_it_is_repeated(bench, count):
    loop = [10 + 0.1 * i for i in range(count)]
    fates = [bench.serve(image(BOTH, stamp)) for _ in range(8) for stamp in loop]
    assert fates[:count] == ['processed'] * count
    assert fates[count:].count('processed') >= 2
    assert {kind for kind, _ in bench.faults} == {'time'}


def test_many_late_images_in_a_row_are_a_time_that_went_back(bench):
    # A recording of less than a second, over and over.
    first = {hand.track_id for hand in bench.serve_good(10.5)}
    late = [bench.serve(image(BOTH, 10 + 0.1 * i)) for i in range(5)]
    assert late == ['stale'] * 5
    assert not {hand.track_id for hand in bench.serve_good(10.45)} & first
    assert bench.faults[-1] == ('time', 'image stamps went back by 0.05 s: tracks start anew')
    # Good ones in between start the count anew.
    for stamp in (10.46, 10.47):
        assert [bench.serve(image(BOTH, 10.3)) for _ in range(3)] == ['stale'] * 3
        bench.serve_good(stamp)


def test_hands_of_images_of_another_size_are_new_and_lie_on_them(bench):
    first = {hand.track_id for hand in bench.serve_good(1.0)}
    half = np.ascontiguousarray(BOTH[::2, ::2])
    assert bench.serve(image(half, 1.1)) == 'processed'
    hands = bench.outputs.published[-1][0]
    assert {hand.track_id for hand in hands if hand.state is TrackState.LOST} == first
    seen = [hand for hand in hands if hand.state is TrackState.TRACKED]
    assert sorted(hand.side for hand in seen) == ['left', 'right']
    for hand in seen:
        left, right = (10, 30) if hand.side == 'right' else (50, 70)
        assert left < hand.joints_image[:, 0].mean() < right


def test_forgotten_hands_come_back_as_new_ones(bench):
    first = {hand.track_id for hand in bench.serve_good(1.0)}
    assert {hand.track_id for hand in bench.serve_good(1.1)} == first
    bench.worker.forget()
    assert not {hand.track_id for hand in bench.serve_good(1.2)} & first


def test_another_camera_on_the_topic_is_said_and_starts_new_tracks(bench):
    first = {hand.track_id for hand in bench.serve_good(1.0)}
    assert bench.serve(image(BOTH, 1.1, frame_id='other')) == 'processed'
    assert not {hand.track_id for hand in bench.outputs.published[-1][0]} & first
    (told,) = [text for kind, text in bench.faults if kind == 'frame']
    assert told.startswith("images are of frame 'other' after 'camera': tracks start anew")


def test_another_view_is_said_and_a_lens_told_a_little_otherwise_is_none(bench):
    def lens(k1):
        matrix = np.array([[300.0, 0, 80], [0, 300, 60], [0, 0, 1]])
        return Calibration(matrix, np.array([k1, 0.01, 0, 0, 0]))

    ids = set()
    for i in range(4):
        bench.calibration = lens(-0.1 + 1e-3 * i)
        ids |= {hand.track_id for hand in bench.serve_good(1.0 + 0.1 * i)}
    assert len(ids) == 2
    assert not bench.faults
    bench.calibration = lens(-0.4)
    assert not {hand.track_id for hand in bench.serve_good(1.5)} & ids
    ((kind, text),) = bench.faults
    assert kind == 'calibration'
    assert text.startswith(
        'camera_info shows another view than before, now of focal lengths 300, 300 around 80, 60 '
        'pixels: tracks start anew'
    )


def test_another_focal_length_is_no_motion_of_the_hand(bench):
    def camera(focal):
        matrix = np.array([[focal, 0, 80], [0, focal, 60], [0, 0, 1.0]])
        return Calibration(matrix, np.zeros(0))

    bench.calibration = camera(300.0)
    first = {hand.track_id for hand in bench.serve_good(1.0)}
    assert {hand.track_id for hand in bench.serve_good(1.1)} == first
    bench.calibration = camera(150.0)
    later = bench.serve_good(1.2)
    assert not {hand.track_id for hand in later} & first
    (alone,) = [hand for hand in later if hand.side == 'right']
    (again,) = [hand for hand in bench.serve_good(1.3) if hand.side == 'right']
    np.testing.assert_allclose(alone.joints_camera, again.joints_camera, atol=1e-3)


@pytest.mark.parametrize('topic', sorted({*TOPICS, 'tf'}))
def test_meshes_are_refined_for_those_who_look_at_them(bench, topic):
    bench.outputs.topics = frozenset({topic, 'tf'})
    joints_only = topic in ('joints', 'joints/left', 'joints/right', 'tf')
    assert [hand.refined for hand in bench.serve_good(1.0)] == [not joints_only] * 2
    assert bench.worker.refined is not joints_only
    bench.outputs.topics |= {'hands'}
    assert [hand.refined for hand in bench.serve_good(1.1)] == [True] * 2
    assert bench.worker.refined


def test_side_that_the_user_knows_counts_from_the_next_image_on(bench):
    def sides(stamp):
        return sorted(hand.side for hand in bench.serve_good(stamp))

    assert sides(1.0) == ['left', 'right']
    bench.settings = replace(bench.settings, side='left')
    assert sides(1.1) == ['left', 'left']
    bench.settings = replace(bench.settings, side='auto')
    bench.worker.forget()
    assert sides(1.2) == ['left', 'right']


def test_boxes_of_others_stand_in_for_the_detector(bench):
    bench.boxes = []
    assert bench.serve_good(1.0) == []
    bench.boxes = [HandBox(19.5, 29.5, 59.5, 89.5, side='right')]
    (hand,) = bench.serve_good(2.0)
    assert hand.side == 'right'
    bench.boxes = []
    # Once found, a hand is followed without boxes.
    assert len(bench.serve_good(2.1)) == 1


def test_a_failed_image_publishes_nothing_and_the_next_is_served(bench):
    bench.serve_good(1.0)
    assert bench.serve(image(POISONED, 2.0)) == 'failed'
    assert len(bench.outputs.published) == 1
    assert bench.faults[-1] == ('inference', 'the network failed on purpose')
    assert len(bench.serve_good(3.0)) == 2


class Failing(PaintedPredictor):
    """Fails with an error of a kind that nobody expects."""

    closed = 0

    def detect(self, rgb):
        raise RuntimeError('CUDA out of memory, say')

    def close(self):
        super().close()
        type(self).closed += 1


def test_a_network_that_keeps_failing_is_loaded_anew():
    made = []

    def make(attempt):
        made.append(attempt)
        return HandTracker(Failing() if attempt == 0 else PaintedPredictor())

    Failing.closed = 0
    bench = Bench(make)
    for i in range(recovery.PATIENCE):
        assert made == [0]
        assert bench.serve(image(BOTH, 1.0 + i)) == 'failed'
    assert made == [0, 1]
    assert Failing.closed == 1
    assert bench.outputs.published == []
    assert 'RuntimeError: CUDA out of memory, say' in bench.faults[0][1]
    assert len(bench.serve_good(9.0)) == 2
    bench.close()


def test_what_fails_beside_the_network_leaves_it_alone(monkeypatch):
    """As where DDS refuses an image that is too large, or a tag is looked for in vain."""
    made = []

    def make(attempt):
        made.append(attempt)
        return HandTracker(PaintedPredictor())

    def refuse(*arguments):
        raise RuntimeError('no room for an overlay')

    bench = Bench(make)
    publish = bench.outputs.publish
    monkeypatch.setattr(bench.outputs, 'publish', refuse)
    for i in range(2 * recovery.PATIENCE):
        assert bench.serve(image(BOTH, 1.0 + i)) == 'failed'
    assert made == [0]
    assert {kind for kind, _ in bench.faults} == {'serving'}
    assert 'RuntimeError: no room for an overlay' in bench.faults[0][1]
    assert 'in refuse' in bench.faults[0][1]
    # Nor does it make up for a network that fails, or fail for it.
    for i in range(recovery.PATIENCE - 1):
        assert bench.serve(image(POISONED, 11.0 + i)) == 'failed'
    assert bench.serve(image(BOTH, 21.0)) == 'failed'
    assert bench.serve(image(POISONED, 22.0)) == 'failed'
    assert made == [0]
    monkeypatch.setattr(bench.outputs, 'publish', publish)
    assert len(bench.serve_good(22.5)) == 2
    bench.close()


@pytest.mark.parametrize('name', ['_boxes', '_take_over', '_metric_input', '_monitor'])
def test_what_fails_just_before_or_after_the_network_leaves_it_alone(monkeypatch, name):
    made = []

    def make(attempt):
        made.append(attempt)
        return HandTracker(PaintedPredictor())

    def fail(*arguments):
        if name != '_monitor' or arguments[0] == 'network':
            raise RuntimeError('on purpose')

    bench = Bench(make)
    worker = bench.worker
    inner = {'_metric_input': 'check', '_monitor': 'note'}.get(name)
    monkeypatch.setattr(*((getattr(worker, name), inner) if inner else (worker, name)), fail)
    for i in range(2 * recovery.PATIENCE):
        assert bench.serve(image(BOTH, 1.0 + i)) == 'failed'
    assert made == [0]
    assert {kind for kind, _ in bench.faults} == {'serving'}
    bench.close()


class Depth:
    """Stands for depth images, and remembers what is said of them."""

    def __init__(self):
        self.said = []

    def match(self, header, shape, tolerance, patience):
        return np.full(shape, 0.5, np.float32)

    def works(self):
        self.said.append('works')

    def fault(self, text):
        self.said.append(text)


BY_DEPTH = {'scale_source': ScaleSource.DEPTH, 'scale_note': ''}
WITHOUT = {'scale_source': ScaleSource.MEAN, 'scale_note': 'depth is known at 0 of 90 pixels'}
NOTE = 'depth is known at 0 of 90 pixels; sizes come without depth'


@pytest.mark.parametrize(
    ('hands', 'said', 'remembered'),
    [
        ([BY_DEPTH, BY_DEPTH], 'works', 0),
        ([BY_DEPTH, WITHOUT], 'works', 1),
        ([WITHOUT, BY_DEPTH], 'works', 1),
        ([WITHOUT, WITHOUT], NOTE, 0),
    ],
)
def test_depth_that_one_hand_is_placed_by_works(monkeypatch, hands, said, remembered):
    """The other may be where the depth camera does not see."""
    depth = Depth()
    bench = Bench(depth=depth)
    bench.calibration = Calibration(np.diag([300.0, 300, 1]), np.zeros(0))
    tracker = bench.worker._tracker
    update = tracker.update

    def placed(*arguments, **more):
        found = update(*arguments, **more)
        return [replace(hand, **fields) for hand, fields in zip(found, hands, strict=True)]

    monkeypatch.setattr(tracker, 'update', placed)
    bench.serve_good(1.0)
    bench.close()
    assert depth.said == [said]
    faults = bench.monitor.faults()
    assert (faults['depth'].count if 'depth' in faults else 0) == remembered
    assert not bench.faults


def test_held_hands_say_the_very_stamp_of_the_image_they_were_seen_in(bench):
    """Whoever looks that image up by it finds it."""
    for i in range(20):
        stamps = [Time(sec=1_790_000_000 + i, nanosec=n) for n in (123_456_789 + 7 * i, 2 * 10**8)]
        headers = [Header(stamp=stamp, frame_id='camera') for stamp in stamps]
        assert bench.serve(rgb_to_image(BOTH, headers[0])) == 'processed'
        assert bench.serve(rgb_to_image(paint([]), headers[1])) == 'processed'
        seen, held = (hands_to_msg(*published(bench, n)).hands for n in (-2, -1))
        assert [hand.geometry_stamp for hand in seen] == stamps[:1] * 2
        assert [hand.state for hand in held] == [HandMsg.HELD] * 2
        assert [hand.geometry_stamp for hand in held] == stamps[:1] * 2


def published(bench, number):
    hands, picture = bench.outputs.published[number]
    return hands, picture.header


class Ill(PaintedPredictor):
    """Fails as long as it is ill."""

    is_ill = False

    def begin(self, rgb, refine=True):
        if self.is_ill:
            raise BackendError('ill')
        super().begin(rgb, refine)


def test_hands_stay_the_same_ones_while_a_network_is_loaded_anew(monkeypatch):
    monkeypatch.setattr(recovery, 'PAUSE', 0.0)
    made, ids = [], count()

    def make(attempt):
        made.append(Ill())
        return HandTracker(made[-1], ids=ids)

    def fall_ill(stamp):
        made[-1].is_ill = True
        for i in range(recovery.PATIENCE):
            assert bench.serve(image(BOTH, stamp + 0.01 * i)) == 'failed'

    bench = Bench(make)
    first = {hand.side: hand.track_id for hand in bench.serve_good(1.0)}
    fall_ill(1.1)
    assert {hand.side: hand.track_id for hand in bench.serve_good(1.5)} == first
    later = [(hand.track_id, hand.state.value) for hand in bench.serve_good(30.0)]
    assert sorted(later) == [(0, 'lost'), (1, 'lost'), (2, 'tracked'), (3, 'tracked')]
    fall_ill(30.1)
    assert sorted(hand.track_id for hand in bench.serve_good(30.2)) == [4, 5]
    assert len(made) == 3
    bench.close()


def test_a_network_that_cannot_be_loaded_is_said_and_tried_again(monkeypatch):
    monkeypatch.setattr(recovery, 'PAUSE', 0.0)

    def make(attempt):
        if attempt in (1, 2):
            raise BackendError(f'attempt {attempt} finds no device')
        return HandTracker(Failing() if attempt == 0 else PaintedPredictor())

    bench = Bench(make)
    for i in range(3 * recovery.PATIENCE):
        assert bench.serve(image(BOTH, 1.0 + i)) == 'failed'
    said = [text for kind, text in bench.faults if kind == 'inference']
    assert 'cannot load the network anew: BackendError: attempt 1 finds no device' in said
    assert 'cannot load the network anew: BackendError: attempt 2 finds no device' in said
    assert 'there is no network since loading it anew has failed' in said
    assert bench.outputs.published == []
    assert len(bench.serve_good(30.0)) == 2
    bench.close()


def test_numbers_that_are_not_finite_are_not_published(bench):
    bench.serve_good(1.0)
    bench.worker._tracker.predictor.backend.depth = np.full(779, np.nan)
    assert bench.serve(image(BOTH, 2.0)) == 'failed'
    assert 'gave NaN' in bench.faults[-1][1]
    assert len(bench.outputs.published) == 1


def test_an_image_that_takes_forever_is_left_alone(bench, monkeypatch):
    monkeypatch.setattr(frame_worker, 'JOIN_TIMEOUT', 0.1)
    bench.serve_good(1.0)
    goes_on, is_in = threading.Event(), threading.Event()
    tracker = bench.worker._tracker
    update = tracker.update

    def hang(*args, **values):
        is_in.set()
        goes_on.wait()
        return update(*args, **values)

    monkeypatch.setattr(tracker, 'update', hang)
    bench.worker.offer(image(BOTH, 2.0))
    assert is_in.wait(TIMEOUT)
    assert not bench.worker.stop()
    assert bench.worker.busy_for() > 0
    assert 'an image is not done after' in bench.faults[-1][1]
    with pytest.raises(BackendError, match='the last image takes'):
        bench.worker.start()
    goes_on.set()
    monkeypatch.setattr(frame_worker, 'JOIN_TIMEOUT', TIMEOUT)
    assert bench.worker.stop()
    # Who has stopped it did not wait, and wants no hands any more.
    assert len(bench.outputs.published) == len(bench.reports) == 1
    bench.worker.start()
    bench.serve_good(3.0)
