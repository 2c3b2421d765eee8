"""Brings together the image and the hands of one stamp. Knows no ROS."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

MAX_PENDING = 12


@dataclass(eq=False)
class Pair:
    """
    An image and the hands found in it, as far as they have come.

    :param since: seconds of the caller's clock when the image came, or else the hands.
    :param hands_since: when the hands came.
    """

    stamp: int
    image: Any = None
    hands: Any = None
    since: float = 0.0
    hands_since: float = 0.0


class Pairing:
    """
    Images and hands that wait for each other, by their stamps.

    An image is done with when it is taken, or when a later one is: nothing goes backwards. More
    than :data:`MAX_PENDING` are not kept.

    :ivar dropped: images that were never taken.
    """

    def __init__(self) -> None:
        self._pairs: OrderedDict[int, Pair] = OrderedDict()
        self._done = -1
        self.dropped = 0

    def put_image(self, stamp: int, image: Any, now: float) -> None:
        """Lay down an image."""
        pair = self._pair(stamp, now)
        if pair is not None:
            pair.image, pair.since = image, now

    def put_hands(self, stamp: int, hands: Any, now: float) -> None:
        """Lay down the hands of an image, which may not have come yet."""
        pair = self._pair(stamp, now)
        if pair is not None:
            pair.hands, pair.hands_since = hands, now

    def _pair(self, stamp: int, now: float) -> Pair | None:
        if stamp <= self._done:
            if self._done - stamp < 10**9:
                return None
            # A jump back by more than a second: a clip starts over, or time does.
            self._pairs.clear()
            self._done = -1
        if stamp not in self._pairs:
            self._pairs[stamp] = Pair(stamp, since=now)
            if len(self._pairs) > MAX_PENDING:
                _, oldest = self._pairs.popitem(last=False)
                self.dropped += oldest.image is not None
        return self._pairs[stamp]

    def waiting(self) -> list[Pair]:
        """Those with an image, the newest first."""
        pairs = sorted(self._pairs.values(), key=lambda pair: -pair.stamp)
        return [pair for pair in pairs if pair.image is not None]

    def finish(self, pair: Pair) -> None:
        """Take a pair; older ones are given up."""
        for stamp in [stamp for stamp in self._pairs if stamp <= pair.stamp]:
            other = self._pairs.pop(stamp)
            self.dropped += other is not pair and other.image is not None
        self._done = pair.stamp
