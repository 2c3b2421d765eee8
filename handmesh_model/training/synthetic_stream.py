"""
An endless stream of training batches rendered on the fly, each render drawn a few times with fresh
augmentation.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from handmesh_model.errors import HandmeshError
from handmesh_model.lixels import LixelScale
from handmesh_model.training.augmentation import Augmenter
from handmesh_model.training.batches import crop_fields, empty_batch, mesh_first
from handmesh_model.training.config import DataConfig
from handmesh_model.training.prefetch import PrefetchingStream, never
from handmesh_model.training.sample_pool import PoolLayout, SamplePool

Batch = dict[str, np.ndarray]
ONE_THREAD = dict.fromkeys(
    (
        'OMP_NUM_THREADS',
        'OPENBLAS_NUM_THREADS',
        'MKL_NUM_THREADS',
        'NUMBA_NUM_THREADS',
        'OPENCV_FOR_THREADS_NUM',
    ),
    '1',
)
DEATHS_IN_A_ROW = 3

log = logging.getLogger(__name__)


class RendererError(HandmeshError):
    """The processes that render training samples cannot go on."""


class RendererTeam:
    """
    The renderer processes of one trainer and the pool that they fill.

    :param config: renderer, sizes and counts; counts are for this trainer alone.
    :param layout: the pool's shape.
    :param key: what the seeds of this trainer's samples start with.
    """

    def __init__(self, config: DataConfig, layout: PoolLayout, key: tuple[int, ...]) -> None:
        self.config = config
        self.pool = SamplePool(layout)
        self.key = key
        self._starts = 0
        self._deaths = [0] * layout.workers
        self._rendered_at_death = [-1] * layout.workers
        self._processes = [self._start(worker) for worker in range(layout.workers)]

    def _start(self, worker: int) -> subprocess.Popen:
        descriptor = self.pool.descriptor
        told = {
            'layout': vars(self.pool.layout),
            'descriptor': descriptor,
            'worker': worker,
            'renderer': self.config.renderer,
            'key': [*self.key, self._starts, worker],
            'nice': self.config.nice,
            'trainer': os.getpid(),
        }
        self._starts += 1
        command = [sys.executable, '-m', 'handmesh_model.training.renderer', json.dumps(told)]
        environment = {**os.environ, **ONE_THREAD}
        # The renderer finds what the trainer finds, also modules of an uninstalled source tree.
        environment['PYTHONPATH'] = os.pathsep.join(p or '.' for p in sys.path)
        # A signal to the trainer's whole group, as of Ctrl-C, is the trainer's to answer; in a
        # session of their own, renderers go on until it has.
        return subprocess.Popen(
            command, pass_fds=[descriptor], env=environment, start_new_session=True
        )

    def check(self) -> None:
        """
        Start renderers that died anew.

        :raises RendererError: if one keeps dying while none renders anything in between.
        """
        for worker, process in enumerate(self._processes):
            code = process.poll()
            if code is None:
                continue
            # By worker: too little memory may end them all at once, and that is no repetition.
            progress = self.pool.rendered > self._rendered_at_death[worker]
            self._deaths[worker] = 1 if progress else self._deaths[worker] + 1
            self._rendered_at_death[worker] = self.pool.rendered
            log.warning('renderer %d ended %s; starting another', worker, _manner(code))
            if self._deaths[worker] >= DEATHS_IN_A_ROW:
                raise RendererError(
                    f'renderer {worker} ended {self._deaths[worker]} times without a single '
                    f'sample in between, the last time {_manner(code)}'
                )
            self._processes[worker] = self._start(worker)

    def wait_for(self, count: int, cancelled: Callable[[], bool]) -> None:
        """
        Wait until so many samples have been rendered, watching the renderers.

        :param cancelled: asked now and then; true ends the wait.
        """
        while self.pool.rendered < count and not cancelled():
            self.check()
            time.sleep(0.02)

    def close(self) -> None:
        """Stop the renderers and give the pool's memory back."""
        self.pool.stop()
        for process in self._processes:
            try:
                process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.pool.close()


def _manner(code: int) -> str:
    """How a process ended, and where the reason is told."""
    if code < 0:
        told = ' (which comes where memory runs out)' if -code == signal.SIGKILL else ''
        return f'by signal {-code}{told}'
    return f'with status {code} (its own message is on the standard error output)'


class SyntheticStream(PrefetchingStream[Batch]):
    """
    Batches for one trainer. A thread of its own draws and augments them ahead of time.

    Which renders exist at a given moment depends on the speed of the machine, so two runs see the
    same kind of data, not the same batches. The seeds depend on rank and samples seen, so that a
    resumed run sees new ones.

    :param config: the data section, with counts over all ranks.
    :param augmenter: varies each drawn sample.
    :param scale: lixels of the network.
    :param vertex_count: vertices of the mesh.
    :param batch_size: samples of each of this rank's batches.
    :param key: seed, rank, and samples that all ranks have seen before.
    :param ranks: number of trainers that share the counts.
    :param cancelled: asked now and then while there is no batch; true ends the wait.
    """

    def __init__(
        self,
        config: DataConfig,
        augmenter: Augmenter,
        scale: LixelScale,
        vertex_count: int,
        batch_size: int,
        key: tuple[int, int, int],
        ranks: int = 1,
        cancelled: Callable[[], bool] = never,
    ) -> None:
        self.config = config
        self.augmenter = augmenter
        self.scale = scale
        self.batch_size = batch_size
        self._vertex_count = vertex_count
        start_count = max(batch_size, config.pool_start // ranks)
        workers = max(1, config.workers // ranks)
        slots = max(config.pool_size // ranks, start_count)
        self.layout = PoolLayout(
            -(-slots // workers) * workers,
            workers,
            config.render_size,
            crop_fields(config.render_size, vertex_count),
        )
        self.drawn = 0
        self._rng = np.random.default_rng(np.random.SeedSequence(key))
        self._begin(RendererTeam(config, self.layout, key), start_count, 'augment', cancelled)

    @property
    def rendered(self) -> int:
        """Samples rendered so far by this trainer's renderers."""
        return self._team.pool.rendered

    def __iter__(self) -> SyntheticStream:
        return self

    def _batch(self) -> Batch:
        # With this batch: else renders could be drawn more often than promised.
        self._wait_for_renders(self.drawn + self.batch_size, self.config.reuse)
        batch = empty_batch(self.batch_size, self.augmenter.size, self._vertex_count)
        for row in range(self.batch_size):
            self.augmenter.write(self._team.pool.take(self._rng), self._rng, batch, row)
        self.drawn += self.batch_size
        batch = mesh_first(batch)
        for key in ('vertices', 'joints'):
            batch[key] = self.scale.to_lixels(batch[key])
        return batch
