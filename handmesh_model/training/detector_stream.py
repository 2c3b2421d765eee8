"""An endless stream of batches for the detector, each rendered frame drawn a few times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from handmesh_model.detector import DETECTOR_INPUT
from handmesh_model.training.config import DataConfig
from handmesh_model.training.detector_frames import FrameAugmenter, frame_fields, unpack
from handmesh_model.training.detector_loss import DetectorTargets, targets_of
from handmesh_model.training.prefetch import PrefetchingStream, never
from handmesh_model.training.sample_pool import PoolLayout
from handmesh_model.training.synthetic_stream import RendererTeam

Batch = tuple[torch.Tensor, DetectorTargets]


class DetectorStream(PrefetchingStream[Batch]):
    """
    Batches of varied frames; a thread of its own makes them ahead of time.

    :param config: renderer, sizes and counts.
    :param batch_size: pictures of a batch.
    :param key: what the seeds of this run's frames start with.
    :param cancelled: asked now and then while there is no batch; true ends the wait.
    """

    def __init__(
        self,
        config: DataConfig,
        batch_size: int,
        key: tuple[int, ...],
        cancelled: Callable[[], bool] = never,
    ) -> None:
        self.config = config
        self.batch_size = batch_size
        slots = -(-config.pool_size // config.workers) * config.workers
        fields = frame_fields(config.render_size)
        layout = PoolLayout(slots, config.workers, config.render_size, fields)
        self._augmenter = FrameAugmenter(DETECTOR_INPUT)
        self._rng = np.random.default_rng(np.random.SeedSequence(key))
        self._drawn = 0
        self._begin(RendererTeam(config, layout, key), config.pool_start, 'frames', cancelled)

    def _batch(self) -> Batch:
        self._wait_for_renders(self._drawn + self.batch_size, self.config.reuse)
        pool = self._team.pool
        frames = []
        for _ in range(self.batch_size):
            frame, other = (unpack(pool.take(self._rng)) for _ in range(2))
            frames.append(self._augmenter.vary(frame, other, self._rng))
        self._drawn += self.batch_size
        images = torch.from_numpy(np.stack([frame.image for frame in frames]))
        return images.permute(0, 3, 1, 2).float() / 255, targets_of(frames)
