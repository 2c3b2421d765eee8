"""What a training run is told: one YAML file, strict about its keys."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

import yaml

from handmesh_model.errors import ConfigError

T = TypeVar('T')


@dataclass(frozen=True)
class OptimizerConfig:
    """
    :param name: 'adam' or 'adamw'.
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


@dataclass(frozen=True)
class DataConfig:
    """
    Where samples come from.

    :param kind: 'synthetic' renders on the fly; 'freihand', 'obman' read ``root``; 'samples' reads
        an npz file of crop samples.
    :param root: folder or file of the data, relative to the configuration file.
    :param options: further arguments of the dataset, by name.
    :param renderer: 'module:function'; the function returns a ``render(rng, size) -> crop
        sample``.
    :param render_size: pixels of the rendered crop, some more than the network's input.
    :param workers: renderer or loader processes, shared out among the ranks.
    :param pool_size: renders kept for reuse, over all ranks.
    :param pool_start: renders in the pool before training starts, over all ranks.
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
    reuse: float = 4.0
    nice: int = 5


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
    grey: float = 0.02
    erase: float = 0.2


@dataclass(frozen=True)
class ValidationConfig:
    """
    :param samples: size of the fixed set rendered for validation, or of the part of the dataset to
        use; 0 for none.
    :param seed: what it is rendered from.
    :param every_samples: training samples between two validations.
    :param options: arguments of the dataset that differ from the training data's.
    """

    samples: int = 512
    seed: int = 20_000_003
    every_samples: int = 200_000
    options: dict[str, Any] = field(default_factory=dict)


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
    :param init_weights: weights to start from, 'open' or a file; empty for random ones.
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
        if self.batch_size < 1 or self.total_samples < 1 or self.ranks < 1:
            raise ConfigError(
                'batch_size, total_samples and ranks must be at least 1, they are '
                f'{self.batch_size}, {self.total_samples} and {self.ranks}'
            )
        _one_of('optimizer.name', self.optimizer.name, ('adam', 'adamw'))
        _one_of('schedule.kind', self.schedule.kind, ('cosine', 'steps', 'trapezoid'))
        _one_of('data.kind', self.data.kind, ('synthetic', 'freihand', 'obman', 'samples'))
        for term, span in self.loss_ramps.items():
            if len(span) < 2 or len(span) % 2 or list(span[::2]) != sorted(span[::2]):
                raise ConfigError(
                    f'loss_ramps.{term} is {list(span)}, expected [samples, factor, ...] with '
                    'rising samples'
                )


def load_training_config(path: str | Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """
    Read a run's YAML; paths in it become absolute.

    A key ``extends`` names another file whose entries hold where this one says nothing.

    :param overrides: 'key.subkey=value' each, the value as YAML.
    :raises ConfigError: for a file that cannot be read, an unknown key or a value of the wrong
        type.
    """
    path = Path(path)
    values = _read_extending(path)
    for override in overrides:
        _apply_override(values, override)
    for key in ('network', 'topology', 'init_weights'):
        if values.get(key) not in (None, '', 'open'):
            values[key] = str(path.parent / str(values[key]))
    data = values.get('data')
    if isinstance(data, dict) and data.get('root'):
        data['root'] = str(path.parent / str(data['root']))
    return from_mapping(TrainingConfig, values)


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str = '') -> T:
    """
    Build a dataclass from plain values, checking names and types all the way down.

    :raises ConfigError: naming the entry and what was expected.
    """
    hints = typing.get_type_hints(cls)
    known = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(
            f"unknown entry '{where}{unknown[0]}'; known are {', '.join(sorted(known))}"
        )
    missing = [
        name
        for name, f in known.items()
        if name not in values
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"entry '{where}{missing[0]}' is missing")
    return cls(**{k: _convert(hints[k], v, where + k) for k, v in values.items()})


def to_mapping(config: Any) -> dict[str, Any]:
    """Plain values that :func:`from_mapping` turns back into the same configuration."""
    return dataclasses.asdict(config)


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"'{where}' is {value!r}, expected a mapping")
        return from_mapping(typing.cast(type, hint), value, where + '.')
    origin = typing.get_origin(hint)
    if origin is tuple:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise ConfigError(f"'{where}' is {value!r}, expected a list")
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, v, f'{where}[{i}]') for i, v in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"'{where}' is {value!r}, expected a mapping")
        item = typing.get_args(hint)[1]
        return {str(k): _convert(item, v, f'{where}.{k}') for k, v in value.items()}
    if hint is Any or origin is UnionType:
        return value
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, float) and value == int(value):
        return int(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"'{where}' is {value!r}, expected {hint.__name__}")
    return value


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} is '{value}', expected one of {', '.join(allowed)}")


def _read_extending(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read configuration '{path}': {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"configuration '{path}' holds {values!r}, expected a mapping")
    base = values.pop('extends', None)
    return values if base is None else _merge(_read_extending(path.parent / base), values)


def _merge(base: dict[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in top.items():
        nested = isinstance(value, Mapping) and isinstance(base.get(key), dict)
        base[key] = _merge(base[key], value) if nested else value
    return base


def _apply_override(values: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition('=')
    if not equals:
        raise ConfigError(f"override '{override}' is not of the form key.subkey=value")
    *parents, last = name.split('.')
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(f"override '{override}': '{parent}' holds no further entries")
    values[last] = yaml.safe_load(text)
