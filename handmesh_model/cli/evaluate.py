"""``handmesh evaluate``: measure weights on a dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handmesh_model.hand import SIDES

if TYPE_CHECKING:
    import torch

    from handmesh_model.detector import HandDetector
    from handmesh_model.network import HandMeshNet
    from handmesh_model.predictor import HandMeshPredictor

_DEFAULTS: dict[str, Any] = {
    'backend': 'auto',
    'precision': 'auto',
    'boxes': None,
    'side': None,
    'limit': 0,
    'batch_size': 32,
    'submission': None,
}
"""Options that do not go with every dataset."""
_OF_BENCHMARKS = ('boxes', 'limit', 'batch_size', 'submission')
_TAKEN = {
    'real-images': ('backend', 'precision', 'boxes', 'side'),
    'no-hands': ('backend', 'precision'),
    'synthetic': ('limit',),
    'freihand': _OF_BENCHMARKS,
    'freihand-alignment': _OF_BENCHMARKS,
    'obman': _OF_BENCHMARKS,
    'egodexter': _OF_BENCHMARKS,
}
"""Datasets, and the options that go with each; benchmarks and rendered crops run in PyTorch,
float32."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command's parser its arguments and its description."""
    parser.description = (
        'Prints a table; writes results.json, PCK curves and contact sheets of the worst samples.'
    )
    parser.add_argument(
        'folder',
        type=Path,
        help="the dataset's folder, laid out as published; for real-images as "
        'docs/training.md says under "Photographs to measure on", for no-hands pictures that show '
        "none, for synthetic what 'handmesh synthesize dataset' wrote",
    )
    parser.add_argument('--dataset', required=True, choices=tuple(_TAKEN))
    parser.add_argument(
        '--weights', default='open', help="'open', 'open-large', 'auto', a folder or a file"
    )
    parser.add_argument('--out', type=Path, default=Path('out/evaluation'), help='results folder')
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda', ...")
    parser.add_argument(
        '--backend', help="'auto' or a backend's name, for real-images and no-hands"
    )
    parser.add_argument('--precision', help="'auto', 'float32', 'float16' or 'int8', for the same")
    parser.add_argument(
        '--boxes',
        choices=('detected', 'reference', 'image'),
        help='look for hands, take the boxes that the dataset has, or the whole picture; by '
        'default detected for real-images and freihand, reference else. As in its competition, '
        'freihand is measured from picture, camera and the length of one bone, with labels at '
        'hand or without. With reference, labels cut the crops, and figures are of the network '
        'alone',
    )
    parser.add_argument(
        '--side', choices=SIDES, help='take every hand for one of this side, for real-images'
    )
    parser.add_argument(
        '--limit', type=int, help='samples at most, for synthetic and benchmarks; 0 for all'
    )
    parser.add_argument('--batch-size', type=int, help='crops in a forward pass, for benchmarks')
    parser.add_argument(
        '--submission', type=Path, help="freihand: also write the competition's pred.json here"
    )
    parser.set_defaults(**_DEFAULTS)


def run(arguments: argparse.Namespace) -> int:
    """
    Measure, print, write.

    :returns: 0, or 1 if a picture without hands could not be used.
    :raises ConfigError: if an option has no meaning for the dataset, or is out of range.
    """
    _check(arguments)
    if arguments.dataset == 'real-images':
        _evaluate_real_images(arguments)
    elif arguments.dataset == 'no-hands':
        return _evaluate_no_hands(arguments)
    elif arguments.dataset == 'synthetic':
        _evaluate_synthetic(arguments)
    else:
        _evaluate_benchmark(arguments)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    from handmesh_model.checks import check_range
    from handmesh_model.errors import ConfigError

    for name, default in _DEFAULTS.items():
        option, value = '--' + name.replace('_', '-'), getattr(arguments, name)
        if value != default and name not in _TAKEN[arguments.dataset]:
            raise ConfigError(
                f"{option} does not go with {arguments.dataset}: it is '{value}', expected none"
            )
    if arguments.limit < 0:
        raise ConfigError(f'--limit is {arguments.limit}, expected 0 (all samples) or more')
    check_range('--batch-size', arguments.batch_size, 1)


def _evaluate_real_images(arguments: argparse.Namespace) -> None:
    from handmesh_model.errors import ConfigError
    from handmesh_model.evaluation.real_report import report_real_images

    if arguments.boxes == 'image':
        raise ConfigError("--boxes is 'image', expected 'detected' or 'reference' for real-images")
    report_real_images(
        _predictor(arguments),
        arguments.folder,
        arguments.out,
        reference_boxes=arguments.boxes == 'reference',
    )


def _evaluate_no_hands(arguments: argparse.Namespace) -> int:
    from handmesh_model.evaluation.no_hands import report_no_hands

    result = report_no_hands(_predictor(arguments), arguments.folder, arguments.out)
    return 1 if result.unreadable else 0


def _evaluate_synthetic(arguments: argparse.Namespace) -> None:
    from handmesh_model.evaluation.synthetic import report_synthetic

    device, weights = _device_and_weights(arguments)
    net = _network(weights, device)
    report_synthetic(net, arguments.folder, arguments.out, arguments.limit, weights)


def _predictor(arguments: argparse.Namespace) -> HandMeshPredictor:
    """The whole predictor, detector included."""
    from handmesh_model.predictor import HandMeshPredictor

    return HandMeshPredictor(
        arguments.weights,
        arguments.device,
        arguments.backend,
        precision=arguments.precision,
        side=arguments.side,
    )


def _device_and_weights(arguments: argparse.Namespace) -> tuple[torch.device, str]:
    """Where PyTorch runs a network, and what its weights are called."""
    from handmesh_model.backends import choose_device
    from handmesh_model.weight_files import chosen_weights

    device = choose_device(arguments.device)
    return device, str(chosen_weights(arguments.weights, device))


def _network(weights: str, device: torch.device) -> HandMeshNet:
    """The mesh network, on its device."""
    from handmesh_model.checkpoints import load_network
    from handmesh_model.weight_files import weight_files

    return load_network(weight_files(weights, device)[0]).to(device)


def _evaluate_benchmark(arguments: argparse.Namespace) -> None:
    from handmesh_model.evaluation.benchmark_report import BenchmarkRun
    from handmesh_model.evaluation.estimates import NetworkRunner

    device, weights = _device_and_weights(arguments)
    net = _network(weights, device)
    run = BenchmarkRun(
        arguments.dataset,
        arguments.folder,
        weights,
        arguments.out,
        arguments.boxes,
        lambda: _detector(weights, device),
        arguments.limit,
        arguments.submission,
    )
    run.report(NetworkRunner(net, batch_size=arguments.batch_size))


def _detector(weights: str, device: torch.device) -> HandDetector:
    """The detector beside the weights, else the shipped one."""
    from handmesh_model.detector import HandDetector, load_detector
    from handmesh_model.weight_files import weight_files

    return HandDetector(load_detector(weight_files(weights, device)[1]), device)
