"""
The demo: a camera, the node and a recorder, each a process of its own, until the source ends.

``make demo`` runs it. Exit code 0 means that every process ended well and images were answered.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
from handmesh_ros.sources import Source, open_source

CAMERA_SECONDS = 20.0
"""How long a real camera is looked through."""
_ENDING = ('folder_camera', 'demo_recorder', 'handmesh_node')
_FRAMES = 'frames.jsonl'
_WRITTEN = ('report.json', _FRAMES, 'overlay.mp4', 'contact_sheet.png', 'joints.npz')


def run_demo(source: Source, options: argparse.Namespace) -> dict[str, Any]:
    """
    Run the three processes until the source ends.

    :param source: what there is to play; closed, since the camera's process opens it by itself and
        a real camera serves one process at a time.
    :returns: the recorder's report.
    :raises RunError: if a process fails or time runs out.
    """
    source.close()
    out = Path(options.out)
    make_room(out, _WRITTEN)
    with Children(_ENDING) as children:
        _play(source, options, out, children)
    return read_report(out)


def _play(source: Source, options: argparse.Namespace, out: Path, children: Children) -> None:
    """Start everything, and wait for the camera to end."""
    rate = source.played_rate(options.rate, print)
    frames_file = out / _FRAMES
    recorder = children.start(
        'demo_recorder',
        ros_arguments(
            {
                'out': out,
                'frames_file': frames_file,
                'rate': float(rate),
                'expected': source.count or 0,
            }
        ),
    )
    node = {'weights': options.weights, 'device': options.device}
    words = ('--log-level', 'handmesh_node:=info')
    children.start('handmesh_node', ros_arguments(node, words))
    children.wait(lambda: recorder.says(RECORDER_READY), READY_TIMEOUT, 'the nodes to start')
    camera = {
        'source': options.source,
        'bag_topic': options.topic,
        'rate': float(rate),
        'lockstep': source.count is not None and not options.realtime,
        'duration': 0.0 if source.count is not None else CAMERA_SECONDS,
        'frames_file': frames_file,
        'intrinsics_file': options.intrinsics,
        'field_of_view': float(options.field_of_view),
    }
    images = source.count if source.count is not None else CAMERA_SECONDS * rate
    limit = options.timeout or 60 + images * max(SECONDS_A_FRAME, 1 / rate)
    children.play('folder_camera', ros_arguments(camera), limit, 'the source')


def summary(report: dict[str, Any], out: Path) -> str:
    """The figures that matter, in a few lines."""
    frames, latency = report['frames'], report['latency_ms']
    times = 'not known: the images carry no stamp'
    if latency:
        times = (
            f'median {latency["median"]:.0f} ms, p95 {latency["p95"]:.0f} ms '
            '(image stamp to hands received)'
        )
    topics = ', '.join(f'{name} {topic["count"]}' for name, topic in report['topics'].items())
    return '\n'.join(
        [
            f'images    {frames["answered"]} of {frames["sent"]} answered, '
            f'{frames["dropped"]} dropped, hands in {100 * frames["hands_found_share"]:.0f} %',
            f'latency   {times}',
            f'messages  {topics}',
            f'see       {out}/overlay.mp4, contact_sheet.png, report.json, joints.npz',
        ]
    )


def parse(args: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog='demo', description=__doc__.split('\n\n')[0])
    add = parser.add_argument
    add(
        '--source',
        default='demo',
        help='folder of images, image, video, bag or camera number',
    )
    add('--topic', default='', help='image topic of a bag; default: the only one')
    add('--out', default='out/demo', help='folder for the results')
    add('--rate', type=float, default=0.0, help="images a second at most; default: the source's")
    add(
        '--realtime', action='store_true', help='do not wait for the node: it drops what it misses'
    )
    add('--intrinsics', default='', help='JSON or YAML file with the camera matrix')
    add('--field-of-view', type=float, default=60.0, help='degrees, where no matrix is known')
    add('--weights', default='auto', help="'auto', 'open', 'open-large' or a checkpoint")
    add('--device', default='auto', help="'auto', 'cpu' or 'cuda'")
    add('--timeout', type=float, default=0.0, help='seconds until the demo gives up')
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if all went well."""
    options = parse(args)
    return run_as_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    report = run_demo(open_source(options.source, topic=options.topic), options)
    if not report['frames']['answered']:
        print('demo failed: no image was answered', file=sys.stderr, flush=True)
        return 1
    print(summary(report, Path(options.out)), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
