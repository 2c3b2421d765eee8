"""Hands as Wavefront OBJ files."""

from __future__ import annotations

from pathlib import Path

from handmesh_model.hand import Hand
from handmesh_model.output_files import written_beside
from handmesh_model.topology import HandTopology


def write_obj(path: str | Path, hand: Hand, topology: HandTopology) -> None:
    """
    Write a hand's mesh as Wavefront OBJ: metres, x right, y down, z forward.

    The origin is the camera if the hand is metric, else the wrist; the file's first line says
    which. Faces are wound counter-clockwise seen from outside.

    :param path: its folder is made if need be.
    :param topology: of the predictor that found the hand.
    :raises OutputError: if it cannot be written.
    """
    frame = 'camera frame' if hand.is_metric else 'relative to the wrist'
    lines = [f'# {hand.side} hand, metres, {frame}: x right, y down, z forward']
    lines += [f'v {x:.6f} {y:.6f} {z:.6f}' for x, y, z in hand.vertices_camera.tolist()]
    lines += [f'f {a} {b} {c}' for a, b, c in (topology.faces_of(hand.side) + 1).tolist()]
    with written_beside(Path(path)) as part:
        part.write_text('\n'.join(lines) + '\n')
