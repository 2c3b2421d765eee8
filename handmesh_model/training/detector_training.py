"""Training of the hand detector on frames rendered on the fly; it can be killed and goes on."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from handmesh_model.checks import check_range
from handmesh_model.detector import LEAST_WIDTH, MOST_WIDTH, load_detector, save_detector
from handmesh_model.errors import ConfigError, HandmeshError
from handmesh_model.network.hand_detector import HandDetectorNet
from handmesh_model.training import stop_signals
from handmesh_model.training.config import MOST_SEED, DataConfig, ScheduleConfig
from handmesh_model.training.detector_frames import FRAME_SIZE
from handmesh_model.training.detector_loss import DetectorTargets, detector_loss
from handmesh_model.training.detector_stream import DetectorStream
from handmesh_model.training.detector_validation import Validation
from handmesh_model.training.ema import WeightAverage
from handmesh_model.training.kept_buffers import KeptBuffers
from handmesh_model.training.progress import Progress
from handmesh_model.training.run_clock import RunClock, TimeBox
from handmesh_model.training.run_state import (
    LAST,
    RunState,
    alone_in,
    check_unchanged,
    load_run,
    save_run,
    stamp_of,
)
from handmesh_model.training.sample_pool import MAX_WORKERS
from handmesh_model.training.schedule import rate_factor
from handmesh_model.training.term_means import TermMeans

WEIGHTS = 'detector.safetensors'
RENDERER = 'handmesh_model.training.detector_frames:frame_renderer'
_WARMUP = 6000
_SAVE_SECONDS = 180
_LOG_STEPS = 50


@dataclass(frozen=True)
class DetectorTrainingConfig:
    """
    One run of detector training.

    :param output: folder of the run; a run goes on from last.pt there.
    :param images: pictures to train on.
    :param hours: be done so many hours after this start, if the pictures last as long; None for no
        limit.
    :param batch_size: pictures of a step.
    :param learning_rate: at its peak.
    :param width: of the network, see :class:`HandDetectorNet`.
    :param workers: renderer processes.
    :param reuse: how often a rendered frame is drawn.
    :param pool_size: rendered frames kept.
    :param threads: of torch.
    :param validate_every: pictures between validations.
    :param real: folder of real pictures to measure on, never to train on.
    :param init_weights: detector weights to start from; such a start wants a fresh ``seed``, or it
        draws the same frames again.
    """

    output: Path
    images: int = 400_000
    hours: float | None = None
    batch_size: int = 32
    learning_rate: float = 2e-3
    width: int = 24
    workers: int = 1
    reuse: float = 5.0
    pool_size: int = 6000
    threads: int = 1
    seed: int = 1
    validate_every: int = 20_000
    real: Path | None = None
    init_weights: Path | None = None
    renderer: str = RENDERER

    def __post_init__(self) -> None:
        """:raises ConfigError: if a number is outside its range."""
        for name in ('images', 'batch_size', 'pool_size', 'threads'):
            check_range(name, getattr(self, name), 1)
        check_range('seed', self.seed, 0, MOST_SEED)
        check_range('workers', self.workers, 1, MAX_WORKERS)
        check_range('width', self.width, LEAST_WIDTH, MOST_WIDTH)
        check_range('validate_every', self.validate_every, self.batch_size)
        for name in ('hours', 'learning_rate', 'reuse'):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f'{name} is {value:g}, expected more than 0')


class DetectorTrainer:
    """
    Trains a detector; see :meth:`run`.

    :param config: the run.
    :raises CheckpointError: if last.pt in the output folder cannot be resumed from, or the weights
        to start from cannot be read.
    :raises ConfigError: if those weights have another width.
    """

    def __init__(self, config: DetectorTrainingConfig) -> None:
        self.config = config
        config.output.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        net = HandDetectorNet(config.width)
        self._found = stamp_of(config.output / LAST)
        resumed = self._found is not None
        if config.init_weights is not None and not resumed:
            net = load_detector(config.init_weights)
            if net.width != config.width:
                raise ConfigError(
                    f"'{config.init_weights}' has width {net.width}, expected {config.width}"
                )
        self.net: HandDetectorNet = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        decay = [p for p in net.parameters() if p.ndim > 1]
        rest = [p for p in net.parameters() if p.ndim <= 1]
        groups = [{'params': decay, 'weight_decay': 0.02}, {'params': rest, 'weight_decay': 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
        self.average = WeightAverage(self.net, 20_000 / config.batch_size)
        self._buffers = KeptBuffers(self.net)
        self.state = RunState()
        if resumed:
            self.state = load_run(config.output / LAST, self.net, self.average, self.optimizer)
        warmup = min(_WARMUP, config.images // 20)
        self._schedule = ScheduleConfig(kind='cosine', warmup_samples=warmup, final_factor=0.01)
        self._clock = RunClock(TimeBox(config.hours, finish=True), self.state, config.images)
        self._told_to_stop = False

    def run(self) -> dict[str, float]:
        """
        Train until the pictures or the hours are used up, or until SIGTERM or SIGINT.

        :returns: figures of the last validation; none if this start was told to stop before its
            first step.
        :raises ConfigError: if another run is at work in the output folder, or was until after
            this one looked there.
        """
        config, state = self.config, self.state
        first = state.samples
        with alone_in(config.output), stop_signals.asking(self._ask_to_stop):
            check_unchanged(config.output / LAST, self._found)
            data = DataConfig(
                renderer=config.renderer,
                render_size=FRAME_SIZE,
                workers=config.workers,
                pool_size=config.pool_size,
                pool_start=min(600, config.pool_size),
                reuse=config.reuse,
            )
            # Before the validation set, which takes a while: memory may lack for the pool.
            key = (config.seed, state.step)
            stream = DetectorStream(data, config.batch_size, key, lambda: self._told_to_stop)
            try:
                with closing(stream):
                    validation = Validation(config.renderer, config.real)
                    with closing(Progress(config.images, state.samples)) as progress:
                        self._loop(stream, validation, progress)
            except HandmeshError:
                if state.samples > first:
                    self._save()
                raise
            if self._told_to_stop and state.samples == first:
                # last.pt would take the place of what the run starts from.
                return {}
            # Whoever asked to stop may not wait for the measurement.
            self._save()
            progress.say(self._validate(validation))
            self._save()
        return state.history[-1]

    def _loop(self, stream: DetectorStream, validation: Validation, progress: Progress) -> None:
        config, state = self.config, self.state
        saved, means = time.monotonic(), TermMeans()
        while self._done() < 1 and not self._told_to_stop:
            batch = next(stream, None)
            if batch is None:  # told to stop while it waited
                return
            means.add(self._step(*batch))
            state.seconds = self._clock.seconds()
            if state.step % _LOG_STEPS == 0:
                progress.update(state.samples, means.take(), self._clock.seconds_left())
            if time.monotonic() - saved > _SAVE_SECONDS:
                self._save()
                saved = time.monotonic()
            if state.samples % config.validate_every < config.batch_size:
                progress.say(self._validate(validation))
                progress.rest()

    def _done(self) -> float:
        """Share of the run that lies behind, by pictures or by this start's time; 1 at the end."""
        self._clock.agreed = self._clock.elapsed()
        return self._clock.progress(self.state.samples)

    def _step(self, images: torch.Tensor, targets: DetectorTargets) -> dict[str, float]:
        config, state = self.config, self.state
        self.net.train()
        self._buffers.keep()
        losses = detector_loss(self.net(images), targets)
        losses['total'].backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        factor = rate_factor(self._schedule, state.samples, self._done())
        for group in self.optimizer.param_groups:
            group['lr'] = config.learning_rate * factor
        # A gradient that is not finite would spoil weights and average for good.
        if norm.isfinite():
            self.optimizer.step()
            self.average.update(self.net)
        else:
            self._buffers.take_back()
        self.optimizer.zero_grad(set_to_none=True)
        state.step += 1
        state.samples += len(images)
        return {name: value.item() for name, value in losses.items()}

    def _validate(self, validation: Validation) -> str:
        """Measure the averaged weights, write them if they are the best so far."""
        figures = validation.measure(self.average.net)
        self.state.history.append({'samples': float(self.state.samples), **figures})
        error = figures['missed'] + figures['false']
        if error <= self.state.best:
            self.state.best = error
            self._write_weights(WEIGHTS)
        return 'validation  ' + '  '.join(f'{name} {value:.4f}' for name, value in figures.items())

    def _save(self) -> None:
        save_run(self.config.output, self.state, self.net, self.average, self.optimizer)
        self._write_weights('last_' + WEIGHTS)

    def _write_weights(self, name: str) -> None:
        facts: dict[str, Any] = {
            'images': self.state.samples,
            'hours': round(self.state.seconds / 3600, 2),
            'figures': self.state.history[-1] if self.state.history else {},
        }
        save_detector(self.config.output / name, self.average.net, facts)

    def _ask_to_stop(self) -> None:
        self._told_to_stop = True
