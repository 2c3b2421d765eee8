"""
A pool of rendered samples in shared memory, filled by renderer processes and drawn from by a
trainer.

Every renderer owns each ``workers``-th slot and fills its own in turn, so that renderers need no
lock. A slot's version is odd while it is being written; the trainer looks at it before and after
copying and takes another slot if it changed. The memory is an open file without a name: it is gone
when the last process is.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handmesh_model.errors import ConfigError
from handmesh_model.training.batches import Fields

HEADER_SLOTS = 64
ALLOWED, STOP = HEADER_SLOTS - 2, HEADER_SLOTS - 1
MAX_WORKERS = ALLOWED
"""Renderers of one pool; each has a place in the header before those two."""


@dataclass(frozen=True)
class PoolLayout:
    """
    Shape of a pool. Renderers are told it as JSON.

    :param slots: samples it holds, a multiple of ``workers``.
    :param workers: renderers that fill it.
    :param size: pixels of the square images.
    :param fields: arrays of a sample.
    :raises ConfigError: if there are more workers than it has room for.
    """

    slots: int
    workers: int
    size: int
    fields: Fields

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= MAX_WORKERS:
            raise ConfigError(
                f'workers of one trainer are {self.workers}, expected 1 to {MAX_WORKERS}'
            )

    def arrays(self) -> dict[str, tuple[tuple[int, ...], Any]]:
        """Shape and type of every array, in the order in which they lie."""
        return {
            # Renders finished by each worker, then how many are allowed over all, and the stop
            # sign.
            'header': ((HEADER_SLOTS,), np.int64),
            'version': ((self.slots,), np.int64),
            **{name: ((self.slots, *shape), kind) for name, (shape, kind) in self.fields.items()},
        }

    @property
    def byte_count(self) -> int:
        """Bytes of the whole pool."""
        return sum(
            -(-int(np.prod(shape)) * np.dtype(kind).itemsize // 64) * 64
            for shape, kind in self.arrays().values()
        )


class SamplePool:
    """
    One view of the shared memory; the trainer and each renderer hold one.

    :param layout: the pool's shape.
    :param descriptor: an open file of the right size; None makes a new one.
    :raises ConfigError: if a new one finds too little shared memory.
    """

    def __init__(self, layout: PoolLayout, descriptor: int | None = None) -> None:
        self.layout = layout
        if descriptor is None:
            folder = '/dev/shm' if Path('/dev/shm').is_dir() else None
            with tempfile.TemporaryFile(dir=folder) as file:
                descriptor = os.dup(file.fileno())
            _reserve(descriptor, layout.byte_count)
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, layout.byte_count)
        self.array: dict[str, np.ndarray] = {}
        start = 0
        for name, (shape, kind) in layout.arrays().items():
            count = int(np.prod(shape))
            flat = np.frombuffer(self._memory, kind, count, start)
            self.array[name] = flat.reshape(shape)
            start += -(-flat.nbytes // 64) * 64

    @property
    def finished(self) -> np.ndarray:
        """(workers,) renders that each worker has finished."""
        return self.array['header'][: self.layout.workers]

    @property
    def rendered(self) -> int:
        """Renders finished over all workers."""
        return int(self.finished.sum())

    @property
    def allowed(self) -> int:
        """Renders that may be started over all workers."""
        return int(self.array['header'][ALLOWED])

    @allowed.setter
    def allowed(self, count: int) -> None:
        self.array['header'][ALLOWED] = count

    @property
    def stopped(self) -> bool:
        """Whether renderers are to leave."""
        return bool(self.array['header'][STOP])

    def stop(self) -> None:
        """Ask renderers to leave."""
        self.array['header'][STOP] = 1

    def put(self, worker: int, sample: dict[str, Any]) -> None:
        """
        Write one render into the worker's next slot.

        :param sample: has the pool's fields; what else it has is left out.
        """
        turn = int(self.finished[worker])
        slot = turn * self.layout.workers % self.layout.slots + worker
        version = self.array['version']
        version[slot] |= 1  # odd already where a renderer died at work
        for name in self.layout.fields:
            self.array[name][slot] = sample[name]
        version[slot] += 1
        self.finished[worker] = turn + 1

    def take(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """
        A copy of a sample drawn at random from those there are.

        :raises LookupError: if the pool is empty.
        """
        per_worker = self.layout.slots // self.layout.workers
        filled = np.minimum(self.finished, per_worker)
        total = int(filled.sum())
        if not total:
            raise LookupError('the pool holds no sample yet')
        ends = np.cumsum(filled)
        version = self.array['version']
        while True:
            pick = int(rng.integers(total))
            worker = int(np.searchsorted(ends, pick, side='right'))
            turn = pick - int(ends[worker] - filled[worker])
            slot = turn * self.layout.workers + worker
            before = int(version[slot])
            sample = {name: self.array[name][slot].copy() for name in self.layout.fields}
            if before % 2 == 0 and version[slot] == before:
                return sample

    def close(self) -> None:
        """Let go of the memory; arrays taken as copies stay valid."""
        self.array.clear()
        self._memory.close()
        os.close(self.descriptor)


def _reserve(descriptor: int, byte_count: int) -> None:
    """Take all of the memory now: where it lacks later, the first write to it kills the writer."""
    if not hasattr(os, 'posix_fallocate'):
        return os.ftruncate(descriptor, byte_count)
    try:
        os.posix_fallocate(descriptor, 0, byte_count)
    except OSError as error:
        os.close(descriptor)
        raise ConfigError(
            f'the pool of rendered samples takes {byte_count / 2**20:.0f} MiB of shared memory, '
            f'which are not there ({error.strerror}); expected a smaller pool_size, or a larger '
            '/dev/shm (docker run --shm-size)'
        ) from error
