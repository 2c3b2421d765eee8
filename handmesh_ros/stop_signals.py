"""
What SIGINT, SIGTERM and SIGHUP do to a process of this package. Imports nothing that takes time.

While modules are imported, which takes seconds, nothing is open yet and the process ends at once.
Afterwards a signal only asks: whoever keeps the node going looks at :func:`is_stop_requested`
between two callbacks. No signal ever raises an exception, because it would come up anywhere, also
in the middle of rclpy's own code, and leave half-made objects behind.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, the usual request, and a terminal that closes."""
IMPATIENCE = 1.0
"""Seconds after the first signal from which another one ends the process at once; until then it
may be the same Ctrl-C, delivered by terminal and launcher both."""

_requested_at: float | None = None


def end_at_once() -> None:
    """End with exit code 0 on a signal: for the time while modules are imported."""
    for number in _heeded():
        signal.signal(number, _end)


def _heeded() -> list[signal.Signals]:
    """Those of :data:`STOP_SIGNALS` that count; who starts a process with nohup has it stay."""
    stays = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return [number for number in STOP_SIGNALS if not (stays and number == signal.SIGHUP)]


def _end(number: int, frame: object) -> None:
    # Nothing is open yet. An exception would be lost where a library catches all of them.
    os._exit(0)


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Let a function handle the signals while the block runs; then handle them as before."""
    before = {number: signal.signal(number, handler) for number in _heeded()}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


@contextmanager
def asking() -> Iterator[None]:
    """Let signals ask for the end while the block runs."""
    global _requested_at
    _requested_at = None
    with handled_by(_ask):
        yield


def _ask(number: int, frame: object) -> None:
    global _requested_at
    now = time.monotonic()
    if _requested_at is None:
        _requested_at = now
    elif now - _requested_at > IMPATIENCE:
        # As a shell reports a process that a signal has killed.
        os._exit(128 + number)


def is_stop_requested() -> bool:
    """Whether a signal has asked the process to end."""
    return _requested_at is not None
