"""``handmesh evaluate``: measure weights on a dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

DATASETS = ('real-images',)


def add_parser(subparsers: Any) -> None:
    """Add the command and its arguments."""
    parser = subparsers.add_parser(
        'evaluate',
        help='measure weights on a dataset',
        description='Prints a table; writes results.json, PCK curves and contact sheets of the '
        'worst samples.',
    )
    parser.add_argument('folder', type=Path, help="the dataset's folder, as published")
    parser.add_argument('--dataset', required=True, choices=DATASETS)
    parser.add_argument('--weights', default='open', help="'open', a folder or a file")
    parser.add_argument('--out', type=Path, default=Path('out/evaluation'), help='results folder')
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda', ...")
    parser.add_argument('--backend', default='auto', help="'auto' or a backend's name")
    parser.add_argument(
        '--boxes',
        choices=('detected', 'reference'),
        default='detected',
        help='real-images: look for hands, or be told where they are',
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write."""
    from handmesh_model.evaluation.real_report import report_real_images
    from handmesh_model.predictor import HandMeshPredictor

    predictor = HandMeshPredictor(arguments.weights, arguments.device, arguments.backend)
    report_real_images(
        predictor,
        arguments.folder,
        arguments.out,
        reference_boxes=arguments.boxes == 'reference',
        weights=str(arguments.weights),
    )
    return 0
