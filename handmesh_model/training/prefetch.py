"""Batches made ahead of time, on a thread beside the training step, from rendered pictures."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from handmesh_model.training.synthetic_stream import RendererTeam

Batch = TypeVar('Batch')
PREFETCHED = 2
WAIT_SECONDS = 0.2
"""How long a wait for a batch, or for room for one, goes on without looking around."""
PUSH = 1.5
"""How much more often than configured a render may be drawn before the trainer waits."""


def never() -> bool:
    """Who waits for batches waits until there is one."""
    return False


class PrefetchingStream(Generic[Batch]):
    """
    A stream whose batches a thread of its own makes ahead of time; it ends only where its user
    gives up waiting.

    A subclass makes one batch in ``_batch`` and calls ``_begin`` once it is set up.
    """

    def _begin(
        self, team: RendererTeam, start_count: int, name: str, cancelled: Callable[[], bool]
    ) -> None:
        """
        Start the thread.

        :param team: the renderers, which end with the stream.
        :param start_count: pictures to wait for before the first batch.
        :param name: of the thread.
        :param cancelled: asked now and then while there is no batch; true ends the wait.
        """
        self._team = team
        self._cancelled = cancelled
        self._start_count = start_count
        self._ready: queue.Queue[Batch | BaseException] = queue.Queue(PREFETCHED)
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def _batch(self) -> Batch:
        raise NotImplementedError

    def __next__(self) -> Batch:
        """
        The next batch.

        :raises RendererError: if the renderers died.
        :raises StopIteration: if the wait for it was cancelled.
        """
        while not self._cancelled():
            try:
                ready = self._ready.get(timeout=WAIT_SECONDS)
            except queue.Empty:
                continue
            if isinstance(ready, BaseException):
                raise ready
            return ready
        raise StopIteration

    def close(self) -> None:
        """Stop the thread and the renderers."""
        self._closing = True
        while self._thread.is_alive():
            try:
                self._ready.get_nowait()
            except queue.Empty:
                self._thread.join(0.02)
        self._team.close()

    def _wait_for_renders(self, drawn: int, reuse: float) -> None:
        """
        Let the renderers work, and wait until there are enough renders for so many draws.

        :param drawn: pictures drawn over all, those of the batch at hand included.
        :param reuse: times that each render is to be drawn.
        :raises RendererError: if the renderers died.
        """
        due = drawn / reuse
        self._team.pool.allowed = self._start_count + int(due)
        self._team.check()
        self._team.wait_for(math.ceil(due / PUSH), lambda: self._closing)

    def _work(self) -> None:
        try:
            self._team.pool.allowed = self._start_count
            self._team.wait_for(self._start_count, lambda: self._closing)
            while not self._closing:
                self._put(self._batch())
        except BaseException as error:  # handed to the trainer, who raises it
            self._put(error)

    def _put(self, item: Batch | BaseException) -> None:
        while not self._closing:
            try:
                return self._ready.put(item, timeout=WAIT_SECONDS)
            except queue.Full:
                continue
