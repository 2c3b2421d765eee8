"""The figures of steadiness, on joints whose jitter and lag are known."""

import numpy as np
import pytest

from handmesh_model.benchmark.report import format_report
from handmesh_model.benchmark.steadiness import LEADS, RATE, Follow, jitter, lag, motion

STAMPS = np.arange(120) / RATE


def joints(x: np.ndarray) -> np.ndarray:
    """(T, 21, 3) joints that all move along x."""
    series = np.zeros((len(x), 21, 3))
    series[..., 0] = x[:, None]
    return series


def wave(times: np.ndarray) -> np.ndarray:
    return 0.1 * np.sin(2 * np.pi * 0.8 * times)


def test_jitter_is_the_spread_of_the_joints() -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(120, 21, 3)) * (0.001, 0.001, 0.004) + (0.1, 0.2, 0.5)
    follow = Follow(STAMPS, raw, 0.5 * raw, np.stack([raw] * len(LEADS)))
    figures = jitter([follow, follow])
    assert figures['hands'] == 2
    assert figures['raw']['lateral_mm'] == pytest.approx(np.sqrt(2), rel=0.03)
    assert figures['raw']['depth_mm'] == pytest.approx(4.0, rel=0.03)
    assert figures['raw']['all_mm'] == pytest.approx(np.sqrt(18), rel=0.03)
    assert figures['smooth']['all_mm'] == pytest.approx(np.sqrt(18) / 2, rel=0.03)


@pytest.mark.parametrize('delay', [0.0, 0.02, 0.05])
def test_lag_is_found_to_a_millisecond(delay: float) -> None:
    raw, late = joints(wave(STAMPS)), joints(wave(STAMPS - delay))
    follow = Follow(STAMPS, raw, late, np.stack([raw] * len(LEADS)))
    assert lag([follow]) == pytest.approx(delay, abs=0.0015)


def test_prediction_is_compared_with_what_is_measured_later() -> None:
    raw = joints(wave(STAMPS))
    ahead = np.stack([joints(wave(STAMPS + lead)) for lead in LEADS])
    figures = motion([Follow(STAMPS, raw, raw, ahead)])
    assert figures['lag_ms'] == 0
    assert figures['speed'] == pytest.approx(0.1 * 2 * np.pi * 0.8 * 2 / np.pi, rel=0.05)
    for lead in LEADS:
        figure = figures[f'predicted_{1000 * lead:.0f}_ms']
        # Between two samples of a wave a straight line is a little off.
        assert figure['predicted_mm'] < 0.3
        truth = 1000 * np.sqrt(np.mean((wave(STAMPS + lead) - wave(STAMPS)) ** 2))
        assert figure['left_mm'] == pytest.approx(truth, rel=0.05)


def test_the_report_has_the_figures() -> None:
    raw = joints(wave(STAMPS))
    follows = [Follow(STAMPS, raw, raw, np.stack([raw] * len(LEADS)))]
    machine = {'cpu': 'c', 'cores': 2, 'gpu': '', 'date': 'd', 'load_average': [1.0]}
    steadiness = {'rest': jitter(follows), 'motion': motion(follows)}
    text = format_report({'machine': machine, 'left_out': {}, 'steadiness': steadiness})
    assert f'| smooth | {steadiness["rest"]["smooth"]["all_mm"]:.2f} |' in text
    assert 'lag of the filter: 0 ms' in text
    assert '| predicted 33 ms |' in text
    without = {'rest': jitter([]), 'motion': motion([])}
    text = format_report({'machine': machine, 'left_out': {}, 'steadiness': without})
    assert 'lag' not in text


def test_no_hand_gives_no_figures() -> None:
    assert jitter([]) == motion([]) == {'hands': 0}
