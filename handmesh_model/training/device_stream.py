"""
An endless stream of training batches for a trainer that is faster than its renderers: a GPU.

Renders are kept on the device; drawing and augmenting a batch there costs a few kernels instead of
a core.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from handmesh_model.lixels import LixelScale
from handmesh_model.training.batches import crop_fields
from handmesh_model.training.config import AugmentationConfig, DataConfig
from handmesh_model.training.device_augmentation import Batch, DeviceAugmenter
from handmesh_model.training.prefetch import never
from handmesh_model.training.sample_pool import PoolLayout
from handmesh_model.training.synthetic_stream import RendererTeam

CHUNK = 256
"""Renders that travel to the device in one go, at most."""
_RING = 512
"""Renders of each worker that the shared memory holds until they have travelled."""


class DeviceStream:
    """
    Batches for one trainer from renders that lie on its device.

    A render stays for ``device_pool`` newer ones. The shared memory is only what they pass
    through: renderers wait where the trainer has not fetched what they made.

    :param config: the data section, with counts over all ranks.
    :param augmentation: what is varied at each draw.
    :param scale: lixels of the network.
    :param vertex_count: vertices of the mesh.
    :param batch_size: samples of each of this rank's batches.
    :param key: seed, rank, and samples that all ranks have seen before.
    :param ranks: number of trainers that share the counts.
    :param device: where the renders are kept.
    :param cancelled: asked now and then while there is no batch; true ends the wait.
    """

    def __init__(
        self,
        config: DataConfig,
        augmentation: AugmentationConfig,
        scale: LixelScale,
        vertex_count: int,
        batch_size: int,
        key: tuple[int, int, int],
        ranks: int,
        device: torch.device,
        cancelled: Callable[[], bool] = never,
    ) -> None:
        self.reuse = config.reuse
        self.batch_size = batch_size
        self.start_count = max(batch_size, config.pool_start // ranks)
        self.drawn, self.fetched = 0, 0
        self._cancelled = cancelled
        workers = max(1, config.workers // ranks)
        # One for each worker at least, whose renders travel together.
        self.slots = max(config.device_pool // ranks, self.start_count, workers)
        fields = crop_fields(config.render_size, vertex_count)
        self.layout = PoolLayout(_RING * workers, workers, config.render_size, fields)
        self._factors = torch.tensor(scale.factors, dtype=torch.float32, device=device)
        self._offsets = torch.tensor(scale.offsets, dtype=torch.float32, device=device)
        self._generator = torch.Generator(device)
        seed = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
        self._generator.manual_seed(int(seed >> 1))
        self._augmenter = DeviceAugmenter(augmentation, scale.input_size, self._generator)
        self._team = RendererTeam(config, self.layout, key)
        self._next = np.zeros(workers, np.int64)
        shapes = self._team.pool.array
        self._store = {
            name: torch.empty(
                (self.slots, *shapes[name].shape[1:]),
                dtype=torch.from_numpy(shapes[name][:1]).dtype,
                device=device,
            )
            for name in fields
        }
        self._fetch()

    @property
    def rendered(self) -> int:
        """Samples rendered so far by this trainer's renderers."""
        return self._team.pool.rendered

    def __iter__(self) -> DeviceStream:
        return self

    def __next__(self) -> Batch:
        """
        The next batch: images (B, S, S, 3) uint8, points in lixels, on the device.

        :raises RendererError: if the renderers keep dying.
        :raises StopIteration: if the wait for it was cancelled.
        """
        # With this batch: else renders could be drawn more often than promised.
        needed = max(self.start_count, (self.drawn + self.batch_size) / self.reuse)
        while True:
            self._fetch()
            self._team.check()
            if self.fetched >= needed:
                break
            if self._cancelled():
                raise StopIteration
            time.sleep(0.005)
        picks = torch.randint(
            min(self.fetched, self.slots),
            (self.batch_size,),
            generator=self._generator,
            device=self._generator.device,
        )
        self.drawn += self.batch_size
        batch = self._augmenter.vary({name: store[picks] for name, store in self._store.items()})
        # First those with a mesh: what the mesh stage sees of the batch are its first rows.
        order = torch.argsort((~batch['mesh_valid']).to(torch.uint8), stable=True)
        batch = {name: tensor[order] for name, tensor in batch.items()}
        for name in ('vertices', 'joints'):
            batch[name] = torch.addcmul(self._offsets, batch[name], self._factors)
        return batch

    def _fetch(self) -> None:
        """Bring some finished renders over and let go of their slots."""
        pool, workers = self._team.pool, self.layout.workers
        finished = pool.finished.copy()
        # No more than there are slots: what an assignment to one slot twice leaves there is
        # undefined, and may be the picture of one render with the labels of another.
        room = min(CHUNK // workers + 1, self.slots // workers)
        turns = [
            np.arange(first, min(last, first + room))
            for first, last in zip(self._next, finished, strict=True)
        ]
        slots = np.concatenate(
            [turn % _RING * workers + worker for worker, turn in enumerate(turns)]
        )
        if len(slots):
            places = torch.from_numpy((self.fetched + np.arange(len(slots))) % self.slots)
            for name, store in self._store.items():
                fresh = torch.from_numpy(pool.array[name][slots])
                store[places.to(store.device)] = _sent(fresh, store.device)
            self._next += [len(turn) for turn in turns]
            self.fetched += len(slots)
        pool.allowed = (int(self._next.min()) + _RING) * workers

    def close(self) -> None:
        """Stop the renderers and give the memory back."""
        self._team.close()
        self._store.clear()


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == 'cuda' else tensor
