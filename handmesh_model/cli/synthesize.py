"""``handmesh synthesize``: make training pictures, or the hand template they come from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command's parser its arguments and its description."""
    what = parser.add_subparsers(dest='what', required=True, metavar='WHAT')
    _add_dataset(what)
    _add_sheet(what)
    _add_clip(what)
    _add_probe(what)
    benchmark = what.add_parser('benchmark', help='measure finished crops a second on one core')
    benchmark.add_argument('--count', type=int, default=300)
    benchmark.add_argument('--size', type=int, default=128, help='pixels of a side')
    template = what.add_parser('template', help='make the open hand from its CC0 source')
    template.add_argument('--out', type=Path, help="folder; by default the package's own assets")


def _add_dataset(what: Any) -> None:
    dataset = what.add_parser(
        'dataset',
        help='render labelled crops into a folder',
        description='The same count, seed and size give the same pictures, bit for bit on '
        'machines of one kind and of the same library versions. Cut short and given again, the '
        'command goes on where it was.',
    )
    dataset.add_argument('--count', type=int, required=True)
    dataset.add_argument('--seed', type=int, default=1)
    dataset.add_argument('--size', type=int, default=128, help='pixels of a side')
    dataset.add_argument('--workers', type=int, default=1, help='processes')
    dataset.add_argument('--out', type=Path, required=True, metavar='DIR')


def _add_sheet(what: Any) -> None:
    sheet = what.add_parser('sheet', help='a contact sheet of random crops')
    sheet.add_argument('--count', type=int, default=64)
    sheet.add_argument('--seed', type=int, default=1)
    sheet.add_argument('--size', type=int, default=128, help='pixels of a side')
    sheet.add_argument('--labels', action='store_true', help='draw the joints')
    sheet.add_argument('--out', type=Path, default=Path('out/synthesis_sheet.jpg'))


def _add_clip(what: Any) -> None:
    clip = what.add_parser(
        'clip',
        help='a video of moving hands with a JSON of what is true in each frame',
        description='The JSON goes beside the video, with the same name.',
    )
    clip.add_argument('--out', type=Path, required=True, metavar='FILE.mp4')
    clip.add_argument('--seed', type=int, default=14)
    clip.add_argument('--seconds', type=float, default=7.0)
    clip.add_argument('--width', type=int, default=640)
    clip.add_argument('--height', type=int, default=480)
    clip.add_argument('--hands', type=int, choices=(1, 2), default=2)


def _add_probe(what: Any) -> None:
    probe = what.add_parser(
        'probe',
        help='measure weights on photographs, on renders of the same hands, and on mixtures',
        description='Tells whether a network fails at hands or at backgrounds. Needs labelled '
        'photographs, laid out as for: handmesh evaluate --dataset real-images.',
    )
    probe.add_argument('folder', type=Path)
    probe.add_argument(
        '--weights', default='open', help="'open', 'open-large', a folder or a file"
    )
    probe.add_argument('--count', type=int, default=0, help='photographs to use; 0 for all')
    probe.add_argument('--seed', type=int, default=1)
    probe.add_argument('--out', type=Path, default=Path('out/probes'))


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    import cv2

    # Crops are small: threads of OpenCV would only get into each other's way.
    cv2.setNumThreads(1)
    {
        'dataset': _dataset,
        'sheet': _sheet,
        'clip': _clip,
        'benchmark': _benchmark,
        'probe': _probe,
        'template': _template,
    }[arguments.what](arguments)
    return 0


def _dataset(arguments: argparse.Namespace) -> None:
    from handmesh_model.synthesis.dataset import write_dataset

    write_dataset(
        arguments.out, arguments.count, arguments.seed, arguments.size, arguments.workers
    )
    print(f'{arguments.count} samples in {arguments.out}')


def _sheet(arguments: argparse.Namespace) -> None:
    from handmesh_model.synthesis.dataset import write_sheet

    write_sheet(arguments.out, arguments.seed, arguments.count, arguments.size, arguments.labels)
    print(arguments.out)


def _clip(arguments: argparse.Namespace) -> None:
    from handmesh_model.synthesis.clip import write_clip

    written = write_clip(
        arguments.out,
        seed=arguments.seed,
        seconds=arguments.seconds,
        width=arguments.width,
        height=arguments.height,
        hand_count=arguments.hands,
    )
    print(*written)


def _probe(arguments: argparse.Namespace) -> None:
    import torch

    from handmesh_model.checkpoints import load_network
    from handmesh_model.evaluation.probes import report_probes
    from handmesh_model.weight_files import weight_files

    net = load_network(weight_files(arguments.weights, torch.device('cpu'))[0])
    report_probes(net, arguments.folder, arguments.out, arguments.seed, arguments.count)


def _benchmark(arguments: argparse.Namespace) -> None:
    from handmesh_model.synthesis.dataset import measure_speed

    for name, value in measure_speed(arguments.count, size=arguments.size).items():
        print(f'{name.replace("_", " ")}: {value:.1f}')


def _template(arguments: argparse.Namespace) -> None:
    from handmesh_model.synthesis.hand_model import MODEL_FILE
    from handmesh_model.synthesis.template import write_assets

    folder = arguments.out or MODEL_FILE.parent
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in write_assets(folder).items():
        print(f'{name}: {value:.3f}')
