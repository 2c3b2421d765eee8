"""
The AR demo: clips of synthetic hands among virtual things, with the AR nodes at work.

Each scene is played with the true hands of the clip, which shows what the AR nodes do, and with
those that the network finds, which shows what they do today. ``make demo-ar`` runs it. Exit code 0
means that every process ended well and every image was answered or counted as lost.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from handmesh_model.ar.clips import is_written, write_performance
from handmesh_model.ar.performances import PERFORMANCES, RATE
from handmesh_model.output_files import write_json, write_picture
from handmesh_ros.processes import (
    READY_TIMEOUT,
    RECORDER_READY,
    SECONDS_A_FRAME,
    Children,
    make_room,
    read_report,
    ros_arguments,
    run_as_command,
)

TRUTH, NETWORK = 'truth', 'network'
CONFIG = Path(__file__).resolve().parent.parent / 'config'
_SEED = 3
_CAPTIONS = {TRUTH: 'true hands of the clip', NETWORK: 'hands found by the network'}
_FOREARM = 0.3
_PATIENCE = 20.0
"""Seconds without hands that are no silence: a network's first answer takes some, on a busy
machine."""
_ENDING = ('ar_recorder',)
_WRITTEN = ('report.json', 'ar_overlay.mp4', 'contact_sheet.png', 'events.json', 'objects.npz')


@dataclass(frozen=True)
class Scene:
    """
    One scene of the demo.

    :param clip: the performance that is played.
    :param nodes: what runs besides the overlay: module and parameters.
    :param layout: file of objects, beside this package's configuration.
    """

    clip: str
    nodes: tuple[tuple[str, dict[str, object]], ...] = ()
    layout: str = ''


SCENES = {
    'occlusion': Scene('wave', layout='ar_layout.yaml'),
    'pour': Scene('pour', (('ar_physics_node', {'stage': 'pour'}),)),
    'push': Scene('push', (('ar_physics_node', {'stage': 'cube'}),)),
    'pinch': Scene('pinch', (('ar_physics_node', {'stage': 'cube'}),)),
    'touch': Scene(
        'press', (('ar_buttons_node', {'panel': 'walkie_talkie', 'silence': _PATIENCE}),)
    ),
}


def config_file(name: str) -> Path:
    """A file of the folder config, in the sources or where ROS installed it."""
    if (CONFIG / name).is_file():
        return CONFIG / name
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory('handmesh_ros')) / 'config' / name


def make_clip(name: str, folder: Path) -> Path:
    """The clip of a performance, rendered unless it is there as it would be now."""
    path, performance = folder / f'{name}.mp4', PERFORMANCES[name]()
    if not is_written(path, performance, _SEED):
        print(f'rendering the clip {name}', flush=True)
        write_performance(path, performance, _SEED)
    return path


def run_scene(name: str, hands: str, clip: Path, out: Path, options: Any) -> dict[str, Any]:
    """
    Play one scene.

    :param hands: TRUTH or NETWORK.
    :param out: folder for this scene and these hands.
    :returns: the recorder's report.
    :raises RunError: if a process fails or time runs out.
    """
    make_room(out, _WRITTEN)
    with Children(_ENDING) as children:
        _play(SCENES[name], hands, clip, out, options, children)
    return read_report(out)


def _play(
    scene: Scene, hands: str, clip: Path, out: Path, options: Any, children: Children
) -> None:
    recorder = {'out': out, 'rate': RATE, 'caption': _CAPTIONS[hands]}
    nodes = [
        children.start(module, ros_arguments(parameters))
        for module, parameters in (
            ('ar_recorder', recorder),
            ('ar_overlay_node', _overlay(scene)),
            *scene.nodes,
        )
    ]
    # The overlay, and whoever else takes part: the first picture shall reach them all.
    subscribers = len(nodes)
    if hands == NETWORK:
        node: dict[str, object] = {'weights': options.weights, 'device': options.device}
        nodes.append(children.start('handmesh_node', ros_arguments(node)))
        subscribers = 2
    ready = {'ar_recorder': RECORDER_READY, 'handmesh_node': 'Active'}
    children.wait(
        lambda: all(node.says(ready.get(node.name, 'Ready')) for node in nodes),
        READY_TIMEOUT,
        'the nodes to start',
    )
    camera: dict[str, object] = {
        'source': str(clip),
        'rate': float(options.rate),
        'lockstep': True,
        'answer_topic': 'ar_overlay',
        'subscribers': subscribers,
    }
    player = 'true_hands' if hands == TRUTH else 'folder_camera'
    count = len(PERFORMANCES[scene.clip]().frames)
    limit = options.timeout or 60 + count * SECONDS_A_FRAME
    children.play(player, ros_arguments(camera), limit, 'the clip')


def _overlay(scene: Scene) -> dict[str, object]:
    """Parameters of the overlay; lockstep waits for each picture, and so may it."""
    return {
        'layout': str(config_file(scene.layout)) if scene.layout else '',
        'forearm_length': _FOREARM,
        'objects_wait': 2.0,
        'silence': _PATIENCE,
    }


def overview(folders: Sequence[Path], columns: int = 5) -> np.ndarray | None:
    """
    One row of pictures for each scene that has some.

    :param folders: where an ar_overlay.mp4 is looked for.
    :returns: (H, W, 3) uint8 RGB; None if there are no pictures at all.
    """
    rows = []
    for folder in folders:
        capture = cv2.VideoCapture(str(folder / 'ar_overlay.mp4'))
        frames = []
        while True:
            good, frame = capture.read()
            if not good:
                break
            frames.append(cv2.resize(frame, (256, 192), interpolation=cv2.INTER_AREA))
        if frames:
            chosen = np.linspace(0, len(frames) - 1, columns + 2)[1:-1].round().astype(int)
            rows.append(np.hstack([frames[i] for i in chosen]))
    return np.vstack(rows)[..., ::-1] if rows else None


def run(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """
    All scenes asked for.

    :returns: the report of each, by 'scene/hands'.
    """
    out = Path(options.out)
    reports: dict[str, dict[str, Any]] = {}
    kinds = (TRUTH, NETWORK) if options.hands == 'both' else (options.hands,)
    for hands in kinds:
        for name in options.scenes:
            print(f'== {name}, {_CAPTIONS[hands]}', flush=True)
            clip = make_clip(SCENES[name].clip, out / 'clips')
            folder = out / hands / name
            reports[f'{name}/{hands}'] = run_scene(name, hands, clip, folder, options)
        sheet = overview([out / hands / name for name in options.scenes])
        if sheet is not None:
            write_picture(out / f'contact_sheet_{hands}.png', sheet)
    write_json(out / 'report.json', reports)
    return reports


def parse(args: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog='demo_ar', description=__doc__.split('\n\n')[0])
    add = parser.add_argument
    add('--hands', default='both', choices=(TRUTH, NETWORK, 'both'), help='whose hands')
    add('--scenes', nargs='+', default=list(SCENES), choices=list(SCENES), metavar='SCENE')
    add('--out', default='out/demo-ar', help='folder for the results')
    add('--rate', type=float, default=RATE, help='images a second at most')
    add('--weights', default='auto', help="'auto', 'open', 'open-large' or a checkpoint")
    add('--device', default='auto', help="'auto', 'cpu' or 'cuda'")
    add('--timeout', type=float, default=0.0, help='seconds until a scene gives up')
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if all went well."""
    options = parse(args)
    return run_as_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    reports = run(options)
    for name, report in reports.items():
        latency = ', '.join(f'{kind} {ms:.0f} ms' for kind, ms in report['latency_ms'].items())
        print(
            f'{name:20} {report["video_frames"]} pictures, '
            f'{report["button_events"]} button events, latency {latency or "not known"}'
        )
    print(f'see {options.out}/contact_sheet_*.png and the videos beside', flush=True)
    empty = [name for name, report in reports.items() if not report['video_frames']]
    if empty:
        print(f'demo failed: no picture came of {", ".join(empty)}', file=sys.stderr)
    return 1 if empty else 0


if __name__ == '__main__':
    sys.exit(main())
