"""Signals that ask a run to save and end."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def asking(stop: Callable[[], None]) -> Iterator[None]:
    """
    Let SIGTERM and SIGINT ask for the end instead of bringing it about; afterwards they mean what
    they did before.

    :param stop: called when one of them comes.
    """

    def handler(number: int, frame: FrameType | None) -> None:
        stop()

    before = {s: signal.signal(s, handler) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
