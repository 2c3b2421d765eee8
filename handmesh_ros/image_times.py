"""When images were taken, how old they are, and whether their clock runs forward."""

from __future__ import annotations

from collections.abc import Callable

from std_msgs.msg import Header

from handmesh_model.motion_limits import JUMP_BACK
from handmesh_ros.monitor import FaultKind, Monitor
from handmesh_ros.stamps import stamp_to_seconds

CREDIBLE_AGE = 60.0
"""Seconds; beyond that, stamps are not of this clock, and statistics would mislead."""
_LATE_IN_A_ROW = 5
"""Images that may be late one after the other, or come again; of a loop shorter than a jump all
would be."""


class ImageTimes:
    """
    What a node makes of its images' stamps.

    :param now: seconds, by the node's clock.
    :param fault: say and remember a fault of a kind.
    :param monitor: gets the images' ages.
    """

    def __init__(
        self, now: Callable[[], float], fault: Callable[[FaultKind, str], None], monitor: Monitor
    ) -> None:
        self._now = now
        self._fault = fault
        self._monitor = monitor
        self.reset()

    def reset(self) -> None:
        """Forget when the newest image was."""
        self._newest = float('-inf')
        self._late = 0

    def stamp_of(self, header: Header) -> float:
        """Seconds; of images without a stamp the time at which they are taken up."""
        stamp = stamp_to_seconds(header.stamp)
        if stamp == 0:
            self._fault('time', 'images carry no stamp (0): they count as new, TF is not sent')
            return self._now()
        return stamp

    def is_stale(self, stamp: float, max_age: float) -> bool:
        """
        Whether an image is too old to be worth an answer, which is counted and said.

        :param max_age: seconds; 0 takes images of any age.
        """
        age = self.note_age('image age', stamp)
        if max_age <= 0 or age <= max_age:
            return False
        self._monitor.count('stale')
        self._fault(
            'age',
            f'image dropped: it is {age:.3g} s old, max_age is {max_age:g} s '
            '(a recording wants use_sim_time, or max_age 0)',
        )
        return True

    def note_age(self, name: str, stamp: float) -> float:
        """Seconds since the stamp, noted under a name."""
        age = self._now() - stamp
        if 0 <= age < CREDIBLE_AGE:
            self._monitor.note(name, age)
        return age

    def is_late(self, stamp: float, is_stamped: bool) -> bool:
        """
        Whether an image comes after a newer one, or one of its stamp, which is counted and said.

        :param is_stamped: False for an image that carries no stamp: it is new, even where the
            clock has not gone on since the last one.
        """
        back = self._newest - stamp
        is_again = back == 0 and is_stamped
        self._late = self._late + 1 if is_again or 0 < back < JUMP_BACK else 0
        if not is_again and not 0 < self._late <= _LATE_IN_A_ROW:
            return False
        self._monitor.count('stale')
        what = 'has the stamp of the one' if is_again else f'is {back:.3g} s older than one'
        self._fault('time', f'image dropped: it {what} before it')
        return True

    def went_back(self, stamp: float) -> bool:
        """
        Whether time itself has gone back since the image asked about before; it is said.

        :param stamp: of an image that is not late.
        """
        back = self._newest - stamp
        self._newest, self._late = stamp, 0
        if back > 0:
            self._fault('time', f'image stamps went back by {back:.3g} s: tracks start anew')
        return back > 0
