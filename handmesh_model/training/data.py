"""From a configuration to samples: what a run trains on and what it is measured on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from handmesh_model.datasets import TRAINING_SETS, PaperAugmentation, open_dataset
from handmesh_model.errors import ConfigError
from handmesh_model.network import HandMeshNet, NetworkConfig
from handmesh_model.synthesis import DEPTH_AXIS
from handmesh_model.training.augmentation import Augmenter
from handmesh_model.training.config import DataConfig, TrainingConfig
from handmesh_model.training.config_files import from_mapping
from handmesh_model.training.dataset_stream import DatasetStream, SampleSource
from handmesh_model.training.device_stream import DeviceStream
from handmesh_model.training.distributed import Ranks
from handmesh_model.training.prefetch import never
from handmesh_model.training.sample_files import SampleFile
from handmesh_model.training.setup import lixel_scale
from handmesh_model.training.synthetic_stream import SyntheticStream
from handmesh_model.training.validation import render_validation_set

VALIDATION_FILE = 'validation.npz'
TRAINING_SPLIT = 'train'
"""What a dataset is opened with where no option says which split."""


class SampleStream(Protocol):
    """Batches without end: images (B, S, S, 3) uint8, points in lixels."""

    def __next__(self) -> Mapping[str, np.ndarray] | Mapping[str, Tensor]:
        """The next batch, unless the wait for it was cancelled."""

    def close(self) -> None:
        """Stop the processes behind it."""


def build_stream(
    config: TrainingConfig,
    net: HandMeshNet,
    ranks: Ranks,
    samples: int,
    cancelled: Callable[[], bool] = never,
) -> SampleStream:
    """
    This rank's training data.

    :param samples: how many were seen before, over all ranks; those of a dataset go on after them,
        rendered ones are others than those of another start.
    :param cancelled: asked now and then while renders are waited for; true ends the wait.
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
    key = (config.seed, ranks.rank, samples)
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
            cancelled,
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
            cancelled,
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
        ``augmentation`` may hold the paper's, or None for none.
    :param varied: whether the samples are augmented.
    :raises ConfigError: if an option is unknown, of the wrong type, or not the user's to choose.
    :raises DatasetError: if a file is missing or damaged.
    """
    kind, options = config.data.kind, dict(options)
    root = options.pop('root', config.data.root)
    seed = config.seed
    if kind == 'samples':
        part = _part_of_samples(options)
        augmentation = config.augmentation if varied else None
        return SampleFile(root, augmentation, network.input_size, seed, part.start, part.stop)
    paper = _paper_augmentation(options.pop('augmentation', {}))
    ours = {
        'size': network.input_size,
        'augmentation': paper if varied else None,
        'seed': seed,
    }
    taken = sorted(set(options) & {'kind', *ours})
    if taken:
        raise ConfigError(
            f"'data.options.{taken[0]}' is {options[taken[0]]!r}, expected no such option: "
            'entries of the run itself decide it'
        )
    dataset = open_dataset(kind, root, **ours, **options)
    dataset.depth_axis = network.depth_axis
    return dataset


def _part_of_samples(options: Mapping[str, Any]) -> slice:
    """The samples of a file that options choose."""
    unknown = sorted(set(options) - {'root', 'start', 'stop'})
    if unknown:
        raise ConfigError(
            f"unknown entry 'data.options.{unknown[0]}'; known are root, start, stop"
        )
    part = slice(options.get('start'), options.get('stop'))
    for name, value in (('start', part.start), ('stop', part.stop)):
        if value is not None and type(value) is not int:
            raise ConfigError(f"'data.options.{name}' is {value!r}, expected an integer or null")
    return part


def _paper_augmentation(values: Any) -> PaperAugmentation | None:
    """The paper's augmentation as options of a dataset describe it; None for none."""
    if values is None:
        return None
    where = 'data.options.augmentation'
    if not isinstance(values, Mapping):
        raise ConfigError(f"'{where}' is {values!r}, expected a mapping, or null for none")
    return from_mapping(PaperAugmentation, values, f'{where}.')


def _check_rendered_axis(config: TrainingConfig, net: HandMeshNet) -> None:
    """What renderers of others measure depth along, they know."""
    if config.data.kind == 'synthetic' and _is_our_renderer(config.data):
        check_depth_axis('rendered samples', DEPTH_AXIS, net.config)


def _is_our_renderer(data: DataConfig) -> bool:
    return data.renderer == DataConfig().renderer


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


def check_apart(config: TrainingConfig) -> None:
    """
    Before the data are opened; :func:`open_validation` looks at the samples of a file, too.

    :raises ConfigError: if nothing tells the validation samples of a dataset from its training
        samples, or if their splits share pictures.
    """
    kind, training, wanted = config.data.kind, config.data.options, config.validation.options
    if not config.validation.samples or kind == 'synthetic':
        return
    if not wanted:
        raise ConfigError(
            'validation.options is {}, expected what tells the validation samples from the '
            "training samples (such as 'split: alignment' of FreiHAND), or validation.samples 0"
        )
    root = training.get('root', config.data.root)
    if kind not in TRAINING_SETS or not _is_same(wanted.get('root', root), root):
        return
    parts = TRAINING_SETS[kind].parts
    ours = training.get('split', TRAINING_SPLIT)
    theirs = wanted.get('split', ours)
    # Wrong names are told where the dataset is opened.
    known = [parts[split] for split in (ours, theirs) if split in list(parts)]
    if len(known) == 2 and known[0] & known[1]:
        others = [split for split in parts if not parts[split] & known[0]]
        raise ConfigError(
            f"validation.options has split '{theirs}', which shares pictures with split '{ours}' "
            f'to train on; expected {" or ".join(others)}, or validation.samples 0'
        )


def _is_same(one: str | Path, other: str | Path) -> bool:
    """Whether two paths lead to the same place, by whatever links and '..'."""
    return os.path.realpath(one) == os.path.realpath(other)


def _check_samples_apart(config: TrainingConfig, validation: SampleFile) -> None:
    """:raises ConfigError: if samples to train on are among the validation samples."""
    training = config.data.options
    if not _is_same(training.get('root', config.data.root), validation.path):
        return
    # Only a file knows which samples a bound counted from its end chooses.
    ours, theirs = range(validation.total)[_part_of_samples(training)], validation.indices
    shared = range(max(ours.start, theirs.start), min(ours.stop, theirs.stop))
    if shared:
        raise ConfigError(
            'validation.options, laid over data.options, choose samples '
            f'{theirs.start} to {theirs.stop - 1}, of which {len(shared)} are among those to '
            f'train on, {ours.start} to {ours.stop - 1}; expected others, or validation.samples 0'
        )


def open_validation(config: TrainingConfig, network: NetworkConfig) -> SampleSource:
    """
    Open the part of a dataset that a run is measured on, plain.

    :param network: as for :func:`open_source`.
    :raises ConfigError: as of :func:`check_apart`, if an option is wrong, if there are no
        samples, or if some of a file are trained on.
    :raises DatasetError: if a file is missing or damaged.
    """
    check_apart(config)
    options = {**config.data.options, **config.validation.options}
    source = open_source(config, network, options, varied=False)
    if not len(source):
        raise ConfigError(
            f'validation.options, laid over data.options, are {options}, which leave 0 samples, '
            "expected at least 1; null takes an option of the training data back ('stop: null')"
        )
    if isinstance(source, SampleFile):
        _check_samples_apart(config, source)
    return source


def validation_samples(
    config: TrainingConfig, net: HandMeshNet, folder: Path
) -> dict[str, np.ndarray] | None:
    """
    The samples that a run is measured on, plain.

    :param folder: of the run, where those of this package's renderer are kept.
    :returns: arrays as in a batch, points in crop pixels and metres; None if none are wanted.
    :raises ConfigError: as of :func:`open_validation`, or if they do not fit the network.
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
            # Nothing tells when code that is not ours draws other samples.
            folder / VALIDATION_FILE if _is_our_renderer(config.data) else None,
        )
    source = open_validation(config, net.config)
    check_mesh(source, net)
    count = min(wanted.samples, len(source))
    chosen = [source[i * len(source) // count] for i in range(count)]
    samples = {name: np.stack([sample[name] for sample in chosen]) for name in chosen[0]}
    if config.data.kind in TRAINING_SETS:
        # As training learns them; benchmarks compare with the published ones.
        samples['joints'] = net.topology.joint_regressor @ samples['vertices']
    return samples
