"""``handmesh export``: write a network for another runtime."""

from __future__ import annotations

import argparse
from pathlib import Path

FORMATS = ('onnx', 'openvino', 'tensorrt')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command's parser its arguments and its description."""
    parser.description = (
        'Writes the mesh network, which turns crops (N, S, S, 3) uint8 RGB into its '
        'outputs, and outputs.json, which says what these are. An OpenVINO '
        'network also goes into the cache that the backend loads from.'
    )
    parser.add_argument(
        '--weights', default='open', help="'open', 'open-large', 'auto', a folder or a file"
    )
    parser.add_argument('--format', required=True, choices=FORMATS)
    parser.add_argument('--precision', default='auto', help="'float32', 'float16' or 'int8'")
    parser.add_argument('--batch', type=int, default=1, help='crops in one run; openvino has 1')
    parser.add_argument('--out', type=Path, required=True, help='folder for the files')
    parser.add_argument(
        '--photographs',
        type=Path,
        metavar='DIR',
        help='labelled photographs, laid out as for evaluate --dataset real-images: an int8 '
        'network that is less accurate on them than its float32 self is refused',
    )
    parser.add_argument(
        '--without-refine',
        action='store_true',
        help='leave the refine stage out: vertices and joints are those of the rough mesh',
    )


def run(arguments: argparse.Namespace) -> int:
    """
    Export.

    :returns: 0, or 1 if the photographs speak against it.
    """
    from handmesh_model.backends import choose_device
    from handmesh_model.backends.export import export_network
    from handmesh_model.checkpoints import load_network
    from handmesh_model.checks import check_range
    from handmesh_model.errors import ConfigError
    from handmesh_model.weight_files import weight_files

    check_range('--batch', arguments.batch, 1)
    if arguments.photographs is not None:
        if (arguments.format, arguments.precision) != ('openvino', 'int8'):
            raise ConfigError('--photographs goes with --format openvino --precision int8')
        if arguments.without_refine:
            raise ConfigError(
                '--photographs does not go with --without-refine: it measures the whole network'
            )
    # A format that is a backend's says where it runs.
    device = choose_device('auto', arguments.format)
    file = weight_files(arguments.weights, device)[0]
    if arguments.photographs is not None and not _accepted(file, arguments.photographs):
        return 1
    net = load_network(file)
    written = export_network(
        net,
        arguments.format,
        arguments.precision,
        arguments.batch,
        arguments.out,
        refine=not arguments.without_refine,
    )
    for path in written:
        print(f'{path}: {path.stat().st_size / 1e6:.1f} MB')
    return 0


def _accepted(weights: Path, photographs: Path) -> bool:
    from handmesh_model.evaluation.precision_check import MOST_WORSE_MM, check_precision

    check = check_precision(weights, photographs, 'openvino', 'int8')
    verdict = 'accepted' if check.accepted else 'refused'
    print(
        f'PA-MPJPE on {check.photographs} photographs: float32 {check.float32_mm:.2f} mm, int8 '
        f'{check.other_mm:.2f} mm, {check.worse_mm:+.2f} mm (less than {MOST_WORSE_MM} mm worse '
        f'is accepted): {verdict}'
    )
    return check.accepted
