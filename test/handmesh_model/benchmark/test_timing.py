"""Taking turns, and the figures made of times."""

import numpy as np
import pytest

from handmesh_model.benchmark.timing import Effort, Timing, ratio, spread, take_turns


def test_rounds_call_everything_once_and_begin_with_another_each_time() -> None:
    calls: list[str] = []
    work = {name: (lambda name=name: calls.append(name)) for name in 'abc'}
    timings = take_turns(work, Effort(seconds=0, least=4, most=4, warmup=1))
    assert ''.join(calls) == 'abc' + 'abc' + 'bca' + 'cab' + 'abc'
    assert {name: len(timing.wall) for name, timing in timings.items()} == dict.fromkeys('abc', 4)
    assert all(len(timing.cpu) == 4 for timing in timings.values())


@pytest.mark.parametrize(('seconds', 'least', 'most', 'expected'), [(0, 3, 9, 3), (60, 1, 5, 5)])
def test_effort_bounds_the_rounds(seconds: float, least: int, most: int, expected: int) -> None:
    timings = take_turns({'a': lambda: None}, Effort(seconds, least, most, 0))
    assert len(timings['a'].wall) == expected


def test_ratio_compares_neighbours() -> None:
    # A machine that got twice as slow half-way changes both of a round alike.
    slow, fast = Timing([4.0, 4, 8, 8], [1.0] * 4), Timing([2.0, 2, 4, 4], [1.0] * 4)
    assert ratio(slow, fast) == 2


def test_spread_of_known_numbers_and_of_none() -> None:
    figures = spread(np.arange(101.0).tolist())
    assert figures == {'count': 101, 'median': 50, 'p95': 95, 'p99': 99}
    assert spread([]) == {'count': 0}
