"""``handmesh train-detector``: train the network that finds hands in whole pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from handmesh_model.cli import UNTRAINED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command's parser its arguments and its description."""
    parser.description = (
        'Trains on rendered frames and writes detector.safetensors. A run goes on '
        'from last.pt in its output folder; SIGTERM saves and ends it.'
    )
    parser.add_argument('--output', type=Path, default=Path('runs/detector'), help='run folder')
    parser.add_argument('--images', type=int, default=400_000, help='pictures to train on')
    parser.add_argument('--hours', type=float, help='stop so many hours after this start')
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--learning-rate', type=float, default=2e-3)
    parser.add_argument('--width', type=int, default=24, help='channels at stride 4')
    parser.add_argument('--workers', type=int, default=1, help='renderer processes')
    parser.add_argument('--reuse', type=float, default=5.0, help='draws of each rendered frame')
    parser.add_argument(
        '--pool-size',
        type=int,
        default=6000,
        help='rendered frames kept in shared memory, 0.2 MB each',
    )
    parser.add_argument('--threads', type=int, default=1, help='threads of torch')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument(
        '--init-weights',
        type=Path,
        metavar='FILE',
        help='weights to start from; wants a fresh --seed',
    )
    parser.add_argument(
        '--monitor-real', type=Path, metavar='DIR', help='also measure on these photographs'
    )


def run(arguments: argparse.Namespace) -> int:
    """Train and say how it went."""
    from handmesh_model.training.detector_training import (
        WEIGHTS,
        DetectorTrainer,
        DetectorTrainingConfig,
    )

    config = DetectorTrainingConfig(
        output=arguments.output,
        images=arguments.images,
        hours=arguments.hours,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        width=arguments.width,
        workers=arguments.workers,
        reuse=arguments.reuse,
        pool_size=arguments.pool_size,
        threads=arguments.threads,
        seed=arguments.seed,
        real=arguments.monitor_real,
        init_weights=arguments.init_weights,
    )
    figures = DetectorTrainer(config).run()
    if figures:
        print('  '.join(f'{name} {value:.4g}' for name, value in figures.items()))
        print(f'weights: {config.output / WEIGHTS}')
    else:
        print(UNTRAINED)
    return 0
