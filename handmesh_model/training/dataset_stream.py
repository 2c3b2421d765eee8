"""
Training batches from a finite dataset: shuffled anew each epoch, read by worker processes.

Which samples a step gets, and how they are varied, depends on seed, samples seen before and rank
alone, so that a resumed run goes on with the very batches that it would have seen; with another
batch size, too, it leaves out none and repeats none.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from handmesh_model.errors import ConfigError, DatasetError, HandmeshError
from handmesh_model.lixels import LixelScale
from handmesh_model.training.batches import mesh_first

Batch = dict[str, np.ndarray]
DEAD_WORKER = 'DataLoader worker'
"""What torch's messages about a dead loader process start with."""


class LoaderError(HandmeshError):
    """A process that loads training samples died."""


class SampleSource(Protocol):
    """A map-style dataset of crop samples whose variations depend on epoch and index."""

    @property
    def depth_axis(self) -> str | None:
        """What their depth is measured along; None if nothing tells it."""

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        """A crop sample of the network's input size."""

    def set_epoch(self, epoch: int) -> None:
        """Draw other variations from now on."""


class DatasetStream:
    """
    Batches for one trainer out of a dataset, without end.

    :param source: the samples.
    :param scale: lixels of the network.
    :param batch_size: samples of each of this rank's batches.
    :param key: seed, rank, and samples that all ranks have seen before.
    :param ranks: number of trainers that share each step's samples.
    :param workers: processes that load for this trainer; 0 loads when a batch is asked for.
    :param nice: how much they stand back behind the trainer, 0..19.
    :raises ConfigError: if there are no samples.
    """

    def __init__(
        self,
        source: SampleSource,
        scale: LixelScale,
        batch_size: int,
        key: tuple[int, int, int],
        ranks: int = 1,
        workers: int = 0,
        nice: int = 0,
    ) -> None:
        if not len(source):
            raise ConfigError('the dataset has 0 samples, expected at least 1')
        self.scale = scale
        self._nice = nice
        seed, rank, seen = key
        loader = DataLoader(
            _Keyed(source),
            batch_sampler=_Order(len(source), seed, seen, batch_size, rank, ranks),
            collate_fn=_collate,
            num_workers=workers,
            worker_init_fn=self._settle if workers else None,
            # Forked workers share the annotations in memory.
            multiprocessing_context='fork' if workers else None,
        )
        self._batches = iter(loader)

    def __next__(self) -> Batch:
        """
        The next batch: images (B, S, S, 3) uint8, points in lixels.

        :raises LoaderError: if a loader process died.
        :raises DatasetError: if a sample cannot be loaded.
        """
        with dead_workers_reported():
            loaded = next(self._batches)
        if isinstance(loaded, DatasetError):
            raise loaded
        batch = mesh_first({name: value.numpy() for name, value in loaded.items()})
        for name in ('vertices', 'joints'):
            batch[name] = self.scale.to_lixels(batch[name])
        return batch

    def __iter__(self) -> DatasetStream:
        return self

    def close(self) -> None:
        """Stop the loader processes."""
        shut_down = getattr(self._batches, '_shutdown_workers', None)
        if shut_down is not None:
            shut_down()

    def _settle(self, worker: int) -> None:
        # The trainer decides what an interrupt means, or a signal to its whole group; its loaders
        # must not die of it first.
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _leave_termination_to_trainer()
        os.nice(self._nice)
        cv2.setNumThreads(0)


def _leave_termination_to_trainer() -> None:
    """
    Let SIGTERM end this process only if its parent sends it: Slurm and systemd send it to every
    process of a run.

    Ignored altogether, it could not end a loader that hangs, nor one that is still there when the
    trainer leaves with an error, and multiprocessing would wait for it for ever.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    trainer = os.getppid()

    def watch() -> None:
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != trainer:
            pass
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def dead_workers_reported() -> Iterator[None]:
    """
    Turn torch's news of a dead loader process into an error for users.

    torch raises it wherever the trainer happens to be, so that the whole loop belongs within.

    :raises LoaderError: if a loader process died.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith(DEAD_WORKER):
            raise
        raise LoaderError(f'a process that loads samples died: {error}') from error


class _Keyed(Dataset):
    """The source, asked by (epoch, index)."""

    def __init__(self, source: SampleSource) -> None:
        self._source = source

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any] | DatasetError:
        epoch, index = key
        self._source.set_epoch(epoch)
        try:
            return self._source[index]
        except HandmeshError as error:
            # Raised here, it would reach the trainer with a worker's traceback for its message;
            # and not every kind of error can be sent.
            return DatasetError(str(error))


class _Order(Sampler[list[tuple[int, int]]]):
    """
    The keys of this rank's batches after the samples seen: position after position of a
    permutation drawn for each epoch, each step's shared out among the ranks.
    """

    def __init__(
        self, count: int, seed: int, seen: int, batch_size: int, rank: int, ranks: int
    ) -> None:
        self._count, self._seed, self._seen = count, seed, seen
        self._batch_size, self._rank, self._ranks = batch_size, rank, ranks
        self._order: tuple[int, np.ndarray] = (-1, np.zeros(0, int))

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        first = self._seen + self._rank * self._batch_size
        while True:
            yield [self._key(first + i) for i in range(self._batch_size)]
            first += self._ranks * self._batch_size

    def _key(self, position: int) -> tuple[int, int]:
        epoch, place = divmod(position, self._count)
        if self._order[0] != epoch:
            rng = np.random.default_rng((self._seed, epoch))
            self._order = (epoch, rng.permutation(self._count))
        return epoch, int(self._order[1][place])


def _collate(samples: list[dict[str, Any] | DatasetError]) -> dict[str, Tensor] | DatasetError:
    """A batch, or why a sample of it could not be loaded."""
    loaded: list[dict[str, Any]] = []
    for sample in samples:
        if isinstance(sample, DatasetError):
            return sample
        loaded.append(sample)
    # As tensors, because those reach the trainer through shared memory.
    return {
        name: torch.from_numpy(np.stack([np.asarray(sample[name]) for sample in loaded]))
        for name in loaded[0]
    }
