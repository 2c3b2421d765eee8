"""The cells of an ablation: which variants there are, and the run behind each seed of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from handmesh_model.checks import check_range
from handmesh_model.errors import ConfigError
from handmesh_model.network import NetworkConfig
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.config_files import (
    from_mapping,
    merge,
    override,
    read_own_values,
    read_values,
    to_mapping,
)
from handmesh_model.training.data import check_apart
from handmesh_model.training.setup import loss_weights, network_config

PREFIX = 'ablation_'
FULL = 'full'
ORDER = (
    FULL,
    'without_joint_stage',
    'without_refine_stage',
    'without_local',
    'without_global',
    'without_offset',
    'without_segmentation',
    'without_render_loss',
)
"""The rows of the paper's table; other variants come after them."""
UNIMPORTANT = ('output', 'log_every', 'checkpoint_minutes', 'threads', 'ranks', 'network')
"""Entries that a result does not depend on, or that are described otherwise."""
UNIMPORTANT_DATA = ('workers', 'nice')


@dataclass(frozen=True)
class Cell:
    """
    One training run of an ablation.

    :param variant: its name, see :data:`ORDER`.
    :param seed: of weights and data.
    :param config: the run; its output is the cell's folder.
    """

    variant: str
    seed: int
    config: TrainingConfig

    @property
    def folder(self) -> Path:
        """Where the run and its result are kept."""
        return Path(self.config.output)

    @property
    def title(self) -> str:
        """What to call the cell in messages."""
        return f'{title_of(self.variant)}, seed {self.seed}'

    def description(self) -> dict[str, Any]:
        """All that the result depends on, as plain values JSON gives back unchanged."""
        return _described(self.config, network_config(self.config))


def completed(description: dict[str, Any]) -> dict[str, Any]:
    """
    What :meth:`Cell.description` gave before there were all entries of now, which had no other
    values than their defaults then.
    """
    return merge(_described(TrainingConfig(network='', output=''), NetworkConfig()), description)


def _described(config: TrainingConfig, network: NetworkConfig) -> dict[str, Any]:
    values = to_mapping(config)
    for name in UNIMPORTANT:
        del values[name]
    for name in UNIMPORTANT_DATA:
        del values['data'][name]
    values['network_options'] = network.to_dict()
    return json.loads(json.dumps(values))


def title_of(variant: str) -> str:
    """A variant's name in words."""
    return variant.replace('_', ' ')


def find_variants(folder: Path) -> dict[str, Path]:
    """
    The variants' files, ``ablation_NAME.yaml``, in the order of the table.

    :raises ConfigError: if the folder has none.
    """
    found = {path.stem.removeprefix(PREFIX): path for path in folder.glob(f'{PREFIX}*.yaml')}
    if not found:
        raise ConfigError(f"'{folder}' holds no {PREFIX}*.yaml, expected the variants to train")
    known = [name for name in ORDER if name in found]
    return {name: found[name] for name in [*known, *sorted(set(found) - set(known))]}


def choose_variants(found: Mapping[str, Path], names: Sequence[str]) -> dict[str, Path]:
    """
    Some of the variants, or all if none are named.

    :raises ConfigError: for a name that is none of theirs.
    """
    unknown = [name for name in names if name not in found]
    if unknown:
        raise ConfigError(f"variant is '{unknown[0]}', expected some of {', '.join(found)}")
    return {name: path for name, path in found.items() if not names or name in names}


def make_cells(
    base: Path,
    variants: Mapping[str, Path],
    seeds: int,
    output: Path,
    overrides: Sequence[str] = (),
) -> list[Cell]:
    """
    The runs of an ablation: all variants of the first seed, then of the second, and so on.

    :param base: configuration of the whole network's training.
    :param variants: name -> file; what the file itself says is laid over the base, whatever it
        extends.
    :param overrides: 'key.subkey=value' each, for all runs.
    :raises ConfigError: for a wrong configuration.
    """
    check_range('seeds', seeds, 1)
    plain = override(read_values(base), overrides)
    runs = {}
    for name, path in variants.items():
        values = read_own_values(path)
        values.pop('extends', None)
        values = merge(deepcopy(plain), values)
        # A run is measured when it has come to its end; one process trains it.
        config = from_mapping(TrainingConfig, {**values, 'ranks': 1})
        # It is measured on these after hours.
        check_range('validation.samples', config.validation.samples, 1)
        check_apart(config)
        loss_weights(config)
        network_config(config)
        runs[name] = config
    _check_distinct(runs)
    return [
        Cell(name, seed, replace(run, seed=seed, output=str(output / name / f'seed{seed}')))
        for seed in range(1, seeds + 1)
        for name, run in runs.items()
    ]


def _check_distinct(runs: Mapping[str, TrainingConfig]) -> None:
    """
    :raises ConfigError: if two variants are the same network with the same losses, for example
        because the base has no render loss to leave out.
    """
    seen: dict[str, str] = {}
    for name, config in runs.items():
        weights = {k: v for k, v in vars(loss_weights(config)).items() if v}
        key = json.dumps([network_config(config).to_dict(), weights], sort_keys=True)
        if key in seen:
            raise ConfigError(
                f"the variants '{seen[key]}' and '{name}' are the same with this base; "
                'expected a base that has the part that they differ in'
            )
        seen[key] = name
