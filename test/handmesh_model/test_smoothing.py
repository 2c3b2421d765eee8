"""Smoothing and prediction of tracked hands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from handmesh_model.errors import ConfigError
from handmesh_model.hand import Hand, HandBox, ScaleSource, TrackState
from handmesh_model.one_euro import OneEuroFilter, OneEuroSettings
from handmesh_model.smoothing import HandSmoother, SmoothingSettings
from handmesh_model.topology import HandTopology
from handmesh_model.wrist import wrist_frame

RATE = 30.0
OFF = SmoothingSettings(enabled=False)


@pytest.fixture
def hand(topology: HandTopology) -> Hand:
    place = np.array([0.0, 0.0, 0.5])
    joints = topology.template_joints + place
    return Hand(
        side='right',
        score=0.9,
        box=HandBox(0, 0, 10, 10, track_id=0),
        joints_image=joints[:, :2] * 500,
        joints_confidence=np.ones(21),
        vertices_image=topology.template[:, :2] * 500,
        joints_camera=joints,
        vertices_camera=topology.template + place,
        wrist_pose=wrist_frame(joints, 'right'),
        wrist_covariance=np.eye(6) * 1e-4,
        scale_source=ScaleSource.MEAN,
        hand_size=0.09,
        track_id=0,
    )


def at(hand: Hand, shift: np.ndarray | tuple[float, float, float], **changes: object) -> Hand:
    """The hand moved, metres."""
    joints = hand.joints_camera + shift
    return replace(
        hand,
        joints_camera=joints,
        vertices_camera=hand.vertices_camera + shift,
        wrist_pose=wrist_frame(joints, hand.side),
        **changes,  # type: ignore[arg-type]
    )


def moving(hand: Hand, smoother: HandSmoother, velocity: float, seconds: float) -> float:
    """Let the hand move along x; returns the last stamp."""
    count = round(seconds * RATE)
    for i in range(count + 1):
        smoother.update([at(hand, (velocity * i / RATE, 0, 0))], i / RATE)
    return count / RATE


def test_each_point_goes_through_the_filter_and_the_wrist_follows(hand: Hand) -> None:
    settings = OneEuroSettings(1.2, 5.0, 0.7)
    smoother = HandSmoother(SmoothingSettings(filter=settings))
    joints, vertices = OneEuroFilter(settings), OneEuroFilter(settings)
    rng = np.random.default_rng(0)
    for i in range(10):
        measured = at(hand, rng.normal(size=3) * 0.01)
        (smooth,) = smoother.update([measured], i / RATE)
        expected = joints.update(measured.joints_camera, i / RATE)
        np.testing.assert_allclose(smooth.joints_camera, expected)
        np.testing.assert_allclose(
            smooth.vertices_camera, vertices.update(measured.vertices_camera, i / RATE)
        )
        np.testing.assert_allclose(smooth.wrist_pose, wrist_frame(expected, 'right'))
        assert smooth.joints_image is measured.joints_image
        assert smooth.lead == 0


def test_switched_off_hands_pass_as_they_are(hand: Hand) -> None:
    smoother = HandSmoother(OFF)
    for i in range(3):
        measured = at(hand, (0.1 * i, 0, 0))
        assert smoother.update([measured], i / RATE) == [measured]


def test_still_hand_jitters_less_and_keeps_its_place(hand: Hand) -> None:
    rng = np.random.default_rng(1)
    smoother = HandSmoother()
    measured = [at(hand, rng.normal(size=3) * (0.001, 0.001, 0.004)) for _ in range(300)]
    smooth = [smoother.update([h], i / RATE)[0] for i, h in enumerate(measured)][60:]
    raw = np.std([h.joints_camera for h in measured[60:]], axis=0)
    steady = np.std([h.joints_camera for h in smooth], axis=0)
    assert (steady < 0.55 * raw).all()
    middle = np.mean([h.joints_camera for h in smooth], axis=0)
    np.testing.assert_allclose(middle, hand.joints_camera, atol=0.001)


def test_two_tracks_do_not_mix(hand: Hand) -> None:
    alone, both = HandSmoother(), HandSmoother()
    other = replace(hand, side='left', track_id=1)
    for i in range(5):
        shift = (0.01 * i * i, 0.0, 0.0)
        (expected,) = alone.update([at(hand, shift)], i / RATE)
        first, second = both.update([at(hand, shift), other], i / RATE)
        np.testing.assert_array_equal(first.joints_camera, expected.joints_camera)
        np.testing.assert_allclose(second.joints_camera, other.joints_camera)


def test_steady_motion_is_predicted_to_the_requested_time(hand: Hand) -> None:
    smoother = HandSmoother(OFF)
    end = moving(hand, smoother, 1.0, 1.0)
    (ahead,) = smoother.predict(end + 0.08)
    trust = 1 / (1 + 0.1**2)
    shift = np.array([end + 0.08 * trust, 0, 0])
    np.testing.assert_allclose(ahead.joints_camera, hand.joints_camera + shift, atol=1e-6)
    np.testing.assert_allclose(ahead.vertices_camera, hand.vertices_camera + shift, atol=1e-6)
    np.testing.assert_allclose(ahead.wrist_pose[:3, 3], ahead.joints_camera[0])
    assert ahead.lead == pytest.approx(0.08)


def test_update_predicts_as_predict_does(hand: Hand) -> None:
    smoother = HandSmoother()
    end = moving(hand, smoother, 0.5, 0.5)
    (direct,) = smoother.update([at(hand, (0.5 * end, 0, 0))], end + 1 / RATE, end + 0.1)
    (again,) = smoother.predict(end + 0.1)
    np.testing.assert_array_equal(direct.joints_camera, again.joints_camera)
    assert direct.lead == pytest.approx(0.1 - 1 / RATE)


def test_prediction_ends_at_its_limit_and_says_so(hand: Hand) -> None:
    smoother = HandSmoother(SmoothingSettings(enabled=False, predict_limit=0.1))
    end = moving(hand, smoother, 1.0, 0.5)
    (far,) = smoother.predict(end + 5.0)
    (limit,) = smoother.predict(end + 0.1)
    assert far.lead == pytest.approx(0.1)
    np.testing.assert_allclose(far.joints_camera, limit.joints_camera)


def test_nothing_is_predicted_backwards_or_from_one_look(hand: Hand) -> None:
    smoother = HandSmoother(OFF)
    (first,) = smoother.update([hand], 1.0, 1.1)
    assert first.lead == 0
    np.testing.assert_array_equal(first.joints_camera, hand.joints_camera)
    smoother.update([at(hand, (0.1, 0, 0))], 1.1)
    (before,) = smoother.predict(0.5)
    assert before.lead == 0


def test_noise_of_a_still_hand_is_hardly_predicted(hand: Hand) -> None:
    rng = np.random.default_rng(2)
    smoother = HandSmoother()
    now, ahead = [], []
    for i in range(300):
        now += smoother.update([at(hand, rng.normal(size=3) * 0.001)], i / RATE)
        ahead += smoother.predict(i / RATE + 0.08)
    before, after = (np.std([h.joints_camera for h in hands[60:]]) for hands in (now, ahead))
    assert after < 1.2 * before


def test_prediction_makes_the_covariance_larger(hand: Hand) -> None:
    smoother = HandSmoother()
    end = moving(hand, smoother, 0.5, 0.5)
    traces = []
    for lead in (0.0, 0.03, 0.1):
        (ahead,) = smoother.predict(end + lead)
        assert np.linalg.eigvalsh(ahead.wrist_covariance).min() > 0
        traces.append(np.trace(ahead.wrist_covariance))
    assert traces == sorted(traces)
    assert traces[0] == np.trace(hand.wrist_covariance)
    assert ahead.wrist_covariance[0, 0] == pytest.approx(1e-4 + (5.0 * 0.1**2 / 2) ** 2)


@pytest.mark.parametrize('state', [TrackState.HELD, TrackState.LOST])
def test_hands_not_seen_keep_the_last_smooth_geometry_and_its_age(
    hand: Hand, state: TrackState
) -> None:
    smoother = HandSmoother()
    end = moving(hand, smoother, 1.0, 0.5)
    (last,) = smoother.predict(end)
    raw = at(hand, (1.0 * end, 0, 0), state=state, lead=-0.1)
    (held,) = smoother.update([raw], end + 0.1, end + 0.15)
    assert (held.state, held.lead) == (state, -0.1)
    np.testing.assert_array_equal(held.joints_camera, last.joints_camera)


def test_a_hand_out_of_sight_that_was_last_seen_at_another_time_passes_as_it_is(
    hand: Hand,
) -> None:
    """What had its id since was another hand, and is no motion of this one."""
    smoother = HandSmoother()
    for i in range(10):
        smoother.update([at(hand, (0.02 * i, 0, 0))], i / RATE)
    held = replace(hand, state=TrackState.HELD, lead=-5 / RATE)
    for i in range(10, 12):
        held = replace(held, lead=held.lead - 1 / RATE)
        assert smoother.update([held], i / RATE, i / RATE + 0.1) == [held]
    (found,) = smoother.update([hand], 12 / RATE, 12 / RATE + 0.1)
    np.testing.assert_array_equal(found.joints_camera, hand.joints_camera)


@pytest.mark.parametrize('step', [0.001, 0.002, 0.01])
def test_a_second_look_that_comes_soon_makes_a_resting_hand_no_faster(
    hand: Hand, step: float
) -> None:
    rng = np.random.default_rng(3)

    def error(step: float) -> float:
        """Mean distance of the first prediction from the truth, metres."""
        off = []
        for _ in range(20):
            smoother = HandSmoother()
            for stamp in (1.0, 1.0 + step):
                noise = rng.normal(0, 0.0022, hand.joints_camera.shape)
                smoother.update([replace(hand, joints_camera=hand.joints_camera + noise)], stamp)
            (ahead,) = smoother.predict(1.0 + step + 0.1)
            off.append(np.linalg.norm(ahead.joints_camera - hand.joints_camera, axis=1).mean())
        return float(np.mean(off))

    assert error(step) < 1.1 * error(1 / RATE) < 0.012


def test_a_hand_that_was_never_seen_tracked_passes_as_it_is(hand: Hand) -> None:
    held = replace(hand, state=TrackState.HELD, lead=-0.2)
    assert HandSmoother().update([held], 1.0) == [held]


def test_ids_that_were_traded_are_no_motion(hand: Hand) -> None:
    smoother = HandSmoother()
    other = at(hand, (0.3, 0.0, 0.0), track_id=1)
    for i in range(10):
        smoother.update([hand, other], i / RATE)
    traded = [replace(other, track_id=0), replace(hand, track_id=1)]
    for i in range(10, 14):
        for smooth, measured in zip(
            smoother.update(traded, i / RATE, i / RATE + 0.1), traded, strict=True
        ):
            assert smooth.track_id == measured.track_id
            np.testing.assert_allclose(smooth.joints_camera, measured.joints_camera, atol=1e-12)


def test_a_fast_hand_is_motion_where_no_other_was(hand: Hand) -> None:
    smoother = HandSmoother()
    other = at(hand, (0.0, 0.6, 0.0), track_id=1)
    for i in range(10):
        hands = [at(hand, (0.15 * i, 0.0, 0.0)), other]
        ahead, _ = smoother.update(hands, i / RATE, i / RATE + 0.1)
    assert ahead.lead == pytest.approx(0.1)


def test_gone_tracks_are_forgotten(hand: Hand) -> None:
    smoother = HandSmoother()
    end = moving(hand, smoother, 1.0, 0.5)
    assert smoother.update([], end + 0.1) == []
    assert smoother.predict(end + 0.2) == []
    (new,) = smoother.update([hand], end + 0.2)
    np.testing.assert_array_equal(new.joints_camera, hand.joints_camera)


@pytest.mark.parametrize(
    'change',
    [
        {'scale_source': ScaleSource.DEPTH},
        {'side': 'left'},
        {'hand_size': 0.1},
        {'vertices_camera': np.zeros((0, 3))},
    ],
)
def test_points_that_cannot_be_compared_start_anew(hand: Hand, change: dict) -> None:
    smoother = HandSmoother()
    end = moving(hand, smoother, 1.0, 0.5)
    measured = replace(at(hand, (0.0, 0.2, 0.3)), **change)
    (smooth,) = smoother.update([measured], end + 1 / RATE, end + 0.2)
    np.testing.assert_array_equal(smooth.joints_camera, measured.joints_camera)
    assert smooth.lead == 0


@pytest.mark.parametrize(
    'change',
    [
        # Worked out anew in each image, with its rounding.
        {'hand_size': 0.09 + 1e-8},
        {'scale_source': ScaleSource.DEPTH, 'hand_size': 0.1},
        # An image without depth, after some with.
        {'scale_source': ScaleSource.MEASURED, 'hand_size': 0.1},
    ],
)
def test_sizes_that_are_measured_or_rounded_anew_are_no_change(hand: Hand, change: dict) -> None:
    smoother = HandSmoother()
    source = change.get('scale_source', hand.scale_source)
    source = ScaleSource.DEPTH if source is ScaleSource.MEASURED else source
    hand = replace(hand, scale_source=source)
    end = moving(hand, smoother, 1.0, 0.5)
    measured = replace(at(hand, (end + 1 / RATE, 0, 0)), **change)
    (ahead,) = smoother.update([measured], end + 1 / RATE, end + 0.1)
    assert ahead.lead == pytest.approx(0.1 - 1 / RATE)


@pytest.mark.parametrize('stamp', [0.0, 0.5, 3.0])
def test_time_that_stands_still_goes_back_or_jumps_starts_anew(hand: Hand, stamp: float) -> None:
    smoother = HandSmoother()
    moving(hand, smoother, 1.0, 0.5)
    measured = at(hand, (0.0, 0.2, 0.3))
    (smooth,) = smoother.update([measured], stamp, stamp + 0.1)
    np.testing.assert_array_equal(smooth.joints_camera, measured.joints_camera)
    assert smooth.lead == 0


def test_hands_without_a_track_pass_as_they_are(hand: Hand) -> None:
    smoother = HandSmoother()
    for i in range(3):
        free = [at(hand, (0.1 * i, 0, 0), track_id=-1), at(hand, (0.5, 0, 0), track_id=-1)]
        assert smoother.update(free, i / RATE) == free


def test_settings_change_from_one_image_to_the_next(hand: Hand) -> None:
    smoother = HandSmoother()
    smoother.update([hand], 0.0)
    smoother.settings = OFF
    measured = at(hand, (0.1, 0, 0))
    assert smoother.update([measured], 0.1) == [measured]
    smoother.settings = SmoothingSettings(filter=OneEuroSettings(min_cutoff=0.1, beta=0.0))
    (slow,) = smoother.update([at(hand, (0.2, 0, 0))], 0.2)
    assert slow.joints_camera[0, 0] < measured.joints_camera[0, 0] + 0.02


def test_settings_outside_their_range_are_named() -> None:
    with pytest.raises(ConfigError, match=r'predict_limit is -1'):
        SmoothingSettings(predict_limit=-1.0)
