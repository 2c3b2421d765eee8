"""Learning rate and loss ramps over a run."""

import pytest

from handmesh_model.training.config import ScheduleConfig
from handmesh_model.training.schedule import ramp, rate_factor


def test_cosine_falls_from_one_to_the_final_factor():
    config = ScheduleConfig(kind='cosine', final_factor=0.02)
    factors = [rate_factor(config, 0, i / 10) for i in range(11)]
    assert factors[0] == pytest.approx(1)
    assert factors[5] == pytest.approx(0.51)
    assert factors[10] == pytest.approx(0.02)
    assert factors == sorted(factors, reverse=True)


def test_steps_multiply_at_each_milestone():
    config = ScheduleConfig(kind='steps', milestones=(0.4, 0.8), factor=0.1)
    factors = [rate_factor(config, 0, p) for p in (0, 0.39, 0.4, 0.79, 0.8, 1)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_trapezoid_is_flat_until_the_cooldown():
    config = ScheduleConfig(kind='trapezoid', cooldown=0.4, final_factor=0.05)
    factors = [rate_factor(config, 0, p) for p in (0, 0.3, 0.6, 0.8, 1.0)]
    assert factors == pytest.approx([1, 1, 1, 0.5, 0.05])


@pytest.mark.parametrize('kind', ['cosine', 'steps', 'trapezoid'])
def test_warmup_rises_with_the_samples(kind):
    config = ScheduleConfig(kind=kind, warmup_samples=100)
    factors = [rate_factor(config, samples, 0) for samples in (0, 49, 99, 1000)]
    assert factors == pytest.approx([0.01, 0.5, 1, 1])


def test_progress_beyond_the_run_counts_as_its_end():
    config = ScheduleConfig(kind='cosine', final_factor=0.1)
    assert rate_factor(config, 0, 1.7) == rate_factor(config, 0, 1)


def test_ramp_is_linear_between_its_knots():
    knots = (100.0, 0.0, 200.0, 1.0, 300.0, 0.5)
    values = [ramp(knots, samples) for samples in (0, 100, 150, 200, 250, 900)]
    assert values == pytest.approx([0, 0, 0.5, 1, 0.75, 0.5])
