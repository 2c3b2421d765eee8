"""Times of things that are to be compared: measured in turns, so that a busy machine hits all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

Work = Callable[[], object]


@dataclass(frozen=True)
class Effort:
    """
    How long to measure.

    :param seconds: after which no further round begins.
    :param least: rounds that are made in any case.
    :param most: rounds after which it is enough.
    :param warmup: rounds before, which do not count.
    """

    seconds: float = 10.0
    least: int = 5
    most: int = 200
    warmup: int = 2


@dataclass(frozen=True)
class Timing:
    """
    Milliseconds of one piece of work, one number a round.

    :param wall: on the clock.
    :param cpu: of all threads of this process; on a busy machine the steadier figure.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Median, 95th and 99th percentile on the clock, median of CPU time, and the count."""
        return {**spread(self.wall), 'cpu_median': _rounded(np.median(self.cpu))}


def spread(milliseconds: list[float]) -> dict[str, float]:
    """Count, median, 95th and 99th percentile; nothing but the count if there are no numbers."""
    if not milliseconds:
        return {'count': 0}
    median, p95, p99 = np.percentile(milliseconds, (50, 95, 99))
    return {
        'count': len(milliseconds),
        'median': _rounded(median),
        'p95': _rounded(p95),
        'p99': _rounded(p99),
    }


def ratio(slower: Timing, faster: Timing) -> float:
    """How many times faster: the median over rounds, each against its own neighbour."""
    return _rounded(np.median(np.divide(slower.wall, faster.wall)))


def take_turns(work: Mapping[str, Work], effort: Effort) -> dict[str, Timing]:
    """
    Time several things in turns, each once a round; a round begins with another one each time.

    :param work: what to call, by name.
    """
    names = list(work)
    timings = {name: Timing() for name in names}
    for _ in range(effort.warmup):
        for name in names:
            work[name]()
    end = time.perf_counter() + effort.seconds
    for round_number in range(effort.most):
        if round_number >= effort.least and time.perf_counter() > end:
            break
        first = round_number % len(names)
        for name in names[first:] + names[:first]:
            _time_once(work[name], timings[name])
    return timings


def _time_once(work: Work, timing: Timing) -> None:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    timing.wall.append(1000 * (time.perf_counter() - wall))
    timing.cpu.append(1000 * (time.process_time() - cpu))


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 4)
