"""Tracks of scripted hands that come close: which one is hidden, and which is which afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scripted_hands import IMAGE, make, states

from handmesh_model.boxes import intersection_over_union
from handmesh_model.estimator import Estimate
from handmesh_model.hand import Hand, HandBox, Side, TrackState
from handmesh_model.topology import HandTopology

RATE = 30
PLACES: dict[str, tuple[float, float, Side]] = {'a': (170, 200, 'right'), 'b': (470, 200, 'left')}


class Scene:
    """Two hands, one of which hides the other where they overlap."""

    def __init__(self, topology: HandTopology, front: str, **settings: float) -> None:
        self.world, self.tracker = make(topology, dict(PLACES), **settings)
        self.front = front
        self.crops: list[HandBox] = []
        self.places = dict(PLACES)
        self.frame = 0
        estimate = self.world.estimate

        def counted(rgb: np.ndarray, boxes: Sequence[HandBox]) -> list[Estimate]:
            self.crops += boxes
            return estimate(rgb, boxes)

        self.tracker.predictor.estimator.estimate = counted  # type: ignore[method-assign]

    def show(self, a: float = 0.0, b: float = 0.0) -> list[Hand]:
        """The next frame, with the hands at these x."""
        x = {'a': a, 'b': b}
        self.places = {name: (x[name], y, side) for name, (_, y, side) in self.places.items()}
        self.world.hands = dict(self.places)
        if len(self.places) == 2:
            overlap = intersection_over_union(self.world.box('a'), self.world.box('b'))
            if overlap > 0.4:
                del self.world.hands['a' if self.front == 'b' else 'b']
        hands = self.tracker.update(IMAGE, self.frame / RATE)
        self.frame += 1
        return hands

    def cross(self, step: float) -> list[list[tuple[int, str, str]]]:
        """States in each frame while the hands change places, pixels a frame each."""
        count = round(300 / step)
        return [states(self.show(170 + step * i, 470 - step * i)) for i in range(count + 1)]


@pytest.mark.parametrize('front', ['a', 'b'])
@pytest.mark.parametrize('step', [8, 12, 20])
def test_a_hand_covered_by_another_is_held_and_keeps_its_id(
    topology: HandTopology, front: str, step: float
) -> None:
    scene = Scene(topology, front)
    seen = scene.cross(step)
    covered = 0 if front == 'b' else 1
    assert {state[covered][2] for state in seen} == {'tracked', 'held'}
    for hands in seen:
        assert [hand[:2] for hand in hands] == [(0, 'right'), (1, 'left')]
        assert sum(hand[2] == 'tracked' for hand in hands) >= 1
    hands = scene.show(470, 170)
    assert states(hands) == [(0, 'right', 'tracked'), (1, 'left', 'tracked')]
    assert [hand.box.center[0] for hand in hands] == pytest.approx([470, 170])


@pytest.mark.parametrize('front', ['a', 'b'])
def test_a_hand_covered_for_long_is_lost_and_the_other_keeps_id_and_side(
    topology: HandTopology, front: str
) -> None:
    scene = Scene(topology, front, hold_time=0.3)
    seen = scene.cross(2.0)
    covered, other = (0, 1) if front == 'b' else (1, 0)
    sides = ('right', 'left')
    of_covered = [h[2] for hands in seen for h in hands if h[0] == covered]
    assert 8 <= of_covered.count('held') <= 10
    assert of_covered[-1] == 'lost'
    assert all((other, sides[other], 'tracked') in hands for hands in seen)
    assert seen[-1] == sorted([(other, sides[other], 'tracked'), (2, sides[covered], 'tracked')])


def test_hands_of_one_side_are_held_as_well(topology: HandTopology) -> None:
    # Two people: nothing but their motion tells them apart.
    scene = Scene(topology, front='a')
    scene.places['b'] = (470, 200, 'right')
    for _ in range(RATE):
        scene.show(170, 470)
    seen = scene.cross(12)
    assert {hands[1][2] for hands in seen} == {'tracked', 'held'}
    hands = scene.show(470, 170)
    assert states(hands) == [(0, 'right', 'tracked'), (1, 'right', 'tracked')]
    assert [hand.box.center[0] for hand in hands] == pytest.approx([470, 170])


def test_hands_taken_for_each_other_get_their_ids_back_soon(topology: HandTopology) -> None:
    scene = Scene(topology, front='a')
    for _ in range(45):
        scene.show(200, 250)
    # Between two frames each has come to where the other was.
    for i in range(6):
        hands = scene.show(255 + 12 * i, 185 - 12 * i)
    assert states(hands) == [(0, 'right', 'tracked'), (1, 'left', 'tracked')]
    assert [hand.box.center[0] for hand in hands] == pytest.approx([315, 125])


def test_a_hand_in_sight_stays_tracked_whatever_its_crop_says_of_sides(
    topology: HandTopology,
) -> None:
    scene = Scene(topology, front='b')
    look = scene.world.look

    def wrong(box: HandBox) -> Estimate:
        """What is near the right hand looks like a left one, as of a crop with more of that."""
        estimate = look(box)
        if scene.frame < 60 or abs(box.center[0] - 200) > 15:
            return estimate
        return replace(estimate, side_agreement=0.05 if box.side == 'right' else 0.95)

    scene.world.look = wrong  # type: ignore[method-assign]
    for _ in range(91):
        assert [hand[2] for hand in states(scene.show(200, 245))] == ['tracked', 'tracked']
    # And is found again there.
    hidden = scene.places.pop('a')
    assert [hand[2] for hand in states(scene.show(b=245))] == ['held', 'tracked']
    scene.places = {'a': hidden, **scene.places}
    assert [hand[2] for hand in states(scene.show(200, 245))] == ['tracked', 'tracked']


@pytest.mark.parametrize('agreement', [0.499, 0.4, 0.1])
def test_hands_that_never_met_do_not_trade_their_ids(
    topology: HandTopology, agreement: float
) -> None:
    world, tracker = make(topology, {'a': (100, 200, 'right'), 'b': (540, 200, 'left')})
    look = world.look

    def undecided(box: HandBox) -> Estimate:
        estimate = look(box)
        if abs(box.center[0] - 540) > 60:
            return estimate
        told = agreement if box.side == 'left' else 1 - agreement
        return replace(estimate, side_agreement=told)

    world.look = undecided  # type: ignore[method-assign]
    for i in range(60):
        if i == 3:
            world.hands['a'] = (100, 200, 'left')
        hands = tracker.update(IMAGE, i / RATE)
        assert [(hand.track_id, round(hand.box.center[0])) for hand in hands] == [
            (0, 100),
            (1, 540),
        ]
    assert hands[0].side == 'left'


def test_a_track_on_the_hand_of_one_out_of_sight_gives_it_back(topology: HandTopology) -> None:
    scene = Scene(topology, front='a')
    for _ in range(45):
        scene.show(200, 250)
    # The right hand is gone, and the left one has come to where it was.
    del scene.places['a']
    seen = [states(scene.show(b=180)) for _ in range(5)]
    assert seen[0] == [(0, 'right', 'tracked'), (1, 'left', 'held')]
    assert seen[-1] == [(0, 'right', 'held'), (1, 'left', 'tracked')]


def test_a_hand_that_another_was_taken_for_is_held_where_it_was_seen_itself(
    topology: HandTopology,
) -> None:
    scene = Scene(topology, front='a')
    said: dict[tuple[int, float], Hand] = {}
    for i in range(60):
        if i == 45:
            del scene.places['a']
        hands = scene.show(200, 250) if i < 45 else scene.show(b=180)
        for hand in hands:
            at = round(i / RATE + hand.lead, 6)
            if hand.state is TrackState.TRACKED:
                said[hand.track_id, at] = hand
            else:
                # As it was said at that time, and of that name.
                before = said[hand.track_id, at]
                assert before.side == hand.side
                np.testing.assert_array_equal(before.joints_camera, hand.joints_camera)
                np.testing.assert_array_equal(before.joints_image, hand.joints_image)
        if i == 50:
            assert states(hands) == [(0, 'right', 'held'), (1, 'left', 'tracked')]
            assert [hand.box.center[0] for hand in hands] == pytest.approx([200, 180])
            assert -8 / RATE < hands[0].lead <= -5 / RATE


@pytest.mark.parametrize('max_hands', [2, 4])
def test_hands_taken_for_each_other_get_their_ids_back_though_one_was_out_of_sight(
    topology: HandTopology, max_hands: int
) -> None:
    scene = Scene(topology, front='a')
    scene.tracker.predictor.max_hands = max_hands
    for _ in range(45):
        scene.show(200, 250)
    # The right hand is hidden while the left one comes to its place, and turns up far from it.
    hidden = scene.places.pop('a')
    scene.show(b=190)
    scene.places = {'a': hidden, **scene.places}
    seen = [scene.show(340, 170 - 20 * i) for i in range(7)]
    for i, hands in enumerate(seen):
        assert states(hands) == [(0, 'right', 'tracked'), (1, 'left', 'tracked')]
        assert [hand.box.center[0] for hand in hands] == pytest.approx([340, 170 - 20 * i])


def test_a_second_hand_of_a_side_has_the_first_one_looked_at_again(
    topology: HandTopology,
) -> None:
    world, tracker = make(topology, {'a': (150, 200, 'right')}, detect_period=0.0)
    for i in range(45):
        tracker.update(IMAGE, i / RATE)
    # It has become the left one at a moment when its side is sure and seldom looked at.
    tracker._tracks[0].side_looked_at = 44 / RATE
    world.hands = {'a': (150, 200, 'left'), 'b': (450, 200, 'right')}
    for i in range(45, 51):
        hands = tracker.update(IMAGE, i / RATE)
    assert states(hands) == [(0, 'left', 'tracked'), (1, 'right', 'tracked')]


def test_a_hand_out_of_sight_is_looked_for_along_its_way(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (100, 200, 'right')})
    for i in range(10):
        world.hands['a'] = (100 + 20 * i, 200, 'right')
        tracker.update(IMAGE, i / RATE)
    # Nobody but the track knows where it is.
    tracker.predictor.detect = lambda rgb: []  # type: ignore[method-assign]
    hidden = world.hands.pop('a')
    for i in range(10, 14):
        assert states(tracker.update(IMAGE, i / RATE)) == [(0, 'right', 'held')]
    world.hands['a'] = (100 + 20 * 14, *hidden[1:])
    assert states(tracker.update(IMAGE, 14 / RATE)) == [(0, 'right', 'tracked')]


@pytest.mark.parametrize('apart', [55, 90, 300])
def test_quiet_hands_are_looked_at_once_each(topology: HandTopology, apart: float) -> None:
    scene = Scene(topology, front='b')
    for _ in range(2 * RATE):
        scene.show(170, 170 + apart)
    scene.crops.clear()
    for _ in range(3 * RATE):
        hands = scene.show(170, 170 + apart)
        assert states(hands) == [(0, 'right', 'tracked'), (1, 'left', 'tracked')]
    # One a hand and frame, and one a hand and second to make sure of its side.
    assert len(scene.crops) == 2 * 3 * RATE + 2 * 3


def test_hands_that_stay_in_touch_are_not_looked_at_both_ways_in_every_frame(
    topology: HandTopology,
) -> None:
    scene = Scene(topology, front='b')
    for _ in range(2 * RATE):
        scene.show(170, 170 + 45)
    scene.crops.clear()
    for _ in range(3 * RATE):
        scene.show(170, 170 + 45)
    assert 2 * 3 * RATE < len(scene.crops) <= 3 * 3 * RATE


def test_stamps_that_stand_still_tell_no_speed(topology: HandTopology) -> None:
    world, tracker = make(topology, {'a': (100, 200, 'right')})
    for i in range(4):
        world.hands['a'] = (100 + 5 * i, 200, 'right')
        assert states(tracker.update(IMAGE, 1.0)) == [(0, 'right', 'tracked')]
    hidden = world.hands.pop('a')
    assert states(tracker.update(IMAGE, 1.03)) == [(0, 'right', 'held')]
    world.hands['a'] = hidden
    assert states(tracker.update(IMAGE, 1.06)) == [(0, 'right', 'tracked')]
