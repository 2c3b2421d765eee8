"""When a failing network is loaded anew. Knows neither ROS nor networks."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 3
"""Images in a row that fail before anything is done; one may be bad luck."""
PAUSE = 10.0
"""Seconds between two attempts at least."""
HEALED = 60.0
"""Seconds without a failure after which earlier attempts are forgotten."""


class Recovery:
    """
    Counts failures of inference and says when to do something about them.

    :param clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._in_a_row = 0
        self._attempts = 0
        self._last_attempt = self._last_failure = float('-inf')

    def note_success(self) -> None:
        """The network served an image."""
        self._in_a_row = 0
        if self._attempts and self._clock() - self._last_failure > HEALED:
            self._attempts = 0

    def note_failure(self) -> int:
        """
        It failed at an image.

        :returns: 0 to go on, or the number of the attempt to be made now: 1 for the first.
        """
        now = self._clock()
        self._in_a_row += 1
        self._last_failure = now
        if self._in_a_row < PATIENCE or now - self._last_attempt < PAUSE:
            return 0
        self._in_a_row = 0
        self._attempts += 1
        self._last_attempt = now
        return self._attempts
