"""The training loop."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from handmesh_model.datasets.real_images import read_real_images
from handmesh_model.errors import ConfigError, HandmeshError
from handmesh_model.losses import HandMeshLoss
from handmesh_model.training import setup, stop_signals
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.config_files import to_mapping
from handmesh_model.training.data import SampleStream, build_stream
from handmesh_model.training.dataset_stream import dead_workers_reported
from handmesh_model.training.distributed import Ranks
from handmesh_model.training.ema import WeightAverage
from handmesh_model.training.frozen_norms import FrozenNorms
from handmesh_model.training.gradients import GradientBlock
from handmesh_model.training.measuring import Measurer
from handmesh_model.training.optimizers import build_optimizer, fit_device, set_rate
from handmesh_model.training.precision import multiplies_bfloat16
from handmesh_model.training.progress import Progress
from handmesh_model.training.replayed_step import CudaRecorder, ReplayedStep
from handmesh_model.training.run_clock import NO_LIMIT, RunClock, TimeBox
from handmesh_model.training.run_state import (
    LAST,
    UNSHAPED,
    RunState,
    alone_in,
    check_network,
    keep_beside,
    load_run,
    save_run,
)
from handmesh_model.training.schedule import ramp, rate_factor
from handmesh_model.training.term_means import TermMeans
from handmesh_model.training.validation import to_tensors

BEST, LAST_WEIGHTS = 'best.safetensors', 'last.safetensors'
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
        resumed = (self.folder / LAST).is_file()
        net = setup.build_network(config, resumed)
        self.net = setup.fastest_layout(net.to(ranks.device))
        self.optimizer = build_optimizer(config.optimizer, self.net, self._half)
        reach = config.ema_samples / config.batch_size
        self.average = WeightAverage(self.net, reach) if config.ema_samples else None
        self.state = RunState()
        self.folder.mkdir(parents=True, exist_ok=True)
        described = {name: getattr(self.net.config, name) for name in UNSHAPED}
        if resumed:
            path = self.folder / LAST
            self.state = load_run(path, self.net, self.average, self.optimizer)
            check_network(path, self.state.network, described)
        self.state.network = described
        self.gradients = GradientBlock(self.net)
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

    @property
    def weights_file(self) -> Path:
        """The weights to take of a run that has ended: the best ones measured, else the last."""
        best = self.folder / BEST
        return best if best.is_file() else self.folder / LAST_WEIGHTS

    def run(self, box: TimeBox = NO_LIMIT) -> RunState:
        """
        Train until the planned samples are done, the time is up, or SIGTERM comes; save; measure,
        unless it was SIGTERM; return.

        :param box: how long this start may take.
        :raises ConfigError: if another run is at work in the output folder, or ranks find another
            one there than others do.
        """
        with alone_in(self.folder) if self.ranks.is_first else nullcontext():
            return self._run(box)

    def _run(self, box: TimeBox) -> RunState:
        self._clock = RunClock(box, self.state, self.config.total_samples)
        if self.ranks.is_first:
            self._prepare_logging()
            begins = not self.state.samples and not self.state.history
            if begins and self.config.init_weights and self._measurer.has_any:
                # The best weights of the run may well be those that it starts from.
                self._validate()
        self._agree_on_start()
        stream = build_stream(self.config, self.net, self.ranks, self.state.samples)
        with stop_signals.asking(self._ask_to_stop):
            first = self.state.step
            try:
                with closing(stream), dead_workers_reported():
                    self._loop(stream)
            except HandmeshError:
                # It came between two steps or before the weights moved. Without a step there is
                # nothing to keep, and last.pt would take the place of what the run starts from.
                if self.ranks.is_first and self.state.step > first:
                    self._save()
                raise
            if self.ranks.is_first:
                self._save()
        if self.ranks.is_first:
            self._validate_last()
            self._progress.close()
        return self.state

    def _agree_on_start(self) -> None:
        """Wait for all ranks; each has looked by itself whether there is a run to go on with."""
        least, most = self.ranks.span(self.state.step)
        if least != most:
            raise ConfigError(
                f"output is '{self.folder}', where ranks find runs at the steps {least:.0f} to "
                f'{most:.0f}; expected one folder that all machines share'
            )

    def _validate_last(self) -> None:
        """Measure the weights of the end, unless they have been or a signal brought it about."""
        history = self.state.history
        is_measured = bool(history) and history[-1]['samples'] == self.state.samples
        is_measured = is_measured and not self._on_others()
        if not self._measurer.has_any or self._stop or is_measured:
            return

        def leave() -> None:
            raise KeyboardInterrupt

        # The weights are saved: whoever asks for the end now need not wait for their figures.
        with suppress(KeyboardInterrupt), stop_signals.asking(leave):
            self._validate()
            self._save()

    def _loop(self, stream: SampleStream) -> None:
        saved = time.monotonic()
        means = TermMeans()
        while not self._done():
            batch = to_tensors(next(stream), self.ranks.device)
            terms = self._step(batch)
            if not self.ranks.is_first:
                continue
            means.add(terms)
            if self.state.step % self.config.log_every == 0:
                self._log(means.take(), stream)
            if self._measurer.is_due(self.state.samples):
                self._validate()
            if time.monotonic() - saved > self.config.checkpoint_minutes * 60:
                self._save()
                saved = time.monotonic()

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
            terms = self._replayed.run(batch, (weights, self.norms.frozen))
        else:
            terms = self._update(batch)
        state.step += 1
        state.samples += config.batch_size
        state.seconds = self._clock.seconds()
        if self.average is not None and self.ranks.is_first:
            self.average.update(self.net)
        return terms

    def _update(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take one step along the gradients of a batch; the loss terms and the gradient's norm."""
        kind = self.ranks.device.type
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
        if self._on_cuda:
            # Asking the device would make it wait: a broken gradient counts as none.
            self.gradients.forget_unless(torch.isfinite(norm))
            self.optimizer.step()
        elif torch.isfinite(norm):
            self.optimizer.step()
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
        if self._on_cuda and self.ranks.count > 1 and self.state.step % CUDA_STOP_EVERY:
            return False
        stop, self._clock.agreed = self.ranks.most(float(self._stop), self._clock.elapsed())
        if stop:  # of another rank, perhaps
            self._stop = True
        return bool(stop) or self._clock.agreed >= 1

    def _ask_to_stop(self) -> None:
        self._stop = True

    def _prepare_logging(self) -> None:
        from torch.utils.tensorboard import SummaryWriter

        config, state = self.config, self.state
        self._progress = Progress(config.total_samples, state.samples)
        self._progress.say(
            f'{sum(p.numel() for p in self.net.parameters()) / 1e6:.2f} M parameters, '
            f'{self.ranks.count} ranks on {self.ranks.device} in '
            f'{"bfloat16" if self._half else "float32"}, from sample {state.samples:,}'
        )
        # Before anything is written: a start that it refuses leaves the folder as it was.
        self._measurer = Measurer(config, self.net, self.folder, self.monitor_real)
        described = json.dumps(to_mapping(config), indent=1)
        (self.folder / 'run.json').write_text(described + '\n')
        self._board = SummaryWriter(str(self.folder / 'tensorboard'), purge_step=state.samples)
        if self._on_others():
            self._progress.say(
                f'the validation samples are others than before: the lowest error, '
                f'{state.best:.4g}, counts no more. The next weights measured become {BEST}; '
                'those that have this name now are kept beside them'
            )

    def _log(self, means: dict[str, float], stream: Any) -> None:
        rate = float(self.optimizer.param_groups[0]['lr'])
        for name, value in means.items():
            self._board.add_scalar(f'train/{name}', value, self.state.samples)
        shown = {'loss': means.pop('total'), **means, 'lr': rate}
        if hasattr(stream, 'rendered') and stream.rendered:
            shown['reuse'] = stream.drawn / stream.rendered
        speed = self._progress.update(self.state.samples, shown, self._clock.seconds_left())
        self._board.add_scalar('train/images_per_second', speed, self.state.samples)
        self._board.add_scalar('train/learning_rate', rate, self.state.samples)

    def _validate(self) -> None:
        net = self.net.eval() if self.average is None else self.average.net
        figures = self._measurer.measure(net, self.ranks.device)
        for name, value in figures.items():
            self._board.add_scalar(f'validation/{name}', value, self.state.samples)
        line = '  '.join(f'{name} {value:.4g}' for name, value in figures.items())
        self._progress.say(f'validation at {self.state.samples:,}: {line}')
        self.state.history.append({'samples': float(self.state.samples), **figures})
        self._keep_if_best(figures)
        self._progress.rest()

    def _keep_if_best(self, figures: dict[str, float]) -> None:
        error, digest = figures.get('lixel_error', float('inf')), self._measurer.digest
        if digest is None or not error < float('inf'):
            return
        if self._on_others():
            # Where this fails, the state still tells what the weights there are of.
            keep_beside(self.folder / BEST, self.state.measured_on)
        are_others = self.state.measure_on(digest)
        if error < self.state.best:
            self.state.best = error
            self._save_weights(BEST, figures)
        if are_others:
            # A last.pt of before would take the new weights for those of the other samples.
            self._save()

    def _on_others(self) -> bool:
        """Whether the lowest error, and the best weights, are of other samples than now."""
        digest = self._measurer.digest
        return digest is not None and self.state.are_others(digest)

    def _save(self) -> None:
        save_run(self.folder, self.state, self.net, self.average, self.optimizer)
        self._save_weights(LAST_WEIGHTS, {})
        self._board.flush()

    def _save_weights(self, name: str, figures: dict[str, float]) -> None:
        from handmesh_model.checkpoints import save_checkpoint

        net = self.net if self.average is None else self.average.net
        facts = {
            'samples': self.state.samples,
            'hours': round(self.state.seconds / 3600, 3),
            **figures,
        }
        save_checkpoint(self.folder / name, net, {k: str(value) for k, value in facts.items()})
