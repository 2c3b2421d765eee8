"""Readers of datasets in their published folder layouts, and the paper's augmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handmesh_model.datasets.augmentation import PaperAugmentation
from handmesh_model.datasets.freihand import FreiHand
from handmesh_model.datasets.obman import ObMan
from handmesh_model.datasets.records import HandDataset
from handmesh_model.errors import ConfigError

TRAINING_SETS: dict[str, type[HandDataset]] = {'freihand': FreiHand, 'obman': ObMan}

__all__ = [
    'TRAINING_SETS',
    'FreiHand',
    'HandDataset',
    'ObMan',
    'PaperAugmentation',
    'open_dataset',
]


def open_dataset(kind: str, root: str | Path, **options: Any) -> HandDataset:
    """
    Open a dataset to train on, as configuration files name it.

    :param kind: a key of :data:`TRAINING_SETS`.
    :param root: its folder.
    :param options: further arguments of its class; ``augmentation`` may be a mapping of
        :class:`PaperAugmentation`'s fields.
    :raises ConfigError: if kind or options are unknown.
    :raises DatasetError: if a file is missing.
    """
    if kind not in TRAINING_SETS:
        raise ConfigError(f"dataset is '{kind}', expected one of {', '.join(TRAINING_SETS)}")
    try:
        if isinstance(options.get('augmentation'), dict):
            options['augmentation'] = PaperAugmentation(**options['augmentation'])
        return TRAINING_SETS[kind](root, **options)  # type: ignore[arg-type]
    except TypeError as error:
        raise ConfigError(f"options of dataset '{kind}': {error}") from error
