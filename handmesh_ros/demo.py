"""
The demo: a camera, the node and a recorder, each a process of its own, until the source ends.

``make demo`` runs it. Exit code 0 means that every process ended well and images were answered.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handmesh_model.errors import HandmeshError
from handmesh_ros.isolation import isolated_environment
from handmesh_ros.sources import Source, open_source

CANNOT_CONFIGURE = 'cannot configure'
"""What handmesh_node says when it will not get going; it stays alive for the user to help it."""

READY_TIMEOUT = 180.0
"""Seconds for the nodes to start; PyTorch alone may take a minute on a cold, busy machine."""
STOP_TIMEOUT = 30.0
SECONDS_A_FRAME = 3.0
"""Beyond that, the demo is taken to hang."""
PLAYERS = ('folder_camera', 'true_hands')
"""Processes that may end before the others: they end with their source."""
CAMERA_SECONDS = 20.0
"""How long a real camera is looked through."""


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@dataclass
class Child:
    """One process of the demo, whose output is passed on line by line."""

    name: str
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, module: str, parameters: dict[str, object], extra: Sequence[str]) -> Child:
        """
        Start a module of this package.

        :param parameters: ROS parameters.
        :param extra: further ROS arguments.
        """
        words = [sys.executable, '-u', '-m', f'handmesh_ros.{module}', '--ros-args', *extra]
        for name, value in parameters.items():
            words += ['-p', f'{name}:={_yaml(value)}']
        process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            env=isolated_environment(),
            # Ctrl-C is for the demo, which then ends its children in order.
            start_new_session=True,
        )
        child = cls(module, process)
        threading.Thread(target=child._pass_on, daemon=True).start()
        return child

    def _pass_on(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            print(f'{self.name:14} | {line.rstrip()}', flush=True)

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def says(self, text: str) -> bool:
        """Whether a line so far had this text."""
        return any(text in line for line in self.lines)

    def stop(self) -> int:
        """Ask the process to end; the exit code, after a kill if it does not listen."""
        if self.is_alive():
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def _yaml(value: object) -> str:
    """A value as ROS reads it from the command line; text stays text, even '0'."""
    return json.dumps(str(value) if isinstance(value, Path) else value)


def run_demo(source: Source, options: argparse.Namespace) -> dict[str, Any]:
    """
    Run the three processes until the source ends.

    :returns: the recorder's report.
    :raises DemoError: if a process fails or time runs out.
    """
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    for old in ('report.json', 'frames.jsonl', 'overlay.mp4', 'contact_sheet.png', 'joints.npz'):
        (out / old).unlink(missing_ok=True)
    children: list[Child] = []
    try:
        play(source, options, out, children)
    finally:
        codes = {child.name: child.stop() for child in sorted(children, key=_order_of_ending)}
    failed = {name: code for name, code in codes.items() if code}
    if failed:
        raise DemoError(
            ', '.join(f'{name} ended with code {code}' for name, code in failed.items())
        )
    report = out / 'report.json'
    if not report.is_file():
        raise DemoError('the recorder wrote no report')
    return json.loads(report.read_text(encoding='utf-8'))


def play(source: Source, options: argparse.Namespace, out: Path, children: list[Child]) -> None:
    """
    Start everything, and wait for the camera to end.

    :param children: processes started are added, also if this fails.
    """
    rate = options.rate or source.rate
    frames_file = out / 'frames.jsonl'
    recorder = {'out': out, 'frames_file': frames_file, 'rate': float(rate)}
    recorder['expected'] = source.count or 0
    children.append(Child.start('demo_recorder', recorder, ()))
    node = {'weights': options.weights, 'device': options.device}
    children.append(Child.start('handmesh_node', node, ('--log-level', 'handmesh_node:=info')))
    wait(children, lambda: children[0].says('Recorder ready'), READY_TIMEOUT, 'the nodes to start')
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
    children.append(Child.start('folder_camera', camera, ()))
    player = children[-1]
    images = source.count if source.count is not None else CAMERA_SECONDS * rate
    limit = options.timeout or 60 + images * max(SECONDS_A_FRAME, 1 / rate)
    wait(children, lambda: not player.is_alive(), limit, 'the source to end')
    if player.process.returncode:
        raise DemoError(f'folder_camera ended with code {player.process.returncode}')


def wait(children: list[Child], is_true: Any, seconds: float, what: str) -> None:
    """
    Wait for something while all processes are well.

    :raises DemoError: if one ends before, or time runs out.
    """
    end = time.monotonic() + seconds
    while not is_true():
        for child in children:
            if child.name not in PLAYERS and not child.is_alive():
                code = child.process.returncode
                raise DemoError(f'{child.name} ended too early, with code {code}')
            if child.says(CANNOT_CONFIGURE):
                raise DemoError(f'{child.name} could not be configured, see above')
        if time.monotonic() > end:
            raise DemoError(f'waited {seconds:.0f} s for {what}')
        time.sleep(0.05)


def summary(report: dict[str, Any], out: Path) -> str:
    """The figures that matter, in a few lines."""
    frames, latency = report['frames'], report['latency_ms']
    topics = ', '.join(f'{name} {topic["count"]}' for name, topic in report['topics'].items())
    return '\n'.join(
        [
            f'images    {frames["answered"]} of {frames["sent"]} answered, '
            f'{frames["dropped"]} dropped, hands in {100 * frames["hands_found_share"]:.0f} %',
            f'latency   median {latency["median"]:.0f} ms, p95 {latency["p95"]:.0f} ms '
            '(image stamp to hands received)',
            f'messages  {topics}',
            f'see       {out}/overlay.mp4, contact_sheet.png, report.json, joints.npz',
        ]
    )


def _order_of_ending(child: Child) -> int:
    """The recorder before the node, so that no topic goes while it listens."""
    return ('folder_camera', 'demo_recorder', 'handmesh_node').index(child.name)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


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
    add('--weights', default='open', help="'open' or a checkpoint")
    add('--device', default='auto', help="'auto', 'cpu' or 'cuda'")
    add('--timeout', type=float, default=0.0, help='seconds until the demo gives up')
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if all went well."""
    options = parse(args)
    # Whoever ends the demo ends its processes with it.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        source = open_source(options.source, topic=options.topic)
        report = run_demo(source, options)
    except (HandmeshError, DemoError, OSError) as error:
        print(f'demo failed: {error}', file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print('demo stopped', file=sys.stderr, flush=True)
        return 130
    print(summary(report, Path(options.out)), flush=True)
    if not report['frames']['answered']:
        print('demo failed: no image was answered', file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
