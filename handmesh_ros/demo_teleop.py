"""
The demo of teleoperation: a simulated robot hand and gripper follow the hands of a clip.

``make demo-teleop`` runs it, twice: with the clip's true hands on ``hands``, which shows the
teleoperation by itself, and with the network's, which shows how good the shipped weights are.
Writes to the folder ``out``, one folder a run: robot.mp4, contact_sheet.png, angles.png (plot) and
report.json. Every process is a node of its own; all that they share are topics.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handmesh_model.teleop.config import TeleopConfig
from handmesh_ros.processes import (
    READY_TIMEOUT,
    ROBOT_READY,
    SECONDS_A_FRAME,
    Child,
    Children,
    make_room,
    ros_arguments,
    run_as_command,
)
from handmesh_ros.sources import DEMO_CLIP, open_source

BASE_FROM_CAMERA = f'0 0 0.45 {-90 * 3.141592653589793 / 180:.6f} 0 0'
"""The camera looks along the robot's y, 45 cm above its base; z of the base points up."""
MODES = ('truth', 'network')
_WRITTEN = ('robot.mp4', 'contact_sheet.png', 'angles.png', 'report.json', 'robot.npz')
_FRAMES = 'frames.jsonl'
_PLAYERS = ('true_hands', 'folder_camera')
_ENDING = (*_PLAYERS, 'robot_sim', 'grasp_teleop_node', 'handmesh_node')
_NETWORK_WATCHDOG = 3.0
_STARTING, _SAFE_TIMEOUT = 120.0, 30.0
"""Seconds for a player to find its listeners, and for the watchdog to act once it has ended."""


def run(mode: str, options: argparse.Namespace, out: Path) -> dict[str, Any]:
    """
    One run.

    :param mode: one of :data:`MODES`.
    :returns: its report.
    :raises RunError: if a process fails or time runs out.
    """
    make_room(out, (*_WRITTEN, _FRAMES))
    with Children(_ENDING) as children:
        _play(mode, options, out, children)
    # Here, so that the nodes are up before the plotting library is.
    from handmesh_ros.teleop_report import make_report

    watchdog = _watchdog(mode == 'network', options.pace)
    clip = Path(options.source or DEMO_CLIP)
    return make_report(mode, out, out / _FRAMES, clip, watchdog)


def _play(mode: str, options: argparse.Namespace, out: Path, children: Children) -> None:
    source = open_source(options.source)
    is_network = mode == 'network'
    pace = 1.0 if is_network else options.pace
    teleop = children.start('grasp_teleop_node', ros_arguments(_teleop(is_network, pace)))
    film: dict[str, object] = {'out': out, 'base_from_camera': BASE_FROM_CAMERA, 'pace': pace}
    robot = children.start('robot_sim', ros_arguments(film))
    if is_network:
        node = {'weights': options.weights, 'device': options.device}
        children.start('handmesh_node', ros_arguments(node))
    children.wait(lambda: robot.says(ROBOT_READY), READY_TIMEOUT, 'the nodes to start')
    camera: dict[str, object] = {
        'source': options.source or 'demo',
        'frames_file': out / _FRAMES,
        # Of the true hands: the teleoperation and the robot.
        'subscribers': 2,
        'rate': float(source.played_rate(0.0, print)) * pace,
    }
    if is_network:
        camera['lockstep'] = True
    limit = _STARTING + SECONDS_A_FRAME * (source.count or 0) / pace
    player = children.play(_PLAYERS[is_network], ros_arguments(camera), limit, 'the clip')
    # The hand is gone now; the robot is to be told.
    children.wait(lambda: _is_safe_again(teleop), _SAFE_TIMEOUT, 'the watchdog', player)


def _teleop(is_network: bool, pace: float) -> dict[str, object]:
    """Parameters of the teleoperation; at another pace all times are longer, all speeds lower."""
    config = TeleopConfig()
    return {
        'clutch': 'always',
        'mapping': 'absolute',
        'side': 'right',
        'base_from_camera': BASE_FROM_CAMERA,
        'home': '0.1 0.45 0.4 0 0 0',
        'rate': max(20.0, 60.0 * pace),
        'gain': config.gain * pace,
        'max_speed': 2.0 * pace,
        'max_turn_speed': 8.0 * pace,
        'max_joint_speed': config.max_joint_speed * pace,
        'max_opening_speed': config.max_opening_speed * pace,
        'filter_cutoff': config.filter_cutoff * pace,
        'watchdog': _watchdog(is_network, pace),
        'max_age': 5.0,
    }


def _watchdog(is_network: bool, pace: float) -> float:
    """Seconds; a network on a busy computer is allowed more."""
    return _NETWORK_WATCHDOG if is_network else TeleopConfig().watchdog / pace


def _is_safe_again(node: Child) -> bool:
    """Whether the last mode that the node logged is the safe one."""
    modes = [line for line in list(node.lines) if 'SAFE:' in line or 'ENGAGED:' in line]
    return bool(modes) and 'SAFE:' in modes[-1]


def summary(report: dict[str, Any], out: Path) -> str:
    """The figures that matter, in a few lines."""
    errors = report['mean_error_degrees']
    hands = {'truth': "the clip's true hands", 'network': "the network's hands"}[report['hands']]
    return '\n'.join(
        [
            f'hands     {hands}: followed in {report["frames_followed"]} of '
            f'{report["frames"]} frames',
            f'angles    {errors["seen"]:.1f} degrees off the truth as seen, '
            f'{errors["told"]:.1f} as commanded, {errors["reached"]:.1f} as the robot has them',
            f'watchdog  safe {report["safe_after_ms"]:.0f} ms after the last hand '
            f'(limit {report["watchdog_ms"]:.0f} ms)',
            f'see       {out}/' + ', '.join(_WRITTEN[:4]),
        ]
    )


def parse(args: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog='demo_teleop', description=__doc__.split('\n\n')[0])
    add = parser.add_argument
    add('--hands', default='both', choices=(*MODES, 'both'), help='whose hands the robot follows')
    add('--source', default='', help='a clip of synthetic hands; default: the demo clip')
    add('--out', default='out/demo-teleop', help='folder for the results')
    add(
        '--pace',
        type=float,
        default=1.0,
        help='of the true hands: 0.25 plays, follows and simulates four times slower',
    )
    add('--weights', default='auto', help="'auto', 'open', 'open-large' or a checkpoint")
    add('--device', default='auto', help="'auto', 'cpu' or 'cuda'")
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if all went well."""
    options = parse(args)
    if not 0.01 <= options.pace <= 1:
        print(f'demo failed: pace is {options.pace}, expected 0.01 to 1', file=sys.stderr)
        return 1
    return run_as_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    texts = []
    for mode in MODES if options.hands == 'both' else (options.hands,):
        out = Path(options.out) / mode
        report = run(mode, options, out)
        texts.append(summary(report, out))
        (out / 'report.json').write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')
    print('\n'.join(texts), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
