"""Whether there is a hand to follow right now."""

from __future__ import annotations

from collections import deque

_GAPS = 3
"""Gaps in a row that make a pace; one may have been an accident."""


class Watchdog:
    """
    Trips when nothing fresh has come for a while, or at once when it is told to.

    Times are seconds of one clock that does not go back; the caller brings them.

    :param limit: seconds without anything fresh after which it has tripped.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._fed: float | None = None
        self._gaps: deque[float] = deque(maxlen=_GAPS)

    def feed(self, now: float) -> None:
        """Something fresh has come."""
        if self._fed is not None:
            self._gaps.append(now - self._fed)
        self._fed = now

    def trip(self) -> None:
        """What was followed is known to be gone."""
        self._fed = None
        self._gaps.clear()

    def is_alive(self, now: float, ahead: float = 0.0) -> bool:
        """
        Whether what came last is fresh enough.

        :param ahead: seconds until the next time that somebody asks. What would run out before
            then counts as run out, so that nobody acts on it longer than the limit.
        """
        return self._fed is not None and now + ahead - self._fed <= self.limit

    def age(self, now: float) -> float:
        """Seconds since something fresh came; infinite if it is gone or nothing ever did."""
        return float('inf') if self._fed is None else now - self._fed

    @property
    def pace(self) -> float:
        """Seconds from one to the next that were needed each time of late; 0 if not known."""
        return min(self._gaps) if len(self._gaps) == _GAPS else 0.0
