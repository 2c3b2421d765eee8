"""``handmesh import-mano``: make a topology file from MANO's right hand."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command's parser its arguments and its description."""
    parser.description = (
        'Read faces, joint regressor and finger parts of MANO_RIGHT.pkl, which you '
        'download under its own licence. Nothing in the pickle is executed.'
    )
    parser.add_argument('pickle', type=Path, help='MANO_RIGHT.pkl')
    parser.add_argument('--out', type=Path, required=True, help='npz file to write')


def run(arguments: argparse.Namespace) -> int:
    """Convert and say what was written."""
    from handmesh_model.mano import import_mano

    topology = import_mano(arguments.pickle)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    topology.save(arguments.out)
    print(f'{arguments.out}: {topology.vertex_count} vertices, {len(topology.faces)} faces')
    return 0
