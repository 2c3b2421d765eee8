"""How far a run is: in its samples, and in the time that this start of it may take."""

from __future__ import annotations

import time
from dataclasses import dataclass

from handmesh_model.training.run_state import RunState


@dataclass(frozen=True)
class TimeBox:
    """
    :param hours: length of this start; None for no limit.
    :param finish: whether the schedule is to come to its end with the time.
    """

    hours: float | None = None
    finish: bool = False


NO_LIMIT = TimeBox()


class RunClock:
    """
    Starts with the start of a run.

    :param box: how long it may take.
    :param state: of the run, as it is found.
    :param total_samples: of the whole run.
    :ivar agreed: share 0..1 of the time that is spent, as all ranks have agreed. They must not go
        by clocks of their own: with learning rates of their own, their weights part.
    """

    def __init__(self, box: TimeBox, state: RunState, total_samples: int) -> None:
        self.box = box
        self.agreed = 0.0
        self._total = total_samples
        self._before = state.seconds
        self._start = state.samples / total_samples
        self._began = time.monotonic()

    def elapsed(self) -> float:
        """Share 0..1 of this start's time that is spent; 0 without a limit."""
        if self.box.hours is None:
            return 0.0
        return (time.monotonic() - self._began) / max(self.box.hours * 3600, 1e-9)

    def seconds_left(self) -> float | None:
        """Of this start; None without a limit."""
        return None if self.box.hours is None else self.box.hours * 3600 * (1 - self.elapsed())

    def seconds(self) -> float:
        """Training time spent, over all starts."""
        return self._before + time.monotonic() - self._began

    def progress(self, samples: int) -> float:
        """
        Share 0..1 of the schedule that is done.

        :param samples: seen so far.
        """
        planned = samples / self._total
        if not self.box.finish:
            return planned
        return max(planned, self._start + (1 - self._start) * self.agreed)
