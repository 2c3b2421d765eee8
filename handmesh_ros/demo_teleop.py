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
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handmesh_model.errors import HandmeshError
from handmesh_model.teleop.grasp_teleop import TeleopConfig
from handmesh_ros.demo import READY_TIMEOUT, Child, DemoError, wait
from handmesh_ros.sources import DEMO_CLIP, open_source

BASE_FROM_CAMERA = f'0 0 0.45 {-90 * 3.141592653589793 / 180:.6f} 0 0'
"""The camera looks along the robot's y, 45 cm above its base; z of the base points up."""
MODES = ('truth', 'network')
_WRITTEN = ('robot.mp4', 'contact_sheet.png', 'angles.png', 'report.json', 'robot.npz')
_FRAMES = 'frames.jsonl'
_NETWORK_WATCHDOG = 3.0


def run(mode: str, options: argparse.Namespace, out: Path) -> dict[str, Any]:
    """
    One run.

    :param mode: one of :data:`MODES`.
    :returns: its report.
    :raises DemoError: if a process fails or time runs out.
    """
    out.mkdir(parents=True, exist_ok=True)
    for old in (*_WRITTEN, _FRAMES):
        (out / old).unlink(missing_ok=True)
    children: list[Child] = []
    try:
        _play(mode, options, out, children)
    finally:
        codes = {child.name: child.stop() for child in sorted(children, key=_order_of_ending)}
    failed = {name: code for name, code in codes.items() if code}
    if failed:
        raise DemoError(
            ', '.join(f'{name} ended with code {code}' for name, code in failed.items())
        )
    # Here, so that the nodes are up before the plotting library is.
    from handmesh_ros.teleop_report import make_report

    watchdog = _watchdog(mode == 'network', options.pace)
    clip = Path(options.source or DEMO_CLIP)
    return make_report(mode, out, out / _FRAMES, clip, watchdog)


def _play(mode: str, options: argparse.Namespace, out: Path, children: list[Child]) -> None:
    source = open_source(options.source)
    is_network = mode == 'network'
    pace = 1.0 if is_network else options.pace
    children.append(Child.start('grasp_teleop_node', _teleop(is_network, pace), ()))
    film: dict[str, object] = {'out': out, 'base_from_camera': BASE_FROM_CAMERA, 'pace': pace}
    children.append(Child.start('robot_sim', film, ()))
    robot = children[-1]
    if is_network:
        node = {'weights': options.weights, 'device': options.device}
        children.append(Child.start('handmesh_node', node, ()))
    wait(children, lambda: robot.says('Robot ready'), READY_TIMEOUT, 'the nodes to start')
    camera: dict[str, object] = {
        'source': options.source or 'demo',
        'frames_file': out / _FRAMES,
        # Of the true hands: the teleoperation and the robot.
        'subscribers': 2,
        'rate': float(source.rate) * pace,
    }
    if is_network:
        camera['lockstep'] = True
    children.append(Child.start('folder_camera' if is_network else 'true_hands', camera, ()))
    player = children[-1]
    limit = 120 + 3.0 * (source.count or 0) / pace
    wait(children, lambda: not player.is_alive(), limit, 'the clip to end')
    if player.process.returncode:
        raise DemoError(f'{player.name} ended with code {player.process.returncode}')
    # The hand is gone now; the robot is to be told.
    teleop_node = children[0]
    wait(children, lambda: _is_safe_again(teleop_node), 30.0, 'the watchdog')


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


def _order_of_ending(child: Child) -> int:
    names = ('folder_camera', 'true_hands', 'robot_sim', 'grasp_teleop_node', 'handmesh_node')
    return names.index(child.name)


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
    add('--weights', default='open', help="'open' or a checkpoint")
    add('--device', default='auto', help="'auto', 'cpu' or 'cuda'")
    return parser.parse_args(args)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if all went well."""
    options = parse(args)
    if not 0.01 <= options.pace <= 1:
        print(f'demo failed: pace is {options.pace}, expected 0.01 to 1', file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _interrupt)
    modes = MODES if options.hands == 'both' else (options.hands,)
    texts = []
    try:
        for mode in modes:
            out = Path(options.out) / mode
            report = run(mode, options, out)
            texts.append(summary(report, out))
            (out / 'report.json').write_text(json.dumps(report, indent=2) + '\n', encoding='utf-8')
    except (HandmeshError, DemoError, OSError) as error:
        print(f'demo failed: {error}', file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print('demo stopped', file=sys.stderr, flush=True)
        return 130
    print('\n'.join(texts), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
