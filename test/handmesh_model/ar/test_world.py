"""Hands and things: synthetic hands, whose motion is known, push, pinch, carry and drop a cube."""

from dataclasses import replace

import numpy as np
import pytest

from handmesh_model.ar.hand_collider import HandShape
from handmesh_model.ar.performances import PUSHED_TO, RATE, pinch, pour, push
from handmesh_model.ar.stage import Stage, Thing, cube_stage, pour_stage
from handmesh_model.ar.world import HandWorld, WorldHand
from handmesh_model.joints import BONES
from handmesh_model.topology import HandTopology
from handmesh_model.wrist import wrist_frame

SIDE = 0.03
THUMB_TIP_BONE, INDEX_TIP_BONE = 3, 7


def bodies(placed, shape=None, track_id=1, tracked=True):
    joints = placed.joints_camera.astype(np.float64)
    if shape is None:
        parts = HandTopology.open_hand().vertex_parts
        shape = HandShape.fit(joints, placed.vertices_camera, parts)
    return [WorldHand(track_id, joints, wrist_frame(joints, 'right')[:3, :3], shape, tracked)]


def play(world, performance, frames=None):
    """Positions of the first thing in the stage's axes (N, 3), and the bones that touch it."""
    shape = bodies(performance.frames[0][0])[0].shape
    places, touching = [], []
    for number, (hand,) in enumerate(performance.frames[:frames]):
        world.advance(number / RATE, bodies(hand, shape))
        places.append(in_stage(world))
        touching.append(bones_on_thing(world))
    return np.array(places), touching


def bones_on_thing(world):
    """Bones, as numbers in BONES, of any hand that touch the first thing now."""
    pairs = [{world._model.geom(i).name for i in pair} for pair in world._data.contact.geom]
    others = [name for pair in pairs if 'thing0' in pair for name in pair - {'thing0'}]
    hands = [name.removeprefix('hand') for name in others if name.startswith('hand')]
    return {int(number) % len(BONES) for number in hands}


def in_stage(world, number=0):
    offset = world.thing_pose(number)[:3, 3] - np.asarray(world.stage.floor)
    return world.stage.axes.T @ offset


@pytest.fixture(scope='module')
def pinched():
    return play(HandWorld(cube_stage()), pinch())


def second(places, time):
    return places[round(time * RATE)]


def test_cube_rests_until_it_is_touched(pinched):
    places, touching = pinched
    np.testing.assert_allclose(second(places, 1.1), [0, 0, SIDE / 2], atol=1e-3)
    assert not touching[round(1.0 * RATE)]


def test_pinch_picks_the_cube_up_carries_and_drops_it(pinched):
    places, touching = pinched
    # The fingertips' middle is lifted to 12 cm, carried 10 cm to the left, and opened 9.5 cm up.
    lifted, carried = second(places, 2.5), second(places, 3.5)
    assert lifted[2] == pytest.approx(0.12, abs=0.006)
    assert carried[1] == pytest.approx(0.10, abs=0.004)
    assert carried[2] == pytest.approx(0.095, abs=0.006)
    for time in (2.0, 2.5, 3.0, 3.5):
        assert touching[round(time * RATE)] == {THUMB_TIP_BONE, INDEX_TIP_BONE}
    np.testing.assert_allclose(places[-1], [0, 0.10, SIDE / 2], atol=0.01)


def test_held_cube_moves_with_the_fingers(pinched):
    places, _ = pinched
    stage = cube_stage()
    tips = np.array([h[0].joints_camera[[4, 8]].mean(axis=0) for h in pinch().frames])
    tips = (tips - stage.floor) @ stage.axes
    held = slice(round(1.9 * RATE), round(3.5 * RATE))
    drift = places[held] - tips[held]
    assert np.ptp(drift, axis=0).max() < 0.002


def test_push_moves_the_cube_as_far_as_the_hand_goes():
    world = HandWorld(cube_stage())
    places, _ = play(world, push())
    assert places[-1][1] == pytest.approx(PUSHED_TO + SIDE / 2, abs=0.006)
    assert abs(places[-1][0]) < 0.01
    assert places[-1][2] == pytest.approx(SIDE / 2, abs=1e-3)


def test_cube_falls_when_the_hand_is_lost():
    world = HandWorld(cube_stage())
    frames = round(2.5 * RATE)
    places, _ = play(world, pinch(), frames)
    assert places[-1][2] > 0.1
    for number in range(frames, frames + 20):
        world.advance(number / RATE, [])
    assert in_stage(world)[2] == pytest.approx(SIDE / 2, abs=2e-3)


def test_same_hands_do_the_same():
    first, second = (play(HandWorld(cube_stage()), pinch(), 70)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_balls_gather_in_the_hand_and_run_off():
    world = HandWorld(pour_stage())
    performance = pour()
    shape = bodies(performance.frames[0][0])[0].shape
    on_hand = []
    for number, (hand,) in enumerate(performance.frames):
        (body,) = bodies(hand, shape)
        world.advance(number / RATE, [body])
        balls = world.balls()
        distance = (
            shape.capsules(body.joints_camera).distance(balls) if len(balls) else balls[:, 0]
        )
        # Between closing fingers a ball gives way into them, by less than its size.
        assert not len(balls) or distance.min() > -0.003
        on_hand.append(int((distance < 0.0065).sum()))
    assert max(on_hand[45:75]) > 25
    assert np.mean(on_hand[-15:]) < 0.35 * max(on_hand)


def test_gap_puts_the_hand_down_without_a_blow():
    world = HandWorld(cube_stage())
    frames = push().frames
    (first,), (last,) = frames[10], frames[65]
    world.advance(0.0, bodies(first))
    # The hand is beyond the cube's place when it is seen again; in between it was nowhere.
    world.advance(2.0, bodies(last))
    world.advance(2.1, bodies(last))
    assert np.linalg.norm(in_stage(world)[:2]) < 0.1


def test_hand_that_jumps_is_not_believed():
    world = HandWorld(Stage(things=(Thing('ball', 'sphere', (0.02,), (0.0, 0.0, 0.02)),)))
    (hand,) = push().frames[0]
    world.advance(0.0, bodies(hand))
    far = bodies(hand)[0]
    jumped = WorldHand(1, far.joints_camera - np.array([0.6, 0, 0]), far.wrist_rotation, far.shape)
    world.advance(1 / RATE, [jumped])
    world.advance(2 / RATE, [jumped])
    np.testing.assert_allclose(in_stage(world), [0, 0, 0.02], atol=2e-3)


def test_time_that_goes_back_starts_anew():
    world = HandWorld(cube_stage())
    play(world, push(), 70)
    assert in_stage(world)[1] > 0.03
    world.advance(0.0, [])
    np.testing.assert_allclose(in_stage(world), [0, 0, SIDE / 2], atol=1e-6)


def test_a_stamp_a_little_back_lets_no_time_pass():
    world = HandWorld(cube_stage())
    places, _ = play(world, push(), 70)
    last, (hand,) = 69 / RATE, push().frames[69]
    assert world.advance(last - 0.9, bodies(hand)) == ''
    assert world.time == last
    np.testing.assert_array_equal(in_stage(world), places[-1])
    # Nor is what had passed gone through again.
    world.advance(last + 0.001, bodies(hand))
    np.testing.assert_allclose(in_stage(world), places[-1], atol=1e-3)
    assert world.advance(last - 1.1, bodies(hand)) == 'time went back by 1.1 s'
    np.testing.assert_allclose(in_stage(world), [0, 0, SIDE / 2], atol=1e-6)


def test_after_a_jump_back_the_same_comes_out_again():
    world = HandWorld(pour_stage(), seed=5)

    def poured():
        for number in range(40):
            world.advance(number / RATE, [])
        return world.balls()

    first, again = poured(), poured()
    assert len(first) > 30
    np.testing.assert_array_equal(again, first)
    assert not np.array_equal(first, HandWorld(pour_stage(), seed=6).balls())


def play_held(performance, first, count):
    """
    The same where the hand is held in ``count`` images from ``first`` on.

    Returns where the thing is in the end, mean speeds of the bones from then on (N,), metres a
    second, and how far the bones are from where they are seen (N,), metres.
    """
    world = HandWorld(cube_stage())
    shape = bodies(performance.frames[0][0])[0].shape
    speeds, lags = [], []
    for number, (hand,) in enumerate(performance.frames):
        is_held = first <= number < first + count
        seen = performance.frames[first - 1][0] if is_held else hand
        (body,) = bodies(seen, shape, tracked=not is_held)
        world.advance(number / RATE, [body])
        rows = slice(0, len(BONES))
        way = world._hand_places[rows, :3] - shape.capsules(body.joints_camera).centers
        speeds.append(np.linalg.norm(world._hand_speeds[rows, :3], axis=1).mean())
        lags.append(np.linalg.norm(way, axis=1).max())
    return in_stage(world), np.array(speeds[first:]), np.array(lags[first:])


@pytest.mark.parametrize('count', [2, 9])
def test_a_hand_that_was_held_makes_up_for_it_at_twice_its_speed(count):
    first = 45
    place, speeds, lags = play_held(push(), first, count)
    _, undisturbed, _ = play_held(push(), first, 0)
    assert (speeds[:count] == 0).all()
    assert speeds[count : 2 * count].max() < 2.1 * undisturbed[: 2 * count].max()
    assert lags[count] > 1e-3
    np.testing.assert_allclose(lags[2 * count :], 0, atol=1e-9)
    # Neither thrown ahead of the hand nor thrown back by one that appears within it.
    np.testing.assert_allclose(place, [0, PUSHED_TO + SIDE / 2, SIDE / 2], atol=6e-3)


@pytest.mark.parametrize('count', [1, 5])
def test_a_hand_that_was_held_has_not_dropped_the_cube(count):
    first = round(2.0 * RATE)
    place, speeds, _ = play_held(pinch(), first, count)
    assert speeds[count:].max() < 0.45
    np.testing.assert_allclose(place, [0, 0.10, SIDE / 2], atol=0.01)


def test_a_hand_that_was_held_and_is_elsewhere_is_put_down_there():
    world = HandWorld(cube_stage())
    (hand,) = push().frames[0]
    (body,) = bodies(hand)
    world.advance(0.0, [body])
    for number in range(1, 6):
        world.advance(number / RATE, [replace(body, tracked=False)])
    # 5 m/s, if it has gone on all the time.
    far = replace(body, joints_camera=body.joints_camera - np.array([1.0, 0, 0]))
    world.advance(6 / RATE, [far])
    centers = body.shape.capsules(far.joints_camera).centers
    np.testing.assert_allclose(world._hand_places[: len(BONES), :3], centers, atol=1e-9)
    np.testing.assert_allclose(world._hand_speeds[: len(BONES)], 0, atol=1e-6)


def test_a_hand_that_went_on_fast_while_it_was_held_catches_up():
    world = HandWorld(cube_stage())
    (hand,) = push().frames[0]
    (body,) = bodies(hand)
    world.advance(0.0, [body])
    for number in range(1, 10):
        world.advance(number / RATE, [replace(body, tracked=False)])
    # 1 m/s; of the ten images' way it makes two a time.
    away = np.array([-10 / RATE, 0, 0])
    there = replace(body, joints_camera=body.joints_camera + away)
    world.advance(10 / RATE, [there])
    centers = body.shape.capsules(body.joints_camera).centers + 0.2 * away
    np.testing.assert_allclose(world._hand_places[: len(BONES), :3], centers, atol=1e-6)


@pytest.mark.parametrize('speed', [np.nan, np.inf, 1e11])
def test_numbers_that_are_none_start_everything_anew_and_are_told(
    tmp_path, monkeypatch, caplog, speed
):
    monkeypatch.chdir(tmp_path)
    world = HandWorld(pour_stage())
    for number in range(20):
        world.advance(number / RATE, [])
    world._ball_speeds[0, 0] = speed
    why = world.advance(20 / RATE, [])
    assert why == 'the simulation came to numbers that are not finite, or too large'
    assert world.time is None
    assert len(world.balls()) == 0
    assert world.advance(21 / RATE, []) == ''
    assert 'QVEL' in caplog.text
    # MuJoCo's own place for what it has to say is a file in the working directory.
    assert not list(tmp_path.iterdir())


def test_things_that_fall_off_come_back():
    world = HandWorld(Stage(things=(Thing('cube', 'box', (SIDE,) * 3, (0.0, 0.5, 0.1)),)))
    lowest = np.inf
    for number in range(60):
        world.advance(number / RATE, [])
        lowest = min(lowest, in_stage(world)[2])
    assert lowest < -0.3
    assert in_stage(world)[2] > -0.65


def test_two_hands_and_a_third_one():
    world = HandWorld(cube_stage())
    (hand,) = push().frames[0]
    hands = [bodies(hand, track_id=number)[0] for number in (1, 2, 3)]
    world.advance(0.0, hands)
    world.advance(1 / RATE, hands[1:])
    assert in_stage(world)[2] == pytest.approx(SIDE / 2, abs=1e-3)
