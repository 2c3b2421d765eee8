"""
Depth images, paired by stamp with the colour images that they are registered to.

A synchronizer of message_filters hands out pairs alone: without depth, no image would come
through. Here the colour image leads. It waits a moment for a depth image that is on its way, and
goes on without one that does not come, at once if that can be told.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median_low
from typing import Any

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from handmesh_model.depth_image import check_depth
from handmesh_model.errors import HandmeshError, ImageError
from handmesh_ros.depth_images import image_to_depth
from handmesh_ros.frame_names import frame_name
from handmesh_ros.image_input import AUTO, ImageInput
from handmesh_ros.monitor import FAULT_MEMORY
from handmesh_ros.stamps import UNSTAMPED, is_jump, stamp_to_nanoseconds

_KEPT = 8
_ALIVE = 1.0
"""Seconds without depth after which it counts as gone, and none is waited for."""
_SPACINGS = 4
"""Between the newest depth images, that tell when the next is due; few, for rates that change."""
_IN_VAIN = 3
"""Images in a row that waited for nothing, after which none waits until depth is in time again."""


class DepthStream:
    """
    The newest depth images of a topic.

    :param say: log and remember what is wrong; called once until it is right again.
    :param remember: only remember it.
    """

    def __init__(self, say: Callable[[str], object], remember: Callable[[str], object]) -> None:
        self._say = say
        self._remember = remember
        self._arrived = threading.Condition()
        self._messages: deque[Image] = deque(maxlen=_KEPT)
        self._missed: deque[tuple[int, float, float]] = deque(maxlen=_KEPT)
        """Images that went on without depth: stamp, tolerance, until when they might wait."""
        self._in_vain = 0
        self._newest_image = 0
        self._last = self._went_back = float('-inf')
        """When depth came last, and when its time last jumped back."""
        self._is_said = False
        self._fit, self._agreement = _Standing(), _Standing()
        self._input: ImageInput | None = None

    def open(self, node: Node) -> None:
        """Begin to listen to `depth`; what came before is forgotten."""
        with self._arrived:
            self._last = self._went_back = float('-inf')
            self._forget()
        self._is_said = False
        self._fit, self._agreement = _Standing(), _Standing()
        self._input = ImageInput(node, 'raw', AUTO, self.offer, self._say, name='depth', depth=2)
        self._input.take()

    def follow(self) -> None:
        """Go on listening in the way that the publishers of `depth` offer."""
        if self._input is not None:
            self._input.take()

    def close(self) -> None:
        """Stop listening, if that was begun."""
        if self._input is not None:
            self._input.release()
        self._input = None

    def offer(self, message: Image) -> None:
        """Lay down a depth image; never waits."""
        stamp, now = _stamp(message), time.monotonic()
        with self._arrived:
            if is_jump(stamp, max(map(_stamp, self._messages), default=UNSTAMPED)):
                self._messages.clear()
                self._went_back = now
            if any(
                abs(stamp - wanted) * 1e-9 <= tolerance and now <= end
                for wanted, tolerance, end in self._missed
            ):
                self._in_vain = 0
            self._messages.append(message)
            self._last = now
            self._arrived.notify_all()

    def _forget(self) -> None:
        """
        Use nothing of a former run, for images whose time has jumped back.

        Depth whose own time has jumped back just before is of the new run, and stays.
        """
        if time.monotonic() - self._went_back > _ALIVE:
            self._messages.clear()
        self._went_back = float('-inf')
        self._missed.clear()
        self._in_vain = self._newest_image = 0

    def match(
        self, header: Header, shape: tuple[int, int], tolerance: float, patience: float
    ) -> np.ndarray | None:
        """
        The depth image of a colour image.

        :param header: of the colour image.
        :param shape: its height and width.
        :param tolerance: seconds that the stamps may differ by.
        :param patience: seconds to wait at most for one that may be on its way. Nobody waits if
            none is to be expected by the spacing of those that came, or if waiting has brought
            nothing for some images in a row.
        :returns: (H, W) as :func:`image_to_depth`, None if there is none that can be used; of
            images without a stamp the newest, as long as they come.
        """
        nearest = self._nearest(header.stamp, tolerance, patience)
        if nearest is None:
            return None
        gap = _gap(nearest, header.stamp)
        if abs(gap) > tolerance:
            self._miss(
                f'no depth image within {tolerance:g} s of the image: the nearest is '
                f'{abs(gap):.3g} s {"older" if gap < 0 else "newer"}; sizes come without depth'
            )
            return None
        silence = time.monotonic() - self._last
        # Only then is it as old as its arrival: by stamps that are none all are of one time.
        if stamp_to_nanoseconds(header.stamp) == UNSTAMPED and silence >= _ALIVE:
            self._miss(
                f'no depth image for {silence:.3g} s, expected one in {_ALIVE:g} s where images '
                'carry no stamp; sizes come without depth'
            )
            return None
        try:
            depth = _checked(nearest, header.frame_id, shape)
        except HandmeshError as error:
            self._misfit(f'{error}; sizes come without depth')
            return None
        self._fit.good()
        return depth

    @property
    def trouble(self) -> str:
        """Why depth cannot be used by now, or ''; single images without do not count."""
        return self._fit.trouble or self._agreement.trouble

    def fault(self, text: str) -> None:
        """Say what is wrong with depth that :meth:`match` gave, if it was right before."""
        self._agreement.bad(text)
        self._say_once(text)

    def works(self) -> None:
        """What was wrong is right again."""
        self._agreement.good()
        self._is_said = False

    def _miss(self, text: str) -> None:
        """Images without depth between such that have it are said only where that goes on."""
        self._fit.bad(text)
        if self._fit.trouble:
            self._say_once(text)
        else:
            self._remember(text)

    def _misfit(self, text: str) -> None:
        self._fit.bad(text)
        self._say_once(text)

    def _say_once(self, text: str) -> None:
        if self._is_said:
            self._remember(text)
        else:
            self._is_said = True
            self._say(text)

    def _nearest(self, stamp: Any, tolerance: float, patience: float) -> Image | None:
        end = time.monotonic() + patience
        wanted = stamp_to_nanoseconds(stamp)
        has_waited = False
        with self._arrived:
            if is_jump(wanted, self._newest_image):
                self._forget()
            self._newest_image = max(wanted, self._newest_image)
            while True:
                # Of those equally near, as all without stamps are, the newest.
                best = min(
                    reversed(self._messages), key=lambda m: abs(_gap(m, stamp)), default=None
                )
                if best is not None and abs(_gap(best, stamp)) <= tolerance:
                    self._in_vain = 0
                    return best
                left = end - time.monotonic()
                if left <= 0 or not self._may_come(stamp, tolerance):
                    self._in_vain += has_waited
                    self._missed.append((wanted, tolerance, end))
                    return best
                has_waited = True
                self._arrived.wait(left)

    def _may_come(self, stamp: Any, tolerance: float) -> bool:
        """Whether the depth image of a stamp, which is not there yet, is worth waiting for."""
        if self._in_vain >= _IN_VAIN or time.monotonic() - self._last >= _ALIVE:
            return False
        # Newer ones than the image are there: its own will not come any more.
        if any(_gap(m, stamp) > tolerance for m in self._messages):
            return False
        # They come in the order in which they were sent, which one that is late breaks.
        ages = sorted((-_gap(m, stamp) for m in self._messages), reverse=True)
        return _is_expected(ages, tolerance)


class _Standing:
    """Whether something has been wrong for longer than with single images."""

    def __init__(self) -> None:
        self._text = ''
        self._last_good = self._last_bad = float('-inf')

    def good(self) -> None:
        """It was right with an image."""
        self._last_good = time.monotonic()

    def bad(self, text: str) -> None:
        """It was wrong with an image."""
        self._text, self._last_bad = text, time.monotonic()

    @property
    def trouble(self) -> str:
        """What is wrong, or ''."""
        now = time.monotonic()
        is_wrong = now - self._last_good >= _ALIVE and now - self._last_bad < FAULT_MEMORY
        return self._text if is_wrong else ''


def _stamp(message: Image) -> int:
    """Nanoseconds."""
    return stamp_to_nanoseconds(message.header.stamp)


def _gap(message: Image, stamp: Any) -> float:
    """Seconds that a message is newer than a stamp."""
    return (_stamp(message) - stamp_to_nanoseconds(stamp)) * 1e-9


def _is_expected(ages: Sequence[float], tolerance: float) -> bool:
    """
    Whether a depth image for a colour image is to come, by the spacing of those that came.

    :param ages: seconds that the stamps of the last depth images lie before that of the image,
        oldest first.
    :param tolerance: seconds that the stamps may differ by.
    :returns: True also in doubt: with fewer than three depth images, or an uneven spacing.
    """
    gaps = [older - newer for older, newer in pairwise(ages[-_SPACINGS - 1 :])]
    spacing = median_low(gaps) if len(gaps) > 1 else 0.0
    if spacing <= 0:
        return True
    # A lost image leaves a gap of several spacings.
    jitter = max(abs(gap - max(1, round(gap / spacing)) * spacing) for gap in gaps)
    steps = max(1, round(ages[-1] / spacing))
    return abs(ages[-1] - steps * spacing) <= tolerance + steps * jitter


def _checked(message: Image, wanted: str, shape: tuple[int, int]) -> np.ndarray:
    """
    The depth image, if it is registered to the colour image as far as one can tell.

    :raises ImageError: if it belongs to another frame, or cannot be read.
    :raises ShapeError: if it has another size.
    """
    frame = message.header.frame_id
    if frame and wanted and frame_name(frame) != frame_name(wanted):
        raise ImageError(
            f"depth is in frame '{frame}', the image in '{wanted}': expected depth that is "
            'registered to the image'
        )
    return check_depth(image_to_depth(message), *shape)
