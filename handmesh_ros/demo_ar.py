"""
The AR demo: clips of synthetic hands among virtual things, with the AR nodes at work.

Each scene is played with the true hands of the clip, which shows what the AR nodes do, and with
those that the network finds, which shows what they do today. ``make demo-ar`` runs it. Exit code 0
means that every process ended well and every image was answered or counted as lost.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from handmesh_model.ar.clips import write_performance
from handmesh_model.ar.performances import PERFORMANCES, RATE
from handmesh_model.errors import HandmeshError
from handmesh_ros.demo import CANNOT_CONFIGURE, READY_TIMEOUT, SECONDS_A_FRAME, Child, DemoError

TRUTH, NETWORK = 'truth', 'network'
CONFIG = Path(__file__).resolve().parent.parent / 'config'
_SEED = 3
_CAPTIONS = {TRUTH: 'true hands of the clip', NETWORK: 'hands found by the network'}
_FOREARM = 0.3


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
    'touch': Scene('press', (('ar_buttons_node', {'panel': 'walkie_talkie'}),)),
}


def config_file(name: str) -> Path:
    """A file of the folder config, in the sources or where ROS installed it."""
    if (CONFIG / name).is_file():
        return CONFIG / name
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory('handmesh_ros')) / 'config' / name


def make_clip(name: str, folder: Path) -> Path:
    """The clip of a performance, rendered unless it is there."""
    path = folder / f'{name}.mp4'
    if not path.with_suffix('.npz').is_file():
        print(f'rendering the clip {name}', flush=True)
        write_performance(path, PERFORMANCES[name](), _SEED)
    return path


def run_scene(name: str, hands: str, clip: Path, out: Path, options: Any) -> dict[str, Any]:
    """
    Play one scene.

    :param hands: TRUTH or NETWORK.
    :param out: folder for this scene and these hands.
    :returns: the recorder's report.
    :raises DemoError: if a process fails or time runs out.
    """
    for old in ('report.json', 'ar_overlay.mp4', 'contact_sheet.png', 'events.json'):
        (out / old).unlink(missing_ok=True)
    children: list[Child] = []
    try:
        _play(SCENES[name], hands, clip, out, options, children)
    finally:
        # The recorder first, so that no topic goes while it listens.
        order = sorted(children, key=lambda child: child.name != 'ar_recorder')
        codes = {child.name: child.stop() for child in order}
    failed = [f'{name} ended with code {code}' for name, code in codes.items() if code]
    if failed:
        raise DemoError(', '.join(failed))
    report = out / 'report.json'
    if not report.is_file():
        raise DemoError('the recorder wrote no report')
    return json.loads(report.read_text(encoding='utf-8'))


def _play(
    scene: Scene, hands: str, clip: Path, out: Path, options: Any, children: list[Child]
) -> None:
    caption = _CAPTIONS[hands]
    recorder: dict[str, object] = {'out': out, 'rate': RATE, 'caption': caption}
    children.append(Child.start('ar_recorder', recorder, ()))
    layout = str(config_file(scene.layout)) if scene.layout else ''
    # Lockstep waits for each picture, and so may the overlay.
    overlay: dict[str, object] = {
        'layout': layout,
        'forearm_length': _FOREARM,
        'objects_wait': 2.0,
        # The network's first answer takes seconds on a busy machine.
        'silence': 20.0,
    }
    children.append(Child.start('ar_overlay_node', overlay, ()))
    for module, parameters in scene.nodes:
        children.append(Child.start(module, parameters, ()))
    if hands == NETWORK:
        node: dict[str, object] = {'weights': options.weights, 'device': options.device}
        children.append(Child.start('handmesh_node', node, ()))
    ready = {'ar_recorder': 'Recorder ready', 'handmesh_node': 'Active'}
    _wait(
        children,
        lambda: all(child.says(ready.get(child.name, 'Ready')) for child in children),
        READY_TIMEOUT,
        'the nodes to start',
    )
    camera: dict[str, object] = {
        'source': str(clip),
        'rate': float(options.rate),
        'lockstep': True,
        'answer_topic': 'ar_overlay',
        # The overlay, and whoever else takes part: the first picture shall reach them all.
        'subscribers': len(children),
    }
    if hands == NETWORK:
        camera['subscribers'] = 2
    player = Child.start('true_hands' if hands == TRUTH else 'folder_camera', camera, ())
    children.append(player)
    count = len(PERFORMANCES[scene.clip]().frames)
    _wait(
        children,
        lambda: not player.is_alive(),
        options.timeout or 60 + count * SECONDS_A_FRAME,
        'the clip to end',
        player,
    )
    if player.process.returncode:
        raise DemoError(f'{player.name} ended with code {player.process.returncode}')


def _wait(
    children: list[Child],
    is_true: Callable[[], bool],
    seconds: float,
    what: str,
    may_end: Child | None = None,
) -> None:
    """
    Wait for something while all processes are well.

    :raises DemoError: if one ends before, or time runs out.
    """
    end = time.monotonic() + seconds
    while not is_true():
        for child in children:
            if child is not may_end and not child.is_alive():
                code = child.process.returncode
                raise DemoError(f'{child.name} ended too early, with code {code}')
            if child.says(CANNOT_CONFIGURE):
                raise DemoError(f'{child.name} could not be configured, see above')
        if time.monotonic() > end:
            raise DemoError(f'waited {seconds:.0f} s for {what}')
        time.sleep(0.05)


def overview(folders: Sequence[Path], columns: int = 5) -> np.ndarray:
    """
    One row of pictures for each scene.

    :param folders: with an ar_overlay.mp4 each.
    :returns: (H, W, 3) BGR.
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
    return np.vstack(rows)


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
            folder.mkdir(parents=True, exist_ok=True)
            reports[f'{name}/{hands}'] = run_scene(name, hands, clip, folder, options)
        folders = [out / hands / name for name in options.scenes]
        cv2.imwrite(str(out / f'contact_sheet_{hands}.png'), overview(folders))
    text = json.dumps(reports, indent=2) + '\n'
    (out / 'report.json').write_text(text, encoding='utf-8')
    return reports


def parse(args: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog='demo_ar', description=__doc__.split('\n\n')[0])
    add = parser.add_argument
    add('--hands', default='both', choices=(TRUTH, NETWORK, 'both'), help='whose hands')
    add('--scenes', nargs='+', default=list(SCENES), choices=list(SCENES), metavar='SCENE')
    add('--out', default='out/demo-ar', help='folder for the results')
    add('--rate', type=float, default=RATE, help='images a second at most')
    add('--weights', default='open', help="'open' or a checkpoint")
    add('--device', default='auto', help="'auto', 'cpu' or 'cuda'")
    add('--timeout', type=float, default=0.0, help='seconds until a scene gives up')
    return parser.parse_args(args)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if all went well."""
    options = parse(args)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        reports = run(options)
    except (HandmeshError, DemoError, OSError) as error:
        print(f'demo failed: {error}', file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print('demo stopped', file=sys.stderr, flush=True)
        return 130
    for name, report in reports.items():
        print(
            f'{name:20} {report["video_frames"]} pictures, '
            f'{report["button_events"]} button events, latency {report["latency_ms"]}'
        )
    print(f'see {options.out}/contact_sheet_*.png and the videos beside', flush=True)
    empty = [name for name, report in reports.items() if not report['video_frames']]
    if empty:
        print(f'demo failed: no picture came of {", ".join(empty)}', file=sys.stderr)
    return 1 if empty else 0


if __name__ == '__main__':
    sys.exit(main())
