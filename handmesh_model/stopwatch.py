"""How long the stages of one picture took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Stopwatch:
    """
    Seconds spent in each named stage since the last :meth:`restart`.

    >>> with stopwatch('crop'):
    ...     crop_hands(rgb, boxes, 128)
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def restart(self) -> None:
        """Forget what was measured; to be called at the start of a picture."""
        self.seconds = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + perf_counter() - start
