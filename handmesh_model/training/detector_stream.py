"""An endless stream of batches for the detector, each rendered frame drawn a few times."""

from __future__ import annotations

import queue
import threading

import numpy as np
import torch

from handmesh_model.detector import DETECTOR_INPUT
from handmesh_model.training.config import DataConfig
from handmesh_model.training.detector_frames import MOST_HANDS, FrameAugmenter, unpack
from handmesh_model.training.detector_loss import DetectorTargets, targets_of
from handmesh_model.training.sample_pool import PoolLayout
from handmesh_model.training.synthetic_stream import PREFETCHED, PUSH, RendererTeam

Batch = tuple[torch.Tensor, DetectorTargets]


class DetectorStream:
    """
    Batches of varied frames; a thread of its own makes them ahead of time.

    :param config: renderer, sizes and counts.
    :param batch_size: pictures of a batch.
    :param key: what the seeds of this run's frames start with.
    """

    def __init__(self, config: DataConfig, batch_size: int, key: tuple[int, ...]) -> None:
        self.config = config
        self.batch_size = batch_size
        slots = -(-config.pool_size // config.workers) * config.workers
        layout = PoolLayout(slots, config.workers, config.render_size, 2 * MOST_HANDS)
        self._augmenter = FrameAugmenter(DETECTOR_INPUT)
        self._rng = np.random.default_rng(np.random.SeedSequence(key))
        self._team = RendererTeam(config, layout, key)
        self._drawn = 0
        self._ready: queue.Queue[Batch | BaseException] = queue.Queue(PREFETCHED)
        self._closing = False
        self._thread = threading.Thread(target=self._work, name='frames', daemon=True)
        self._thread.start()

    def __next__(self) -> Batch:
        """
        Images (B, 3, S, S) float 0..1 and the maps to compare with.

        :raises RendererError: if the renderers died.
        """
        ready = self._ready.get()
        if isinstance(ready, BaseException):
            raise ready
        return ready

    def close(self) -> None:
        """Stop the thread and the renderers."""
        self._closing = True
        while self._thread.is_alive():
            try:
                self._ready.get_nowait()
            except queue.Empty:
                self._thread.join(0.02)
        self._team.close()

    def _work(self) -> None:
        try:
            self._team.pool.allowed = self.config.pool_start
            self._team.wait_for(self.config.pool_start, lambda: self._closing)
            while not self._closing:
                self._put(self._batch())
        except BaseException as error:  # handed to the trainer, who raises it
            self._put(error)

    def _put(self, item: Batch | BaseException) -> None:
        while not self._closing:
            try:
                return self._ready.put(item, timeout=0.2)
            except queue.Full:
                continue

    def _batch(self) -> Batch:
        pool, due = self._team.pool, self._drawn / self.config.reuse
        pool.allowed = self.config.pool_start + int(due)
        self._team.check()
        self._team.wait_for(int(due / PUSH), lambda: self._closing)
        frames = []
        for _ in range(self.batch_size):
            frame, other = (unpack(pool.take(self._rng)) for _ in range(2))
            frames.append(self._augmenter.vary(frame, other, self._rng))
        self._drawn += self.batch_size
        images = torch.from_numpy(np.stack([frame.image for frame in frames]))
        return images.permute(0, 3, 1, 2).float() / 255, targets_of(frames)
