"""Work that is shared out among processes, one a core."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import cv2

Item = TypeVar('Item')
Result = TypeVar('Result')
TASK = 8
"""Items that a process is given at a time."""


@contextmanager
def shared_out(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[Iterator[Result]]:
    """
    The results of work on items, in their order, by so many processes; 1 works in this one.

    The processes leave interrupts to this one, and end with it.

    :param work: what processes can be sent: a function of a module, or a partial of one.
    :raises concurrent.futures.process.BrokenProcessPool: if one of them dies.
    """
    if workers == 1:
        yield map(work, items)
        return
    # Each process has a core: threads of OpenCV would only get into each other's way. Here, too,
    # since a process that is forked waits for ever for those that it does not have.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = ProcessPoolExecutor(workers, initializer=_start_worker)
    try:
        yield pool.map(work, items, chunksize=TASK)
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(threads)


def _start_worker() -> None:
    _follow_parent()
    # Where it is forked, it has that from its parent.
    if cv2.getNumThreads() != 1:
        cv2.setNumThreads(1)


def _follow_parent() -> None:
    """Leave interrupts to the parent process, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
