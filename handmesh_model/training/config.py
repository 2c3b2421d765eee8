"""What a training run is told: one YAML file, strict about its keys."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handmesh_model.checks import check_range
from handmesh_model.errors import ConfigError
from handmesh_model.training.config_files import (
    check_choice,
    from_mapping,
    override,
    read_values,
)

DATA_KINDS = ('synthetic', 'freihand', 'obman', 'samples')
MOST_SEED = 2**32
"""torch takes 64 bits, of which each step has seeds of its own."""
SCHEDULES = ('cosine', 'steps', 'trapezoid')
PROBABILITIES = ('mirror', 'grey', 'erase')
"""Entries of the augmentation that are no ranges."""
PHOTOGRAPHED = ('freihand', 'obman')
"""Data that :class:`~handmesh_model.datasets.PaperAugmentation` varies, among their options."""


@dataclass(frozen=True)
class OptimizerConfig:
    """
    :param name: 'adam', 'adamw', or 'muon', which takes AdamW for all but the weight matrices.
    :param beta1: of Adam and AdamW, as is ``beta2``.
    :param head_factor: learning rate of the heatmap heads over that of the rest. Their inputs are
        means over a whole row, so that peaks need large weights, which small steps reach late.
    :param clip_norm: largest norm of the whole gradient; 0 leaves it as it is.
    """

    name: str = 'adamw'
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    head_factor: float = 1.0
    clip_norm: float = 1.0

    def __post_init__(self) -> None:
        check_choice('optimizer.name', self.name, ('adam', 'adamw', 'muon'))
        for name in ('learning_rate', 'weight_decay', 'head_factor', 'clip_norm'):
            check_range(f'optimizer.{name}', getattr(self, name), 0)
        for name in ('beta1', 'beta2'):
            check_range(f'optimizer.{name}', getattr(self, name), 0, 1)
            if getattr(self, name) == 1:
                # A mean of everything before, in which new gradients count for nothing.
                raise ConfigError(f'optimizer.{name} is 1, expected less than 1')


@dataclass(frozen=True)
class ScheduleConfig:
    """
    How the learning rate moves with the samples seen.

    :param kind: 'cosine'; 'steps', which multiplies by ``factor`` at each milestone; or
        'trapezoid', constant until the last ``cooldown`` of the run, then straight down.
    :param warmup_samples: samples over which the rate rises from nothing.
    :param milestones: fractions 0..1 of the run at which 'steps' goes down.
    :param cooldown: fraction of the run that 'trapezoid' spends going down.
    :param final_factor: rate at the end over the peak, for 'cosine' and 'trapezoid'.
    """

    kind: str = 'cosine'
    warmup_samples: int = 0
    milestones: tuple[float, ...] = ()
    factor: float = 0.1
    cooldown: float = 0.3
    final_factor: float = 0.01

    def __post_init__(self) -> None:
        check_choice('schedule.kind', self.kind, SCHEDULES)
        check_range('schedule.warmup_samples', self.warmup_samples, 0)
        for name in ('factor', 'cooldown', 'final_factor'):
            check_range(f'schedule.{name}', getattr(self, name), 0, 1)
        for i, milestone in enumerate(self.milestones):
            check_range(f'schedule.milestones[{i}]', milestone, 0, 1)


@dataclass(frozen=True)
class DataConfig:
    """
    Where samples come from.

    :param kind: 'synthetic' renders on the fly; 'freihand' and 'obman' read the dataset at
        ``root`` as it was published; 'samples' reads crop samples, see
        :class:`handmesh_model.training.sample_files.SampleFile`.
    :param root: folder or file of the data, relative to the configuration file.
    :param options: further arguments of the dataset, by name.
    :param renderer: 'module:function'; the function returns a ``render(rng, size) -> crop
        sample``.
    :param render_size: pixels of the rendered crop, some more than the network's input.
    :param workers: renderer or loader processes, shared out among the ranks; 0 lets trainers load
        by themselves.
    :param pool_size: renders kept for reuse, over all ranks.
    :param pool_start: renders in the pool before training starts, over all ranks.
    :param device_pool: renders kept on the trainers' device, over all ranks, where they are drawn
        and varied; for a GPU. 0: ``pool_size`` renders are kept and varied on the CPU.
    :param reuse: how often each render is drawn on average.
    :param nice: how much the renderers stand back behind the trainer, 0..19.
    """

    kind: str = 'synthetic'
    root: str = ''
    options: dict[str, Any] = field(default_factory=dict)
    renderer: str = 'handmesh_model.training.renderer:scene_renderer'
    render_size: int = 144
    workers: int = 2
    pool_size: int = 24000
    pool_start: int = 2000
    device_pool: int = 0
    reuse: float = 4.0
    nice: int = 5

    def __post_init__(self) -> None:
        check_choice('data.kind', self.kind, DATA_KINDS)
        if self.kind != 'synthetic' and not self.root:
            raise ConfigError(f"data.root is '', expected where the {self.kind} data are")
        for name in ('workers', 'nice', 'device_pool'):
            check_range(f'data.{name}', getattr(self, name), 0)
        for name in ('pool_size', 'pool_start', 'render_size', 'reuse'):
            check_range(f'data.{name}', getattr(self, name), 1)


@dataclass(frozen=True)
class AugmentationConfig:
    """
    What is varied anew each time a sample is drawn. Ranges are half-widths about "unchanged".

    :param shift: fraction of the crop's side.
    :param scale: natural logarithm of the zoom.
    :param rotation: radians, in the image plane.
    :param gain: logarithm of brightness.
    :param white_balance: logarithm of each channel's gain.
    :param saturation: change of colour saturation.
    :param brightness: offset, grey levels.
    :param gamma: logarithm of the exponent.
    :param noise: standard deviation at most, grey levels.
    :param blur: largest blur, pixels.
    :param mirror: probability that the crop is mirrored, which makes a right hand a left one: a
        sample for the side alone.
    :param grey: probability of a grey picture.
    :param erase: probability of an erased rectangle.
    """

    shift: float = 0.04
    scale: float = 0.1
    rotation: float = 0.35
    gain: float = 0.25
    white_balance: float = 0.1
    saturation: float = 0.3
    brightness: float = 12.0
    gamma: float = 0.2
    noise: float = 8.0
    blur: float = 1.0
    mirror: float = 0.0
    grey: float = 0.02
    erase: float = 0.2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            most = 1 if name in PROBABILITIES else math.inf
            check_range(f'augmentation.{name}', value, 0, most)


@dataclass(frozen=True)
class ValidationConfig:
    """
    :param samples: size of the fixed set rendered for validation, or of the part of the dataset to
        use; 0 for none.
    :param seed: what it is rendered from.
    :param every_samples: training samples between two validations.
    :param options: arguments of the dataset that differ from the training data's, ``root``
        included; without any, a dataset's training samples would be measured.
    """

    samples: int = 512
    seed: int = 20_000_003
    every_samples: int = 200_000
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_range('validation.samples', self.samples, 0)
        check_range('validation.seed', self.seed, 0, MOST_SEED)
        check_range('validation.every_samples', self.every_samples, 1)


@dataclass(frozen=True)
class TrainingConfig:
    """
    A whole run.

    :param network: the network's YAML, relative to this file.
    :param topology: 'open', or a topology npz relative to this file.
    :param network_options: entries that replace the network file's.
    :param output: folder for checkpoints and logs, relative to the working directory.
    :param batch_size: samples in one step, over all ranks.
    :param total_samples: length of the run; the schedule is laid out over it.
    :param ranks: processes that the command starts by itself (not under torchrun).
    :param threads: torch threads of each rank on a CPU; 0 leaves torch's choice.
    :param ema_samples: the moving average of the weights reaches back about so many samples; 0 for
        none.
    :param init_weights: weights to start from, a shipped name or a file; empty for random ones.
        Those of a narrower network are widened, see :mod:`handmesh_model.training.widening`.
    :param encoder_weights: a torchvision ResNet's weights (ImageNet's) for both encoders, relative
        to this file; empty for none.
    :param mesh_share: part of each batch that goes through mesh and refine stage; the joint stage,
        which the others stand on, sees all of it and so learns from more samples an hour.
    :param refine_share: part of the crops in the mesh stage that go through the refine stage, too;
        it is as dear as the mesh stage, which so learns from more samples an hour.
    :param freeze_norms: share of the schedule after which batch normalizations keep their
        statistics, see :mod:`handmesh_model.training.frozen_norms`; 1 for never.
    :param mixed_precision: whether GPUs, and CPUs that multiply in bfloat16, compute in it where
        that is accurate enough; losses, coordinates and weights are float32 in any case.
    :param losses: factors of the loss terms, see :class:`handmesh_model.losses.LossWeights`.
    :param loss_ramps: term -> [samples, factor, samples, factor, ...]: its weight is multiplied
        with the factor interpolated at the samples seen.
    """

    network: str
    output: str
    topology: str = 'open'
    network_options: dict[str, Any] = field(default_factory=dict)
    seed: int = 1
    batch_size: int = 64
    total_samples: int = 1_000_000
    ranks: int = 1
    threads: int = 1
    ema_samples: int = 60_000
    init_weights: str = ''
    encoder_weights: str = ''
    mesh_share: float = 1.0
    refine_share: float = 1.0
    freeze_norms: float = 1.0
    mixed_precision: bool = True
    log_every: int = 50
    checkpoint_minutes: float = 5.0
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    data: DataConfig = field(default_factory=DataConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    losses: dict[str, float] = field(default_factory=dict)
    loss_ramps: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ('batch_size', 'total_samples', 'ranks', 'log_every'):
            check_range(name, getattr(self, name), 1)
        for name in ('threads', 'ema_samples', 'checkpoint_minutes'):
            check_range(name, getattr(self, name), 0)
        check_range('seed', self.seed, 0, MOST_SEED)
        check_range('mesh_share', self.mesh_share, 0, 1)
        check_range('refine_share', self.refine_share, 0, 1)
        check_range('freeze_norms', self.freeze_norms, 0, 1)
        if self.refine_share == 0:
            raise ConfigError('refine_share is 0, expected more than 0')
        for name, usual in vars(AugmentationConfig()).items():
            value = getattr(self.augmentation, name)
            if self.data.kind in PHOTOGRAPHED and value != usual:
                raise ConfigError(
                    f'augmentation.{name} is {value:g}, expected none of that section for '
                    f'{self.data.kind}, which data.options.augmentation varies; an empty one, '
                    "'augmentation={}', takes it back"
                )
        if self.batch_size % self.ranks:
            raise ConfigError(
                f'batch_size is {self.batch_size}, expected a multiple of ranks = {self.ranks}'
            )
        for term, span in self.loss_ramps.items():
            if len(span) < 2 or len(span) % 2 or list(span[::2]) != sorted(span[::2]):
                raise ConfigError(
                    f'loss_ramps.{term} is {list(span)}, expected [samples, factor, ...] with '
                    'rising samples'
                )
        self.check_shares(self.ranks)

    def mesh_count(self, samples: int) -> int:
        """How many of so many samples, the first ones, go through the mesh stage."""
        return math.ceil(self.mesh_share * samples)

    def refine_count(self, samples: int) -> int:
        """How many of so many samples, the first ones, go through the refine stage as well."""
        return math.ceil(self.refine_share * self.mesh_count(samples))

    def check_shares(self, ranks: int) -> None:
        """
        :raises ConfigError: if a stage of the network sees a single sample of each of so many
            ranks' batches: batch normalization knows no spread of one.
        """
        share = self.batch_size // ranks
        if 1 in (share, self.mesh_count(share), self.refine_count(share)):
            raise ConfigError(
                f'batch_size is {self.batch_size}, of which each of {ranks} ranks trains the mesh '
                f'stage on {self.mesh_count(share)} (mesh_share {self.mesh_share:g}), the '
                f'refine stage on {self.refine_count(share)} (refine_share {self.refine_share:g}) '
                f'and the joint stage on {share}, expected at least 2'
            )


def load_training_config(
    path: str | Path, overrides: Sequence[str] = (), output: str | None = None
) -> TrainingConfig:
    """
    Read a run's YAML; paths in it become absolute.

    A key ``extends`` names another file whose entries hold where this one says nothing.

    :param overrides: 'key.subkey=value' each, the value as YAML; paths in them are relative to the
        working directory.
    :param output: replaces the entry of that name as it is, not as YAML, which takes 0123 for a
        number and '#b' for a comment; None or '' leaves it.
    :raises ConfigError: for a file that cannot be read, an unknown key or a value of the wrong
        type or out of its range.
    """
    values = override(read_values(path), overrides)
    if output:
        values['output'] = output
    return from_mapping(TrainingConfig, values)
