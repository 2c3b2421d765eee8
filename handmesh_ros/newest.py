"""A slot that holds the newest item only, between one thread that fills and one that takes."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar('Item')


class NewestSlot(Generic[Item]):
    """Filling never waits: an item that was not taken yet gives way to the newer one."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: Item | None = None
        self._closed = False

    def put(self, item: Item) -> bool:
        """
        Lay down the newest item.

        :returns: whether an older one was thrown away for it.
        """
        with self._condition:
            replaced = self._item is not None
            self._item = item
            self._condition.notify()
        return replaced

    def take(self) -> Item | None:
        """Wait for an item and take it; None once the slot is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._item is not None or self._closed)
            item, self._item = self._item, None
            return None if self._closed else item

    def clear(self) -> bool:
        """Throw away what lies there; whether there was something."""
        with self._condition:
            held, self._item = self._item is not None, None
        return held

    @property
    def is_closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._closed

    def close(self) -> None:
        """Let every waiting and coming :meth:`take` return None."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
