"""What one process of a run does beside training: it says how far the run is, measures, saves."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from handmesh_model.checkpoints import save_checkpoint
from handmesh_model.network import HandMeshNet
from handmesh_model.output_files import written_beside
from handmesh_model.training import stop_signals
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.config_files import to_mapping
from handmesh_model.training.ema import WeightAverage
from handmesh_model.training.measuring import Measurer
from handmesh_model.training.optimizers import OptimizerSet
from handmesh_model.training.progress import Progress
from handmesh_model.training.run_clock import RunClock
from handmesh_model.training.run_state import RunState, keep_beside, save_run
from handmesh_model.training.term_means import TermMeans

BEST, LAST_WEIGHTS = 'best.safetensors', 'last.safetensors'


class Bookkeeper:
    """
    Keeps the files of a run, measures its weights, and shows how far it is.

    Of several ranks, only the first has one. It is to be closed.

    :param config: the run.
    :param photographs: folder of labelled ones to measure on; None for none.
    :param state: of the run; each measurement is noted there.
    :param net: the network in training.
    :param average: of its weights, which is measured and kept in their place; None for none.
    :param optimizer: of the network.
    :param clock: of this start.
    :param heading: what is said first.
    :raises ConfigError: as of :class:`~handmesh_model.training.measuring.Measurer`; the folder is
        left as it was.
    :raises OutputError: if the folder cannot be written to.
    """

    def __init__(
        self,
        config: TrainingConfig,
        photographs: Path | None,
        state: RunState,
        net: HandMeshNet,
        average: WeightAverage[HandMeshNet] | None,
        optimizer: Optimizer | OptimizerSet,
        clock: RunClock,
        heading: str,
    ) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._config, self._state, self._clock = config, state, clock
        self._net, self._average, self._optimizer = net, average, optimizer
        self._folder = Path(config.output)
        self._means = TermMeans()
        with ExitStack() as opened:
            progress = Progress(config.total_samples, state.samples)
            self._progress = opened.enter_context(closing(progress))
            progress.say(heading)
            # Before anything is written: a start that it refuses leaves the folder as it was.
            self._measurer = Measurer(config, net, self._folder, photographs)
            described = json.dumps(to_mapping(config), indent=1)
            with written_beside(self._folder / 'run.json') as part:
                part.write_text(described + '\n')
            board = SummaryWriter(str(self._folder / 'tensorboard'), purge_step=state.samples)
            self._board = opened.enter_context(closing(board))
            self._opened = opened.pop_all()
        if self._on_others():
            progress.say(
                f'the validation samples are others than before: the lowest error, '
                f'{state.best:.4g}, counts no more. The next weights measured become {BEST}; '
                'those that have this name now are kept beside them'
            )
        self._saved = time.monotonic()

    def validate_start(self) -> None:
        """Measure weights that a new run starts from: they may well be the best of it."""
        begins = not self._state.samples and not self._state.history
        if begins and self._config.init_weights and self._measurer.has_any:
            self._validate()

    def note(self, terms: Mapping[str, Tensor], stream: Any) -> None:
        """
        Log, measure and save what is due after a step.

        :param terms: scalars of the step.
        :param stream: that the batch came from.
        """
        self._means.add(terms)
        if self._state.step % self._config.log_every == 0:
            self._log(self._means.take(), stream)
        if self._measurer.is_due(self._state.samples):
            self._validate()
        if time.monotonic() - self._saved > self._config.checkpoint_minutes * 60:
            self.save()
            self._saved = time.monotonic()

    def validate_last(self) -> None:
        """Measure the weights of the end, unless they have been; a signal ends it."""
        history = self._state.history
        is_measured = bool(history) and history[-1]['samples'] == self._state.samples
        is_measured = is_measured and not self._on_others()
        if not self._measurer.has_any or is_measured:
            return

        def leave() -> None:
            raise KeyboardInterrupt

        # The weights are saved: whoever asks for the end now need not wait for their figures.
        with suppress(KeyboardInterrupt), stop_signals.asking(leave):
            self._validate()
            self.save()

    def save(self) -> None:
        """Write what the run goes on from after a kill, and its present weights."""
        save_run(self._folder, self._state, self._net, self._average, self._optimizer)
        self._save_weights(LAST_WEIGHTS, {})
        self._board.flush()

    def close(self) -> None:
        """Finish the log and the line of progress."""
        self._opened.close()

    def _log(self, means: dict[str, float], stream: Any) -> None:
        samples = self._state.samples
        rate = float(self._optimizer.param_groups[0]['lr'])
        for name, value in means.items():
            self._board.add_scalar(f'train/{name}', value, samples)
        shown = {'loss': means.pop('total'), **means, 'lr': rate}
        if hasattr(stream, 'rendered') and stream.rendered:
            shown['reuse'] = stream.drawn / stream.rendered
        speed = self._progress.update(samples, shown, self._clock.seconds_left())
        self._board.add_scalar('train/images_per_second', speed, samples)
        self._board.add_scalar('train/learning_rate', rate, samples)

    def _validate(self) -> None:
        state = self._state
        net = self._net.eval() if self._average is None else self._average.net
        figures = self._measurer.measure(net, next(net.parameters()).device)
        for name, value in figures.items():
            self._board.add_scalar(f'validation/{name}', value, state.samples)
        line = '  '.join(f'{name} {value:.4g}' for name, value in figures.items())
        self._progress.say(f'validation at {state.samples:,}: {line}')
        state.history.append({'samples': float(state.samples), **figures})
        self._keep_if_best(figures)
        self._progress.rest()

    def _keep_if_best(self, figures: dict[str, float]) -> None:
        state = self._state
        error, digest = figures.get('lixel_error', float('inf')), self._measurer.digest
        if digest is None or not error < float('inf'):
            return
        if self._on_others():
            # Where this fails, the state still tells what the weights there are of.
            keep_beside(self._folder / BEST, state.measured_on)
        are_others = state.measure_on(digest)
        if error < state.best:
            state.best = error
            self._save_weights(BEST, figures)
        if are_others:
            # A last.pt of before would take the new weights for those of the other samples.
            self.save()

    def _on_others(self) -> bool:
        """Whether the lowest error, and the best weights, are of other samples than now."""
        digest = self._measurer.digest
        return digest is not None and self._state.are_others(digest)

    def _save_weights(self, name: str, figures: dict[str, float]) -> None:
        net = self._net if self._average is None else self._average.net
        facts = {
            'samples': self._state.samples,
            'hours': round(self._state.seconds / 3600, 3),
            **figures,
        }
        save_checkpoint(self._folder / name, net, {k: str(value) for k, value in facts.items()})
