"""From a configuration to samples: what a run trains on and what it is measured on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from handmesh_model.datasets import PaperAugmentation, open_dataset
from handmesh_model.errors import ConfigError
from handmesh_model.network import HandMeshNet, NetworkConfig
from handmesh_model.synthesis import DEPTH_AXIS
from handmesh_model.training.augmentation import Augmenter
from handmesh_model.training.config import DataConfig, TrainingConfig
from handmesh_model.training.config_files import from_mapping
from handmesh_model.training.dataset_stream import DatasetStream, SampleSource
from handmesh_model.training.device_stream import DeviceStream
from handmesh_model.training.distributed import Ranks
from handmesh_model.training.sample_files import SampleFile
from handmesh_model.training.setup import lixel_scale
from handmesh_model.training.synthetic_stream import SyntheticStream
from handmesh_model.training.validation import render_validation_set

VALIDATION_FILE = 'validation.npz'


class SampleStream(Protocol):
    """Batches without end: images (B, S, S, 3) uint8, points in lixels."""

    def __next__(self) -> Mapping[str, np.ndarray] | Mapping[str, Tensor]:
        """The next batch."""

    def close(self) -> None:
        """Stop the processes behind it."""


def build_stream(
    config: TrainingConfig, net: HandMeshNet, ranks: Ranks, step: int
) -> SampleStream:
    """
    This rank's training data from a step on.

    :raises ConfigError: if the batch cannot be shared out evenly or its shares are too small, or
        if the data do not fit the network.
    :raises DatasetError: if a file of the dataset is missing or damaged.
    """
    if config.batch_size % ranks.count:
        raise ConfigError(
            f'batch_size is {config.batch_size}, expected a multiple of the {ranks.count} ranks'
        )
    config.check_shares(ranks.count)
    _check_rendered_axis(config, net)
    batch_size = config.batch_size // ranks.count
    key = (config.seed, ranks.rank, step)
    if config.data.kind == 'synthetic' and config.data.device_pool:
        return DeviceStream(
            config.data,
            config.augmentation,
            lixel_scale(net),
            net.topology.vertex_count,
            batch_size,
            key,
            ranks.count,
            ranks.device,
        )
    if config.data.kind == 'synthetic':
        return SyntheticStream(
            config.data,
            Augmenter(config.augmentation, net.config.input_size),
            lixel_scale(net),
            net.topology.vertex_count,
            batch_size,
            key,
            ranks.count,
        )
    source = open_source(config, net.config, config.data.options, varied=True)
    check_mesh(source, net)
    workers = -(-config.data.workers // ranks.count)
    return DatasetStream(
        source, lixel_scale(net), batch_size, key, ranks.count, workers, config.data.nice
    )


def open_source(
    config: TrainingConfig, network: NetworkConfig, options: dict[str, Any], varied: bool
) -> SampleSource:
    """
    Open the dataset that a run's data section names.

    :param network: for its input size and what its depth is measured along.
    :param options: arguments of the dataset; ``root`` replaces the data section's, and
        ``augmentation`` may hold the paper's.
    :param varied: whether the samples are augmented.
    :raises ConfigError: if an option is unknown or of the wrong type.
    :raises DatasetError: if a file is missing or damaged.
    """
    kind, options = config.data.kind, dict(options)
    root = options.pop('root', config.data.root)
    seed = config.seed
    if kind == 'samples':
        unknown = sorted(set(options) - {'start', 'stop'})
        if unknown:
            raise ConfigError(
                f"unknown entry 'data.options.{unknown[0]}'; known are root, start, stop"
            )
        for name, value in options.items():
            if value is not None and type(value) is not int:
                raise ConfigError(
                    f"'data.options.{name}' is {value!r}, expected an integer or null"
                )
        augmentation = config.augmentation if varied else None
        return SampleFile(root, augmentation, network.input_size, seed, **options)
    paper = from_mapping(
        PaperAugmentation, options.pop('augmentation', {}), 'data.options.augmentation.'
    )
    dataset = open_dataset(
        kind,
        root,
        size=network.input_size,
        augmentation=paper if varied else None,
        seed=seed,
        **options,
    )
    dataset.depth_axis = network.depth_axis
    return dataset


def _check_rendered_axis(config: TrainingConfig, net: HandMeshNet) -> None:
    """What renderers of others measure depth along, they know."""
    if config.data.kind == 'synthetic' and config.data.renderer == DataConfig().renderer:
        check_depth_axis('rendered samples', DEPTH_AXIS, net.config)


def check_depth_axis(data: str, axis: str | None, network: NetworkConfig) -> None:
    """
    :param data: what is measured along the axis, for the error.
    :param axis: None where nothing tells it.
    :raises ConfigError: if the network's depth is measured along another.
    """
    if axis not in (None, network.depth_axis):
        raise ConfigError(
            f"the network has depth_axis '{network.depth_axis}', {data} have '{axis}'; expected "
            'the same: other samples, or --set network_options.depth_axis'
        )


def check_mesh(source: SampleSource, net: HandMeshNet) -> None:
    """
    :raises ConfigError: if the samples' mesh is not the one that the network predicts, or their
        depth is another.
    """
    check_depth_axis("the dataset's samples", source.depth_axis, net.config)
    count = len(source[0]['vertices']) if len(source) else net.topology.vertex_count
    if count != net.topology.vertex_count:
        raise ConfigError(
            f"the dataset's meshes have {count} vertices, the topology "
            f"'{net.topology.name}' has {net.topology.vertex_count}"
        )


def validation_samples(
    config: TrainingConfig, net: HandMeshNet, folder: Path
) -> dict[str, np.ndarray] | None:
    """
    The samples that a run is measured on, plain.

    :param folder: of the run, where rendered ones are kept.
    :returns: arrays as in a batch, points in crop pixels and metres; None if none are wanted.
    :raises ConfigError: if nothing tells them from the training samples, or there are none.
    """
    wanted = config.validation
    if not wanted.samples:
        return None
    _check_rendered_axis(config, net)
    if config.data.kind == 'synthetic':
        return render_validation_set(
            config.data.renderer,
            wanted.samples,
            wanted.seed,
            net.config.input_size,
            net.topology.vertex_count,
            folder / VALIDATION_FILE,
        )
    if not wanted.options:
        raise ConfigError(
            'validation.options is {}, expected what tells the validation samples from the '
            "training samples (such as 'split: alignment' of FreiHAND), or validation.samples 0"
        )
    options = {**config.data.options, **wanted.options}
    source = open_source(config, net.config, options, varied=False)
    if not len(source):
        raise ConfigError(
            f'validation.options, laid over data.options, are {options}, which leave 0 samples, '
            "expected at least 1; null takes an option of the training data back ('stop: null')"
        )
    check_mesh(source, net)
    count = min(wanted.samples, len(source))
    chosen = [source[i * len(source) // count] for i in range(count)]
    return {name: np.stack([sample[name] for sample in chosen]) for name in chosen[0]}
