"""The One Euro filter against its definition."""

import numpy as np
import pytest

from handmesh_model.errors import ConfigError
from handmesh_model.one_euro import OneEuroFilter, OneEuroSettings, smoothing


def follow(values: np.ndarray, step: float, **settings: float) -> np.ndarray:
    """What the filter makes of values that come at a steady rate."""
    one_euro = OneEuroFilter(OneEuroSettings(**settings))
    return np.array([one_euro.update(value, i * step) for i, value in enumerate(values)])


def by_hand(
    values: np.ndarray, stamps: np.ndarray, min_cutoff: float, beta: float, d_cutoff: float
) -> np.ndarray:
    """One coordinate by the paper's formulas, with its time constants."""
    result, speed, out = values[0], 0.0, [values[0]]
    for i in range(1, len(values)):
        dt = stamps[i] - stamps[i - 1]
        a = 1 / (1 + 1 / (2 * np.pi * d_cutoff) / dt)
        speed = a * (values[i] - values[i - 1]) / dt + (1 - a) * speed
        a = 1 / (1 + 1 / (2 * np.pi * (min_cutoff + beta * abs(speed))) / dt)
        result = a * values[i] + (1 - a) * result
        out.append(result)
    return np.array(out)


def test_every_coordinate_follows_the_papers_formulas() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 5, 3)).cumsum(axis=0) * 0.01
    stamps = rng.uniform(0.01, 0.1, 40).cumsum()
    one_euro = OneEuroFilter(OneEuroSettings(1.3, 7.0, 0.8))
    actual = np.array([one_euro.update(v, t) for v, t in zip(values, stamps, strict=True)])
    for point in range(5):
        for axis in range(3):
            expected = by_hand(values[:, point, axis], stamps, 1.3, 7.0, 0.8)
            np.testing.assert_allclose(actual[:, point, axis], expected)


def test_steady_motion_lags_as_theory_says() -> None:
    # A first-order low pass of cutoff f stays behind a ramp by its time constant 1 / (2 pi f).
    step, velocity = 1e-3, 0.5
    ramp = velocity * step * np.arange(4000)
    for beta in (0.0, 10.0, 40.0):
        lag = (ramp - follow(ramp, step, min_cutoff=1.0, beta=beta))[-1] / velocity
        assert lag == pytest.approx(1 / (2 * np.pi * (1 + beta * velocity)), rel=0.02)


def test_noise_at_rest_is_smoothed_as_theory_says() -> None:
    # An exponential average with share a leaves the part a / (2 - a) of the variance.
    noise = np.random.default_rng(1).normal(size=20000)
    a = smoothing(1.0, 1 / 30)
    left = follow(noise, 1 / 30, min_cutoff=1.0, beta=0.0)[100:].var()
    assert left == pytest.approx(a / (2 - a), rel=0.05)


def test_first_value_another_shape_and_time_that_stands_still_pass_as_they_are() -> None:
    one_euro = OneEuroFilter()
    np.testing.assert_array_equal(one_euro.update(np.zeros(3), 0.0), 0)
    assert one_euro.update(np.ones(3), 0.1).max() < 1
    np.testing.assert_array_equal(one_euro.update(np.ones(4), 0.2), 1)
    np.testing.assert_array_equal(one_euro.update(np.full(4, 2.0), 0.2), 2)
    np.testing.assert_array_equal(one_euro.update(np.full(4, 3.0), 0.1), 3)
    assert one_euro.update(np.zeros(4), 0.2).min() > 0
    one_euro.reset()
    np.testing.assert_array_equal(one_euro.update(np.zeros(4), 0.3), 0)


def test_results_do_not_change_afterwards() -> None:
    one_euro = OneEuroFilter()
    value = np.zeros(3)
    first = one_euro.update(value, 0.0)
    value += 5
    first += 7
    assert (one_euro.update(np.zeros(3), 0.1) == 0).all()


@pytest.mark.parametrize(
    'settings',
    [{'min_cutoff': 0.0}, {'derivative_cutoff': -1.0}, {'beta': -0.1}, {'beta': float('nan')}],
)
def test_settings_outside_their_range_are_named(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        OneEuroSettings(**settings)
