"""What a node remembers of its own work: counts, rates, stage times, faults. Knows no ROS."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from handmesh_model.brief import without_numbers

WINDOW = 300
"""Frames that rates, ages and stage times are taken over."""
FAULT_MEMORY = 5.0
"""Seconds that a fault of the stream counts as present."""
_SAME_TEXT_PAUSE = 10.0
"""Seconds between two lines of the log that say the same, whatever their numbers."""
_TEXTS, _TEXT_PERIOD = 5, 5.0
"""Texts logged in so many seconds: a few at once tell a story, a stream of them does not."""

FaultKind = Literal[
    'image',
    'serving',
    'qos',
    'frame',
    'age',
    'boxes',
    'time',
    'silence',
    'calibration',
    'depth',
    'inference',
    'parameters',
]
StatusPart = Literal['images', 'calibration', 'network']
"""One status of a node's diagnostics."""


class FaultTraits(NamedTuple):
    """
    What is the same of all faults of a kind.

    :param part: the status that lists them; None if they are told of there in another way.
    :param is_error: the node or its user is at fault; else the stream is, and the node goes on.
    """

    part: StatusPart | None
    is_error: bool


FAULT_KINDS: dict[FaultKind, FaultTraits] = {
    # An image gets no answer, though the network does not fail.
    'image': FaultTraits('images', True),
    'serving': FaultTraits('images', True),
    'qos': FaultTraits('images', False),
    'frame': FaultTraits('images', False),
    'age': FaultTraits('images', False),
    'boxes': FaultTraits('images', False),
    'time': FaultTraits('images', False),
    # Only while it lasts, which the counts tell.
    'silence': FaultTraits(None, False),
    'calibration': FaultTraits('calibration', False),
    'depth': FaultTraits('calibration', False),
    'inference': FaultTraits('network', True),
    'parameters': FaultTraits('network', True),
}
"""
All kinds of fault, those of a status in the order in which it lists them. Of those of the images
the first that is present is what the status says.
"""


def kinds_of(part: StatusPart, is_error: bool | None = None) -> tuple[FaultKind, ...]:
    """
    The kinds that a status lists, in their order.

    :param is_error: only those of which this holds; None takes both.
    """
    return tuple(
        kind
        for kind, traits in FAULT_KINDS.items()
        if traits.part == part and is_error in (None, traits.is_error)
    )


@dataclass
class Fault:
    """The last fault of one kind."""

    text: str
    when: float
    count: int = 0
    logged: dict[str, float] = field(default_factory=dict)
    """When texts were logged, without their numbers; only those that are not due again."""

    def take_turn(self, now: float) -> bool:
        """Whether to log the text now, which is then taken for done."""
        self.logged = {t: at for t, at in self.logged.items() if now - at < _SAME_TEXT_PAUSE}
        text = without_numbers(self.text)
        recent = sum(now - at < _TEXT_PERIOD for at in self.logged.values())
        if text in self.logged or recent >= _TEXTS:
            return False
        self.logged[text] = now
        return True


class Monitor:
    """
    Counters of one image stream, safe to use from several threads.

    Counted are ``received`` images and what became of them: ``processed``, ``dropped`` (a newer
    one came first), ``stale`` (older than allowed, or no newer than one before), ``unwatched``
    (nobody listened), ``faulty`` (no image could be made of it), ``failed`` (inference went wrong,
    or what is done beside it).

    :param clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self._arrivals: dict[str, deque[float]] = {}
        self._stages: dict[str, deque[float]] = {}
        self._faults: dict[FaultKind, Fault] = {}
        self.begin()

    def begin(self) -> None:
        """The stream starts now, perhaps once more; counts go on."""
        with self._lock:
            self._begun = self._clock()
            self._first: dict[str, float] = {}

    def count(self, what: str) -> None:
        """One more of something; its rate is kept too."""
        with self._lock:
            now = self._clock()
            self.counts[what] += 1
            self._first.setdefault(what, now)
            self._arrivals.setdefault(what, deque(maxlen=WINDOW)).append(now)

    def rate(self, what: str, period: float = 5.0) -> float:
        """How many of something came a second, over the last ``period`` seconds at most."""
        now = self._clock()
        with self._lock:
            times = [t for t in self._arrivals.get(what, ()) if t > now - period]
        if len(times) < 2:
            return 0.0
        return (len(times) - 1) / max(times[-1] - times[0], 1e-9)

    def silence(self, what: str) -> float:
        """Seconds since the last of something, or since the stream began if that is later."""
        with self._lock:
            times = self._arrivals.get(what)
            return self._clock() - max(self._begun, times[-1] if times else self._begun)

    def since_first(self, what: str) -> float:
        """Seconds since the first of something after the stream began; 0 before it came."""
        with self._lock:
            return self._clock() - self._first.get(what, self._clock())

    def note(self, stage: str, seconds: float) -> None:
        """Remember one measured time."""
        with self._lock:
            self._stages.setdefault(stage, deque(maxlen=WINDOW)).append(seconds)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what happens inside."""
        start = self._clock()
        try:
            yield
        finally:
            self.note(name, self._clock() - start)

    def percentiles(self, stage: str) -> tuple[float, float] | None:
        """Median and 95th percentile in seconds; None if it was never measured."""
        with self._lock:
            values = list(self._stages.get(stage, ()))
        if not values:
            return None
        median, high = np.percentile(values, (50, 95))
        return float(median), float(high)

    def stages(self) -> list[str]:
        """What was measured, in the order it was first met."""
        with self._lock:
            return list(self._stages)

    def fault(self, kind: FaultKind, text: str) -> bool:
        """
        Remember a fault.

        :returns: whether to log it now: a new text, unless they come in floods, and the same one,
            also with other numbers, every ten seconds.
        """
        now = self._clock()
        with self._lock:
            fault = self._faults.setdefault(kind, Fault(text, now))
            fault.text, fault.when, fault.count = text, now, fault.count + 1
            return fault.take_turn(now)

    def faults(self) -> dict[FaultKind, Fault]:
        """The last fault of each kind, also those that are over."""
        with self._lock:
            return dict(self._faults)

    def is_present(self, kind: FaultKind) -> bool:
        """Whether a fault of this kind happened a short while ago."""
        with self._lock:
            fault = self._faults.get(kind)
            return fault is not None and self._clock() - fault.when < FAULT_MEMORY
