"""Any number of crops through programs that were made for a few fixed numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from handmesh_model.checks import check_range
from handmesh_model.errors import BackendError


class Chunk(NamedTuple):
    """Crops ``start`` to ``stop``, run by the program for ``size``; the rest of it is padding."""

    start: int
    stop: int
    size: int


def batch_sizes(max_batch: int) -> tuple[int, ...]:
    """
    The sizes to prepare: powers of two, and the largest.

    :param max_batch: crops at most that shall go in one run.
    :raises BackendError: if that is less than 1.
    """
    check_range('max_batch', max_batch, 1, error=BackendError)
    sizes = {max_batch}
    size = 1
    while size < max_batch:
        sizes.add(size)
        size *= 2
    return tuple(sorted(sizes))


def plan(count: int, sizes: Sequence[int]) -> list[Chunk]:
    """
    How to run some crops with programs of fixed sizes: full ones of the largest, then the smallest
    that holds the rest.

    :param count: crops.
    :param sizes: prepared sizes, rising.
    """
    chunks = []
    largest = sizes[-1]
    for start in range(0, count, largest):
        rest = min(largest, count - start)
        size = next(size for size in sizes if size >= rest)
        chunks.append(Chunk(start, start + rest, size))
    return chunks


class StaticProgram(Protocol):
    """A network made for one number of crops, with memory of its own for input and output."""

    inputs: Tensor
    """(n, S, S, 3) uint8, written before each run."""
    outputs: Tensor
    """(n, width) float32, valid until the next run."""

    def replay(self) -> None:
        """Compute outputs from inputs, in the device's order of work."""


class StaticPrograms:
    """
    Programs for a few sizes, and the memory on the host that their results arrive in.

    :param sizes: rising numbers of crops.
    :param make: makes the program of a size.
    :param pinned: whether the device writes to page-locked memory without a detour.
    """

    def __init__(
        self, sizes: Sequence[int], make: Callable[[int], StaticProgram], pinned: bool
    ) -> None:
        self._sizes = tuple(sizes)
        # The largest first: the smaller ones fit into the memory that it has set aside.
        self._programs = {size: make(size) for size in sorted(sizes, reverse=True)}
        largest = self._programs[self._sizes[-1]]
        self._staging = torch.empty(
            largest.inputs.shape, dtype=torch.uint8, device='cpu', pin_memory=pinned
        )
        # Written through NumPy: PyTorch copies with a team of threads, which costs milliseconds
        # where they sleep, for some kilobytes.
        self._staged = self._staging.numpy()
        self._width = largest.outputs.shape[1]
        self._pinned = pinned

    def run(self, crops: Tensor, synchronize: Callable[[], None]) -> Tensor:
        """
        Run the network on crops of any number.

        :param crops: (N, S, S, 3) uint8 on the host or the device.
        :param synchronize: waits for the device.
        :returns: (N, width) float32 on the host.
        """
        results = torch.empty((len(crops), self._width), device='cpu', pin_memory=self._pinned)
        for chunk in plan(len(crops), self._sizes):
            program = self._programs[chunk.size]
            used = chunk.stop - chunk.start
            part = crops[chunk.start : chunk.stop]
            if part.device.type == 'cpu' and program.inputs.device.type != 'cpu':
                if chunk.start:
                    # The copy out of the staging memory before this one may still be under way.
                    synchronize()
                self._staged[:used] = part.numpy()
                part = self._staging[:used]
            # What is behind stays from earlier runs: its rows are not read.
            program.inputs[:used].copy_(part, non_blocking=True)
            program.replay()
            results[chunk.start : chunk.stop].copy_(program.outputs[:used], non_blocking=True)
        synchronize()
        return results
