"""The training loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from handmesh_model.datasets import TRAINING_SETS
from handmesh_model.datasets.real_images import read_real_images
from handmesh_model.errors import ConfigError, HandmeshError
from handmesh_model.losses import HandMeshLoss
from handmesh_model.training import setup, stop_signals
from handmesh_model.training.bookkeeper import BEST, LAST_WEIGHTS, Bookkeeper
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.data import SampleStream, build_stream
from handmesh_model.training.dataset_stream import dead_workers_reported
from handmesh_model.training.distributed import Ranks, is_abandoned
from handmesh_model.training.ema import WeightAverage
from handmesh_model.training.frozen_norms import FrozenNorms
from handmesh_model.training.gradients import GradientBlock
from handmesh_model.training.kept_buffers import KeptBuffers
from handmesh_model.training.optimizers import build_optimizer, fit_device, set_rate
from handmesh_model.training.precision import multiplies_bfloat16
from handmesh_model.training.replayed_step import CudaRecorder, ReplayedStep
from handmesh_model.training.run_clock import NO_LIMIT, RunClock, TimeBox
from handmesh_model.training.run_state import (
    LAST,
    UNSHAPED,
    RunState,
    alone_in,
    check_network,
    check_unchanged,
    load_run,
    stamp_of,
)
from handmesh_model.training.schedule import ramp, rate_factor
from handmesh_model.training.validation import to_tensors

CUDA_STOP_EVERY = 20
"""
Steps between two looks at whether any rank is to stop and how much of the time is spent, where
asking costs a synchronization.
"""


class Trainer:
    """
    One rank of a run. Goes on from ``last.pt`` in the output folder if there is one.

    :param config: the run.
    :param ranks: this process among its peers.
    :param monitor_real: folder of labelled photographs that checkpoints are measured on, never
        trained on.
    :raises DatasetError: if it holds none.
    :raises CheckpointError: if ``last.pt`` is damaged or of another network.
    """

    def __init__(
        self, config: TrainingConfig, ranks: Ranks, monitor_real: Path | None = None
    ) -> None:
        if monitor_real is not None:
            # The first measurement is hours away.
            read_real_images(monitor_real)
        self.config = config
        self.ranks = ranks
        self.monitor_real = monitor_real
        self.folder = Path(config.output)
        self._on_cuda = ranks.device.type == 'cuda'
        self._half = config.mixed_precision and multiplies_bfloat16(ranks.device)
        if ranks.device.type == 'cpu':
            if config.threads:
                torch.set_num_threads(config.threads)
            torch.set_flush_denormal(True)
        path = self.folder / LAST
        self._found = stamp_of(path)
        resumed = self._found is not None
        net = setup.build_network(config, resumed)
        self.net = setup.fastest_layout(net.to(ranks.device))
        self.optimizer = build_optimizer(config.optimizer, self.net, self._half)
        reach = config.ema_samples / config.batch_size
        self.average = WeightAverage(self.net, reach) if config.ema_samples else None
        self.state = RunState()
        self.folder.mkdir(parents=True, exist_ok=True)
        described = {name: getattr(self.net.config, name) for name in UNSHAPED}
        if resumed:
            self.state = load_run(path, self.net, self.average, self.optimizer)
            check_network(path, self.state.network, described)
        self.state.network = described
        self.gradients = GradientBlock(self.net)
        self.buffers = KeptBuffers(self.net)
        self.norms = FrozenNorms(self.net, ranks.count)
        self.weights = setup.loss_weights(config)
        self.criterion = HandMeshLoss(self.weights, self.net.topology).to(ranks.device)
        self._replayed: ReplayedStep | None = None
        # The render loss asks the device for how much it drew; ranks talk to each other.
        records = self._on_cuda and ranks.count == 1 and not self.weights.render
        fit_device(self.optimizer, ranks.device, records)
        if records:
            self._replayed = ReplayedStep(self._update, CudaRecorder(ranks.device))
        self._stop = False
        self._first = self.state.step
        """The step that this start begins with, the same on all ranks."""
        self._is_midway = False
        """Whether a step has begun to move weights and is not done: what there is fits no step."""

    @property
    def weights_file(self) -> Path | None:
        """
        The weights to take of a run that has ended: the best ones measured, else the last; None
        of one that was told to stop before its first step.
        """
        files = (self.folder / name for name in (BEST, LAST_WEIGHTS))
        return next((file for file in files if file.is_file()), None)

    def run(self, box: TimeBox = NO_LIMIT) -> RunState:
        """
        Train until the planned samples are done, the time is up, or SIGTERM comes; save; measure,
        unless it was SIGTERM; return. A command that started this rank and is gone counts as
        SIGTERM.

        :param box: how long this start may take.
        :raises ConfigError: if another run is at work in the output folder, or was until after
            this one looked there, or ranks find another one there than others do.
        """
        self._clock = RunClock(box, self.state, self.config.total_samples)
        if self.ranks.is_first:
            with alone_in(self.folder):
                check_unchanged(self.folder / LAST, self._found)
                with closing(self._bookkeeper()) as book:
                    self._run(book)
        else:
            self._run(None)
        return self.state

    def _bookkeeper(self) -> Bookkeeper:
        heading = (
            f'{sum(p.numel() for p in self.net.parameters()) / 1e6:.2f} M parameters, '
            f'{self.ranks.count} ranks on {self.ranks.device} in '
            f'{"bfloat16" if self._half else "float32"}, from sample {self.state.samples:,}'
        )
        return Bookkeeper(
            self.config,
            self.monitor_real,
            self.state,
            self.net,
            self.average,
            self.optimizer,
            self._clock,
            heading,
        )

    def _run(self, book: Bookkeeper | None) -> None:
        if book:
            book.validate_start()
        self._agree_on_start()
        stream = build_stream(
            self.config, self.net, self.ranks, self.state.samples, self._gives_up
        )
        with stop_signals.asking(self._ask_to_stop):
            # Without a step there is nothing to keep, and last.pt would take the place of what the
            # run starts from.
            try:
                with closing(stream), dead_workers_reported():
                    self._loop(stream, book)
            except HandmeshError:
                if book and self.state.step > self._first and not self._is_midway:
                    book.save()
                raise
            if book and (self.state.step > self._first or not self._stop):
                book.save()
        if book and not self._stop:
            book.validate_last()

    def _agree_on_start(self) -> None:
        """Wait for all ranks; each has looked by itself whether there is a run to go on with."""
        least, most = self.ranks.span(self.state.step)
        if least != most:
            raise ConfigError(
                f"output is '{self.folder}', where ranks find runs at the steps {least:.0f} to "
                f'{most:.0f}; expected one folder that all machines share'
            )

    def _loop(self, stream: SampleStream, book: Bookkeeper | None) -> None:
        while self.state.samples < self.config.total_samples:
            batch = None if self._gives_up() else next(stream, None)
            # Asked with the batch at hand, so that all ranks take the step or none does.
            if self._done() or batch is None:
                return
            terms = self._step(self._targets(to_tensors(batch, self.ranks.device)))
            if book:
                book.note(terms, stream)

    def _targets(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """
        What to learn of a batch, points in lixels.

        Published joints are not those that the topology's regressor makes of the published mesh:
        FreiHAND, for one, has its fingertips at other vertices. No mesh could meet both.
        """
        if self.config.data.kind in TRAINING_SETS:
            batch['joints'] = torch.matmul(self.net.joint_regressor, batch['vertices'])
        return batch

    def _step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        config, state = self.config, self.state
        # Every step has random numbers of its own, so that a resumed run has the same.
        torch.manual_seed(
            config.seed * 1_000_003 + state.step * self.ranks.count + self.ranks.rank
        )
        progress = self._clock.progress(state.samples)
        factor = rate_factor(config.schedule, state.samples, progress)
        set_rate(self.optimizer, config.optimizer.learning_rate * factor)
        weights = self.criterion.weights = self._ramped_weights()
        self.net.train()
        if progress >= config.freeze_norms:
            self.norms.freeze()
        if self._replayed:
            self._is_midway = True
            terms = self._replayed.run(batch, (weights, self.norms.frozen))
        else:
            terms = self._update(batch)
        state.step += 1
        state.samples += config.batch_size
        state.seconds = self._clock.seconds()
        if self.average is not None and self.ranks.is_first:
            self.average.update(self.net)
        self._is_midway = False
        return terms

    def _update(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take one step along the gradients of a batch; the loss terms and the gradient's norm."""
        kind = self.ranks.device.type
        if not self._on_cuda:
            self.buffers.keep()
        # Weights are cast anew in each step, also in a recorded one.
        with torch.autocast(kind, torch.bfloat16, enabled=self._half, cache_enabled=False):
            images, config = batch['image'], self.config
            outputs = self.net(
                images,
                heads=True,
                mesh_count=config.mesh_count(len(images)),
                refine_count=config.refine_count(len(images)),
            )
        terms = self.criterion(outputs, batch)
        self.gradients.zero()
        terms['total'].backward()
        self.gradients.average(self.ranks.count)
        norm = self.gradients.clip(self.config.optimizer.clip_norm)
        self._is_midway = True
        if self._on_cuda:
            # Asking the device would make it wait: a broken gradient counts as none. Running means
            # stay as the batch left them: choosing takes a few kernels for each, in every step.
            self.gradients.forget_unless(torch.isfinite(norm))
            self.optimizer.step()
        elif torch.isfinite(norm):
            self.optimizer.step()
        else:
            self.buffers.take_back()
        return {**{name: term.detach() for name, term in terms.items()}, 'gradient': norm}

    def _ramped_weights(self) -> Any:
        factors = {
            name: getattr(self.weights, name) * ramp(span, self.state.samples)
            for name, span in self.config.loss_ramps.items()
        }
        return dataclasses.replace(self.weights, **factors) if factors else self.weights

    def _done(self) -> bool:
        if self.state.samples >= self.config.total_samples:
            return True
        if not self._asks():
            return False
        stop, self._clock.agreed = self.ranks.most(float(self._stop), self._clock.elapsed())
        if stop:  # of another rank, perhaps
            self._stop = True
        return bool(stop) or self._clock.agreed >= 1

    def _asks(self) -> bool:
        """Whether this is a step before which ranks ask each other."""
        is_dear = self._on_cuda and self.ranks.count > 1
        # Also before the first one, for the wait until the pool has been filled.
        return not is_dear or (self.state.step - self._first) % CUDA_STOP_EVERY == 0

    def _gives_up(self) -> bool:
        """Whether to wait for no batch: all ranks are about to hear that this one is to stop."""
        if is_abandoned():
            self._ask_to_stop()
        return self._stop and self._asks()

    def _ask_to_stop(self) -> None:
        self._stop = True
