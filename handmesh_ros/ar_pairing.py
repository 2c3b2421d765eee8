"""Brings together the image and the hands of one stamp. Knows no ROS."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from handmesh_ros.stamps import JUMP, UNSTAMPED

MAX_SECONDS = 3.0
"""Seconds that an image waits for its hands at most, once a newer one is there."""
MAX_BYTES = 256 << 20
"""Memory of all images that wait."""
_MAX_TIMES = 256
"""Images of which it is known when they came."""
_RECENT = 8
"""Answers by which it is judged how long the next one may take."""


@dataclass(eq=False)
class Pair:
    """
    An image and the hands found in it, as far as they have come.

    :param size: bytes of the image.
    :param since: seconds of the caller's clock when the image came, or else the hands.
    :param hands_since: when the hands came.
    """

    stamp: int
    image: Any = None
    hands: Any = None
    size: int = 0
    since: float = 0.0
    hands_since: float = 0.0


class Trouble(Enum):
    """Why images are shown without their hands, or not at all."""

    OVERDUE = auto()
    """Images were given up because too long or too much was waiting."""
    LATE = auto()
    """Hands came after their image, or a later one, had been taken without any."""


class Pairing:
    """
    Images and hands that wait for each other, by their stamps.

    An image is done with when it is taken, or when a later one is: nothing goes backwards. Those
    without a stamp cannot be told apart: of them the newest image meets the newest hands. What
    waits is bounded by :data:`MAX_SECONDS` and :data:`MAX_BYTES`; the newest image always stays.
    """

    def __init__(self) -> None:
        self._pairs: dict[int, Pair] = {}
        self._done = -1
        self._alone_since: float | None = None
        self._is_bare = False
        self._came: dict[int, float] = {}
        self._delays: deque[float] = deque(maxlen=_RECENT)

    def put_image(self, stamp: int, image: Any, now: float, size: int = 0) -> Trouble | None:
        """
        Lay down an image of this many bytes.

        :returns: what there is to warn of, if anything.
        """
        if self._alone_since is None:
            self._alone_since = now
        pair = self._pair(stamp, now)
        self._came[stamp] = now
        if len(self._came) > _MAX_TIMES:
            del self._came[next(iter(self._came))]
        if pair is None:
            return None
        pair.image, pair.since, pair.size = image, now, size
        return self._keep_bounds(now)

    def put_hands(self, stamp: int, hands: Any, now: float) -> Trouble | None:
        """
        Lay down the hands of an image, which may not have come yet.

        :returns: what there is to warn of, if anything.
        """
        self._alone_since = None
        came = None if stamp == UNSTAMPED else self._came.pop(stamp, None)
        if came is not None:
            self._delays.append(now - came)
            if stamp <= self._done:
                # However old, it is no jump of time: its image is known.
                return Trouble.LATE if self._is_bare else None
        pair = self._pair(stamp, now)
        if pair is None:
            return None
        pair.hands, pair.hands_since = hands, now
        return self._keep_bounds(now)

    def _pair(self, stamp: int, now: float) -> Pair | None:
        if stamp != UNSTAMPED and stamp <= self._done:
            if self._done - stamp < JUMP:
                return None
            # A jump back by more than a second: a clip starts over, or time does.
            self._pairs.clear()
            self._came.clear()
            self._done = -1
        return self._pairs.setdefault(stamp, Pair(stamp, since=now))

    def _keep_bounds(self, now: float) -> Trouble | None:
        """Give up what waits beyond the bounds, and say so if there are images among it."""
        images = sorted(self.waiting(), key=lambda pair: (pair.since, pair.stamp))
        newest = images[-1] if images else None
        for pair in list(self._pairs.values()):
            is_whole = pair.image is not None and pair.hands is not None
            if not is_whole and pair is not newest and now - pair.since > MAX_SECONDS:
                del self._pairs[pair.stamp]
        left = [pair for pair in images if pair.stamp in self._pairs]
        size = sum(pair.size for pair in left)
        for pair in left[:-1]:
            if size <= MAX_BYTES:
                break
            size -= pair.size
            del self._pairs[pair.stamp]
        return None if all(pair.stamp in self._pairs for pair in images) else Trouble.OVERDUE

    def waiting(self) -> list[Pair]:
        """Those with an image, the newest first."""
        pairs = sorted(self._pairs.values(), key=lambda pair: -pair.stamp)
        return [pair for pair in pairs if pair.image is not None]

    def take(self, now: float, silence: float, is_complete: Callable[[Pair], bool]) -> Pair | None:
        """
        Take the newest pair that is ready, if one is.

        An image without hands is ready once images have come for longer than ``silence`` seconds
        and no hands at all; or, where answers take longer than that, for twice as long as the last
        ones did, as far as images wait at all.

        :param is_complete: whether all has come that a pair with hands waits for.
        """
        wanted = min(2 * max(self._delays, default=0.0), MAX_SECONDS)
        is_silent = self._alone_since is not None and (
            now - self._alone_since > max(silence, wanted)
        )
        for pair in self.waiting():
            if is_silent if pair.hands is None else is_complete(pair):
                self.finish(pair)
                return pair
        return None

    def finish(self, pair: Pair) -> None:
        """Take a pair; older ones are given up."""
        self._pairs = {s: other for s, other in self._pairs.items() if s > pair.stamp}
        if pair.stamp != UNSTAMPED:
            self._done, self._is_bare = pair.stamp, pair.hands is None
