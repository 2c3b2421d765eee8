"""``handmesh import-handar``: make a weights file from the paper's published weights."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command's parser its arguments and its description."""
    parser.description = (
        "Convert the weights published by the paper's authors (snapshot_*.pth.tar)."
    )
    parser.add_argument('snapshot', type=Path, help='the published .pth.tar file')
    parser.add_argument(
        '--topology', type=Path, required=True, help='npz written by `handmesh import-mano`'
    )
    parser.add_argument('--out', type=Path, required=True, help='safetensors file to write')
    parser.add_argument(
        '--half', action='store_true', help='store 16-bit floats: half the size, read as 32-bit'
    )


def run(arguments: argparse.Namespace) -> int:
    """Convert and say what was written."""
    from handmesh_model.checkpoints import save_checkpoint
    from handmesh_model.handar import import_handar
    from handmesh_model.topology import HandTopology

    topology = HandTopology.load(arguments.topology)
    net = import_handar(arguments.snapshot, topology)
    facts = {'source': arguments.snapshot.name, 'kind': "weights published by the paper's authors"}
    save_checkpoint(arguments.out, net, facts, half=arguments.half)
    count = sum(value.numel() for value in net.parameters())
    print(f'{arguments.out}: {count / 1e6:.1f} M weights, {topology.vertex_count} vertices')
    return 0
