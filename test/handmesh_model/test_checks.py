"""Numbers that users give are held to their limits."""

import math

import numpy as np
import pytest

from handmesh_model.checks import check_range
from handmesh_model.errors import ConfigError, DatasetError, HandmeshError

INF = math.inf


@pytest.mark.parametrize(
    ('value', 'low', 'high'),
    [(0, 0, INF), (10**12, 0, INF), (0.5, 0, 1), (1, 0, 1), (2**32, 0, 2**32)],
)
def test_limits_are_allowed_themselves(value: float, low: float, high: float) -> None:
    check_range('seed', value, low, high)


@pytest.mark.parametrize(
    ('value', 'low', 'high', 'said'),
    [
        (-1, 0, INF, 'seed is -1, expected at least 0'),
        (-1.0, 0, INF, 'seed is -1, expected at least 0'),
        (1.5, 0, 1, 'seed is 1.5, expected 0 to 1'),
        (math.nan, 0, INF, 'seed is nan, expected at least 0'),
        # Not "is 4.29497e+09, expected 0 to 4.29497e+09".
        (2**32 + 1, 0, 2**32, 'seed is 4294967297, expected 0 to 4294967296'),
        (np.int64(7), 8, INF, 'seed is 7, expected at least 8'),
    ],
)
def test_what_lies_outside_is_said(value: float, low: float, high: float, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_range('seed', value, low, high)
    assert str(caught.value) == said


@pytest.mark.parametrize('error', [ConfigError, DatasetError])
def test_the_caller_says_which_error_it_is(error: type[HandmeshError]) -> None:
    with pytest.raises(HandmeshError) as caught:
        check_range('count', 0, 1, error=error)
    assert type(caught.value) is error
