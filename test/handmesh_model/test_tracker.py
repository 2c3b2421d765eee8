"""Tracks of scripted hands: ids, sides, holding, losing, finding again."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scripted_hands import IMAGE, make, states

from handmesh_model.errors import BackendError, ConfigError, ImageError, IntrinsicsError
from handmesh_model.estimator import Estimate
from handmesh_model.hand import HandBox, Side, TrackState
from handmesh_model.topology import HandTopology
from handmesh_model.tracker import _SMALLEST_HAND, HandTracker, TrackerSettings

DOCS = Path(__file__).parents[2] / 'docs'


def test_a_hand_is_followed_whether_its_mesh_is_refined_or_not(topology: HandTopology) -> None:
    _, tracker = make(topology, {'a': (200, 200, 'right')})
    for i, refine in enumerate([True, False, False, True]):
        assert states(tracker.update(IMAGE, i / 30, refine=refine)) == [(0, 'right', 'tracked')]
        assert tracker.predictor.estimator.refine is refine


def test_threads_that_share_a_tracker_take_turns(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (200, 200, 'right')})
    lock = tracker.predictor.lock
    held: list[bool] = []

    def estimate(rgb: np.ndarray, boxes: Sequence[HandBox]) -> list[Estimate]:
        with ThreadPoolExecutor(1) as other:
            held.append(not other.submit(lock.acquire, blocking=False).result())
        return world.estimate(rgb, boxes)

    tracker.predictor.estimator.estimate = estimate  # type: ignore[method-assign]
    for i in range(3):
        assert states(tracker.update(IMAGE, i / 30)) == [(0, 'right', 'tracked')]
    assert held == [True] * 3
    with ThreadPoolExecutor(1) as other:
        assert other.submit(lock.acquire, blocking=False).result()


def test_moving_hands_keep_their_ids_without_new_searches(topology: HandTopology) -> None:
    hands_at_first: dict[str, tuple[float, float, Side]]
    hands_at_first = {'a': (150, 200, 'right'), 'b': (450, 200, 'left')}
    world, tracker = make(topology, hands_at_first, detect_period=10.0)
    for i in range(30):
        world.hands['a'] = (150 + 12 * i, 200 + 4 * i, 'right')
        world.hands['b'] = (450 - 9 * i, 200 - 3 * i, 'left')
        hands = tracker.update(IMAGE, i / 30)
        assert states(hands) == [(0, 'right', 'tracked'), (1, 'left', 'tracked')]
        assert hands[0].box.center == pytest.approx((150 + 12 * i, 200 + 4 * i))
        assert hands[0].box.track_id == 0
    assert world.searches == 1


def test_tracked_hands_are_searched_for_now_and_then(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')}, detect_period=0.25)
    for i in range(31):
        tracker.update(IMAGE, i / 30)
    assert world.searches == 4


def test_a_network_that_draws_hands_too_small_does_not_shrink_the_track(
    topology: HandTopology,
) -> None:
    world, tracker = make(topology, {'a': (300, 200, 'right')}, detect_period=0.25)
    world.drawn = 0.75
    for i in range(60):
        (hand,) = tracker.update(IMAGE, i / 30)
        assert hand.state is TrackState.TRACKED
        crop = tracker._tracks[0].estimate.source
        assert 60 < crop.width < 160


def test_one_run_of_the_network_serves_old_and_new_hands(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')})
    tracker.update(IMAGE, 0.0)
    world.hands['b'] = (450, 200, 'left')
    before = world.runs
    hands = tracker.update(IMAGE, 1.0)
    assert len(hands) == 2
    assert world.runs == before + 1


def test_searches_are_rare_while_a_hand_is_tracked(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')}, detect_period=0.5)
    for i in range(61):
        tracker.update(IMAGE, i / 30)
    assert world.searches == 5


def test_empty_pictures_are_searched_and_give_nothing(topology: HandTopology) -> None:
    world, tracker = make(topology, {})
    assert [tracker.update(IMAGE, i / 30) for i in range(4)] == [[], [], [], []]
    assert world.searches == 4
    assert world.runs == 0


def test_vanished_hand_is_held_then_lost_once(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')}, hold_time=0.25)
    first = tracker.update(IMAGE, 0.0)
    del world.hands['a']
    seen = [tracker.update(IMAGE, 0.1 * i) for i in range(1, 6)]
    assert [states(hands) for hands in seen] == [
        [(0, 'right', 'held')],
        [(0, 'right', 'held')],
        [(0, 'right', 'lost')],
        [],
        [],
    ]
    np.testing.assert_array_equal(seen[0][0].joints_camera, first[0].joints_camera)
    assert first[0].lead == 0
    assert [hands[0].lead for hands in seen[:3]] == pytest.approx([-0.1, -0.2, -0.3])


def test_without_a_head_for_presence_hands_live_as_long_as_they_are_found(
    topology: HandTopology, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')}, detect_period=0.25, hold_time=0.3)
    estimator = tracker.predictor.estimator

    def estimate(rgb: np.ndarray, boxes: Sequence[HandBox]) -> list[Estimate]:
        return [replace(world.look(box), presence=box.score) for box in boxes]

    monkeypatch.setattr(estimator, 'tells_presence', False)
    monkeypatch.setattr(estimator, 'estimate', estimate)
    seen = [tracker.update(IMAGE, i / 10) for i in range(20)]
    assert all(states(hands) == [(0, 'right', 'tracked')] for hands in seen)
    assert seen[-1][0].score == pytest.approx(0.9)
    # The network goes on to see a hand there; nothing else does.
    monkeypatch.setattr(tracker.predictor, 'detect', lambda rgb: [])
    last = [states(tracker.update(IMAGE, 2 + i / 10)) for i in range(20)]
    assert last[:8] == [[(0, 'right', 'tracked')]] * 8
    assert last[9] == [(0, 'right', 'held')]
    assert [(0, 'right', 'lost')] in last[10:14]
    assert last[14:] == [[]] * 6


def test_without_a_head_for_sides_nobody_asks_for_them(
    topology: HandTopology, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands_at_first = {'a': (150, 200, 'left'), 'b': (400, 200, None)}
    _, tracker = make(topology, hands_at_first)  # type: ignore[arg-type]
    estimator = tracker.predictor.estimator
    asked: list[int] = []
    look = estimator.estimate

    def estimate(rgb: np.ndarray, boxes: Sequence[HandBox]) -> list[Estimate]:
        asked.append(len(boxes))
        return look(rgb, boxes)

    monkeypatch.setattr(estimator, 'tells_side', False)
    monkeypatch.setattr(estimator, 'estimate', estimate)
    for i in range(5):
        hands = tracker.update(IMAGE, i / 30)
        assert states(hands) == [(0, 'left', 'tracked'), (1, 'right', 'tracked')]
    assert asked == [2] * 5


def test_without_a_head_for_sides_boxes_that_keep_saying_so_turn_a_track(
    topology: HandTopology, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')})
    monkeypatch.setattr(tracker.predictor.estimator, 'tells_side', False)
    box = world.box('a')
    sides: list[Side | None] = [None, 'left', None, 'left', 'left', 'left', 'right', 'left']
    said = [
        tracker.update(IMAGE, i / 30, boxes=[replace(box, side=side)])[0].side
        for i, side in enumerate(sides)
    ]
    assert said == ['right'] * 4 + ['left'] * 4


def test_held_hand_is_found_again_elsewhere_under_its_id(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')})
    tracker.update(IMAGE, 0.0)
    world.hands['a'] = (270, 260, 'right')
    assert states(tracker.update(IMAGE, 0.03)) == [(0, 'right', 'held')]
    assert states(tracker.update(IMAGE, 0.06)) == [(0, 'right', 'tracked')]


@pytest.mark.parametrize('told', [True, False])
@pytest.mark.parametrize('away', [0, 60, 120])
@pytest.mark.parametrize(('before', 'gap'), [(2, 1), (45, 3), (60, 8)])
def test_another_hand_where_one_is_held_has_an_id_of_its_own(
    topology: HandTopology,
    monkeypatch: pytest.MonkeyPatch,
    before: int,
    gap: int,
    away: int,
    told: bool,
) -> None:
    world, tracker = make(topology, {'a': (250, 240, 'left')})
    if not told:
        detect = world.detect

        def unsided(rgb: np.ndarray) -> list[HandBox]:
            return [replace(box, side=None) for box in detect(rgb)]

        monkeypatch.setattr(tracker.predictor, 'detect', unsided)
    for i in range(before):
        tracker.update(IMAGE, i / 30)
    world.hands = {}
    for i in range(before, before + gap):
        assert states(tracker.update(IMAGE, i / 30)) == [(0, 'left', 'held')]
    world.hands = {'b': (250 + away, 240, 'right')}
    for i in range(before + gap, before + gap + 30):
        *others, hand = tracker.update(IMAGE, i / 30)
        assert states([hand]) == [(1, 'right', 'tracked')]
        assert states(others) in ([(0, 'left', 'held')], [(0, 'left', 'lost')], [])
    assert others == []


def test_a_held_hand_does_not_go_on_as_another_that_no_search_finds(
    topology: HandTopology, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, tracker = make(topology, {'a': (250, 240, 'left')})
    for i in range(45):
        tracker.update(IMAGE, i / 30)
    monkeypatch.setattr(tracker.predictor, 'detect', lambda rgb: [])
    world.hands = {}
    tracker.update(IMAGE, 45 / 30)
    world.hands = {'b': (260, 240, 'right')}
    for i in range(46, 52):
        assert states(tracker.update(IMAGE, i / 30)) == [(0, 'left', 'held')]
    world.hands = {'a': (260, 240, 'left')}
    assert states(tracker.update(IMAGE, 52 / 30)) == [(0, 'left', 'tracked')]


def test_a_held_hand_taken_for_another_in_one_frame_has_its_id_back_in_the_next(
    topology: HandTopology,
) -> None:
    world, tracker = make(topology, {'a': (250, 240, 'left')})
    for i in range(45):
        tracker.update(IMAGE, i / 30)
    for i, side in ((45, None), (46, 'right'), (47, 'left'), (48, 'left')):
        world.hands = {} if side is None else {'a': (250, 240, side)}  # type: ignore[dict-item]
        hands = tracker.update(IMAGE, i / 30)
        assert states(hands)[0] == (0, 'left', 'held' if i < 47 else 'tracked')


@pytest.mark.parametrize('before', range(45, 76, 6))
def test_another_hand_in_the_next_frame_is_of_its_own_side_soon(
    topology: HandTopology, before: int
) -> None:
    world, tracker = make(topology, {'a': (250, 240, 'left')})
    for i in range(before):
        tracker.update(IMAGE, i / 30)
    world.hands = {'b': (260, 240, 'right')}
    for i in range(before, before + 13):
        hands = tracker.update(IMAGE, i / 30)
    assert states(hands) == [(0, 'right', 'tracked')]


def test_hands_that_come_back_together_are_told_apart_by_their_sides(
    topology: HandTopology,
) -> None:
    world, tracker = make(topology, {'a': (200, 200, 'left'), 'b': (320, 200, 'right')})
    for i in range(10):
        tracker.update(IMAGE, i / 30)
    world.hands = {}
    for i in range(10, 13):
        tracker.update(IMAGE, i / 30)
    # Each nearer to where the other was.
    world.hands = {'a': (290, 200, 'left'), 'b': (230, 260, 'right')}
    hands = tracker.update(IMAGE, 13 / 30)
    assert states(hands) == [(0, 'left', 'tracked'), (1, 'right', 'tracked')]
    assert [hand.box.center[0] for hand in hands] == pytest.approx([290, 230])


def test_without_a_head_for_sides_a_held_hand_is_no_box_of_the_other_side(
    topology: HandTopology, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, tracker = make(topology, {'a': (250, 240, 'left')})
    monkeypatch.setattr(tracker.predictor.estimator, 'tells_side', False)
    for i in range(45):
        tracker.update(IMAGE, i / 30)
    world.hands = {}
    assert states(tracker.update(IMAGE, 45 / 30)) == [(0, 'left', 'held')]
    world.hands = {'b': (250, 240, 'right')}
    seen = [states(tracker.update(IMAGE, i / 30)) for i in range(46, 60)]
    assert seen[:7] == [[(0, 'left', 'held')]] * 7
    assert [(0, 'left', 'lost')] in seen[7:9]
    assert seen[-1] == [(1, 'right', 'tracked')]


def test_hand_that_comes_back_after_being_lost_is_a_new_one(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')}, hold_time=0.0)
    tracker.update(IMAGE, 0.0)
    hand = world.hands.pop('a')
    assert states(tracker.update(IMAGE, 0.1)) == [(0, 'right', 'lost')]
    world.hands['a'] = hand
    assert states(tracker.update(IMAGE, 0.2)) == [(1, 'right', 'tracked')]


def test_side_of_a_track_needs_more_than_one_doubtful_frame(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')})
    for i in range(5):
        tracker.update(IMAGE, i / 30)
    sides = []
    for i in range(5, 7):
        world.hands['a'] = (150, 200, 'left')
        sides += [hand.side for hand in tracker.update(IMAGE, i / 30)]
    assert sides == ['right', 'right']
    world.hands['a'] = (150, 200, 'right')
    assert states(tracker.update(IMAGE, 0.5)) == [(0, 'right', 'tracked')]


def test_no_more_hands_than_wanted_are_followed(topology: HandTopology) -> None:
    places: dict[str, tuple[float, float, Side]]
    places = {'a': (100, 200, 'right'), 'b': (300, 200, 'left'), 'c': (500, 200, 'right')}
    _, tracker = make(topology, places, detect_period=0.0)
    for i in range(3):
        assert len(tracker.update(IMAGE, i / 30)) == 2


def test_sure_side_is_seldom_looked_at_again(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')}, detect_period=10.0)
    seen = []
    look = world.look
    world.look = lambda box: (seen.append(box.side), look(box))[1]  # type: ignore[method-assign]
    for i in range(60):
        tracker.update(IMAGE, i / 30)
    assert 2 <= seen.count('left') <= 6
    assert seen.count('right') >= 60


def test_side_that_is_wrong_for_long_is_given_up(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')})
    tracker.update(IMAGE, 0.0)
    world.hands['a'] = (150, 200, 'left')
    hands = [tracker.update(IMAGE, 0.03 * i) for i in range(1, 15)]
    assert states(hands[-1]) == [(0, 'left', 'tracked')]


def test_wrong_side_of_the_detector_is_put_right_at_once(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'left')})
    wrong = HandBox(100, 150, 200, 250, side='right')
    assert states(tracker.update(IMAGE, 0.0, boxes=[wrong])) == [(0, 'left', 'tracked')]
    assert world.searches == 0


def test_side_that_the_user_knows_is_taken_for_every_hand(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'left')}, detect_period=0.0)
    looks = []
    look = world.look
    world.look = lambda box: (looks.append(box.side), look(box))[1]  # type: ignore[method-assign]
    tracker.predictor.side = 'right'
    for i in range(20):
        assert states(tracker.update(IMAGE, i / 30)) == [(0, 'right', 'tracked')]
    assert set(looks) == {'right'}
    tracker.predictor.side = 'left'
    assert states(tracker.update(IMAGE, 0.7)) == [(0, 'left', 'tracked')]


def test_a_side_that_was_only_assumed_is_soon_given_up(topology: HandTopology) -> None:
    _, tracker = make(topology, {'a': (150, 200, 'right')})
    for i in range(60):
        tracker.update(IMAGE, i / 30)
    tracker.predictor.side = 'left'
    assert states(tracker.update(IMAGE, 2.0)) == [(0, 'left', 'tracked')]
    tracker.predictor.side = None
    for i in range(1, 11):
        hands = tracker.update(IMAGE, 2 + i / 30)
    assert states(hands) == [(0, 'right', 'tracked')]


def test_two_tracks_on_one_hand_become_one(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (230, 200, 'right'), 'b': (300, 200, 'right')})
    tracker.update(IMAGE, 0.0)
    world.hands = {'a': (265, 200, 'right')}
    world.size = 120
    hands = tracker.update(IMAGE, 0.03)
    assert [(h.track_id, h.state) for h in hands] == [
        (0, TrackState.TRACKED),
        (1, TrackState.LOST),
    ]


@pytest.mark.parametrize('goes_to', [320, 200])
def test_a_hand_out_of_sight_does_not_take_the_one_in_sight(
    topology: HandTopology, goes_to: int
) -> None:
    world, tracker = make(topology, {'a': (200, 200, 'left'), 'b': (320, 200, 'right')})
    assert states(tracker.update(IMAGE, 0.0)) == [(0, 'left', 'tracked'), (1, 'right', 'tracked')]
    del world.hands['a']
    for i in range(1, 10):
        # Beside the place of the hidden hand, or onto it.
        world.hands['b'] = (320 + (goes_to - 320) * i / 9, 200, 'right')
        hands = tracker.update(IMAGE, i / 30)
        assert states(hands) == [(0, 'left', 'held'), (1, 'right', 'tracked')]
    world.hands['a'] = (80, 200, 'left')
    hands = tracker.update(IMAGE, 10 / 30)
    assert states(hands) == [(0, 'left', 'tracked'), (1, 'right', 'tracked')]
    assert hands[0].box.center[0] == pytest.approx(80)


def test_of_many_boxes_from_elsewhere_the_surest_are_looked_at(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (550, 400, 'right')})
    looks = []
    look = world.look
    world.look = lambda box: (looks.append(box), look(box))[1]  # type: ignore[method-assign]
    boxes = [HandBox(8 * i, 0, 8 * i + 40, 40, score=0.01 * i) for i in range(50)]
    hands = tracker.update(IMAGE, 0.0, boxes=[*boxes, world.box('a')])
    assert states(hands) == [(0, 'right', 'tracked')]
    assert [box.score for box in looks] == pytest.approx([0.9, 0.49, 0.48, 0.47] * 2)


def test_no_more_hands_than_wanted(topology: HandTopology) -> None:
    places: dict[str, tuple[float, float, Side]] = {
        str(i): (80 + 150 * i, 200, 'right') for i in range(4)
    }
    _, tracker = make(topology, places)
    for i in range(10):
        assert len(tracker.update(IMAGE, i / 5)) == 2


def test_time_jumping_back_starts_again(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')})
    tracker.update(IMAGE, 100.0)
    world.hands['a'] = (450, 300, 'right')
    assert states(tracker.update(IMAGE, 5.0)) == [(1, 'right', 'tracked')]


def test_frames_that_stay_away_for_long_end_the_tracks(topology: HandTopology) -> None:
    _, tracker = make(topology, {'a': (150, 200, 'right')}, hold_time=0.3)
    tracker.update(IMAGE, 0.0)
    assert states(tracker.update(IMAGE, 2.0)) == [(0, 'right', 'tracked')]
    hands = tracker.update(IMAGE, 60.0)
    assert states(hands) == [(0, 'right', 'lost'), (1, 'right', 'tracked')]
    assert hands[0].lead == pytest.approx(-58.0)
    assert states(tracker.update(IMAGE, 60.1)) == [(1, 'right', 'tracked')]


@pytest.mark.parametrize('is_taken_over', [False, True])
def test_images_of_another_size_end_the_tracks(
    topology: HandTopology, is_taken_over: bool
) -> None:
    """Their boxes are in other pixels: a hand there may be another one."""
    world, tracker = make(topology, {'a': (150, 120, 'right'), 'b': (300, 240, 'left')})
    for i in range(3):
        tracker.update(IMAGE, i / 30)
    if is_taken_over:
        before, tracker = tracker, HandTracker(tracker.predictor, ids=tracker._ids)
        tracker.take_over(before)
    # The same view.
    world.hands, world.size = {'a': (300, 240, 'right'), 'b': (600, 480, 'left')}, 200
    larger = np.zeros((960, 1280, 3), np.uint8)
    hands = tracker.update(larger, 0.1)
    assert states(hands) == [
        (0, 'right', 'lost'),
        (1, 'left', 'lost'),
        (2, 'right', 'tracked'),
        (3, 'left', 'tracked'),
    ]
    assert [hand.lead for hand in hands[:2]] == pytest.approx([-0.1 + 2 / 30] * 2)
    hands = tracker.update(larger, 0.13)
    assert states(hands) == [(2, 'right', 'tracked'), (3, 'left', 'tracked')]


def test_hands_too_small_are_not_followed_as_the_documents_say(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (200, 200, 'right')})
    world.size = _SMALLEST_HAND - 1
    assert tracker.update(IMAGE, 0.0, boxes=[world.box('a')]) == []
    world.size = _SMALLEST_HAND + 1
    assert len(tracker.update(IMAGE, 0.0, boxes=[world.box('a')])) == 1
    for name in ('accuracy.md', 'parameters.md'):
        said = (DOCS / name).read_text(encoding='utf-8')
        assert f'less than {_SMALLEST_HAND:g} pixels' in said


@pytest.mark.parametrize('is_taken_over', [False, True])
def test_lost_hands_are_said_by_the_first_frame_after_a_gap_that_does_not_fail(
    topology: HandTopology, is_taken_over: bool
) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')})
    tracker.update(IMAGE, 0.0)

    def fail(box: HandBox) -> Estimate:
        raise BackendError('not now')

    look, world.look = world.look, fail  # type: ignore[method-assign]
    for stamp in (60.0, 60.1):
        with pytest.raises(BackendError):
            tracker.update(IMAGE, stamp)
    world.look = look  # type: ignore[method-assign]
    if is_taken_over:
        before, tracker = tracker, HandTracker(tracker.predictor, ids=tracker._ids)
        tracker.take_over(before)
    hands = tracker.update(IMAGE, 60.2)
    assert states(hands) == [(0, 'right', 'lost'), (1, 'right', 'tracked')]
    assert hands[0].lead == pytest.approx(-60.2)
    assert states(tracker.update(IMAGE, 60.3)) == [(1, 'right', 'tracked')]


def test_bad_input_is_refused_and_leaves_the_tracks_alone(topology: HandTopology) -> None:
    _, tracker = make(topology, {'a': (150, 200, 'right')})
    tracker.update(IMAGE, 0.0)
    with pytest.raises(ImageError, match='empty'):
        tracker.update(IMAGE[:0], 0.1)
    with pytest.raises(IntrinsicsError, match='zero'):
        tracker.update(IMAGE, 0.1, np.zeros((3, 3)))
    with pytest.raises(IntrinsicsError, match='3 coefficients'):
        tracker.update(IMAGE, 0.1, np.diag([300.0, 300, 1]), distortion=np.ones(3))
    with pytest.raises(ImageError, match='nan'):
        tracker.update(IMAGE, 0.1, boxes=[HandBox(0, 0, float('nan'), 5)])
    assert states(tracker.update(IMAGE, 0.1)) == [(0, 'right', 'tracked')]


@pytest.mark.parametrize(
    'settings', [{'enter_presence': 1.5}, {'hold_time': -1.0}, {'detect_period': float('nan')}]
)
def test_settings_outside_their_range_are_named(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        TrackerSettings(**settings)
