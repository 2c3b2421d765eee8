"""The processes of a demo: started together, watched, heard, and ended in order."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from handmesh_model.errors import HandmeshError
from handmesh_ros import stop_signals
from handmesh_ros.isolation import isolated_environment

CANNOT_CONFIGURE = 'cannot configure'
"""What handmesh_node says when it will not get going; it stays alive for the user to help it."""
READY_TIMEOUT = 180.0
"""Seconds for the nodes to start; PyTorch alone may take a minute on a cold, busy machine."""
STOP_TIMEOUT = 30.0
SECONDS_A_FRAME = 3.0
"""Beyond that, a demo is taken to hang."""
_LOOK_PERIOD = 0.05


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@dataclass
class Child:
    """One process, whose output is passed on line by line."""

    name: str
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @classmethod
    def start(
        cls, module: str, parameters: Mapping[str, object], words: Sequence[str] = ()
    ) -> Child:
        """
        Start a module of this package.

        :param parameters: ROS parameters.
        :param words: further ROS arguments.
        """
        command = [sys.executable, '-u', '-m', f'handmesh_ros.{module}', '--ros-args', *words]
        for name, value in parameters.items():
            command += ['-p', f'{name}:={_yaml(value)}']
        process = subprocess.Popen(
            command,
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
            # Where nobody listens any more, the child must not come to wait for somebody to.
            with suppress(OSError):
                print(f'{self.name:14} | {line.rstrip()}', flush=True)

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def says(self, text: str) -> bool:
        """Whether a line so far had this text."""
        return any(text in line for line in list(self.lines))

    def stop(self) -> int:
        """Ask the process to end; see :func:`end_processes`."""
        return end_process(self.process)


def _end(process: subprocess.Popen[Any]) -> int:
    """The exit code of a process that is asked to end, and killed if it does not listen."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def end_process(process: subprocess.Popen[Any]) -> int:
    """Ask one process to end; see :func:`end_processes`."""
    return end_processes([process])[0]


def end_processes(processes: Sequence[subprocess.Popen[Any]]) -> list[int]:
    """
    Ask processes to end, each when the one before has; their exit codes.

    They may take their time, and no signal keeps any of them from being ended. The first one,
    which may be what has led here, only asks; one that comes more than
    :data:`~handmesh_ros.stop_signals.IMPATIENCE` after it kills them all. Once they have ended, a
    first one is for whoever handles signals outside, unless an error ends the caller anyway.
    """
    error = sys.exc_info()[1]
    has_led_here = isinstance(error, KeyboardInterrupt) or stop_signals.is_stop_requested()
    asked = time.monotonic() if has_led_here else None
    came: list[int] = []

    def heed(number: int, frame: object) -> None:
        nonlocal asked
        came.append(number)
        now = time.monotonic()
        if asked is None:
            asked = now
        elif now - asked > stop_signals.IMPATIENCE:
            for process in processes:
                process.kill()

    with stop_signals.handled_by(heed):
        codes = [_end(process) for process in processes]
    if came and not has_led_here and error is None:
        signal.raise_signal(came[0])
    return codes


def _yaml(value: object) -> str:
    """A value as ROS reads it from the command line; text stays text, even '0'."""
    return json.dumps(str(value) if isinstance(value, Path) else value)


class Children:
    """
    The processes of a demo, as a block; at its end they are ended, however it is left.

    :param ending: names of those to be ended first, in order. Recorders come before the nodes that
        they listen to, so that no topic goes while they do.
    :raises DemoError: at the end of the block, if one ended with an error and nothing else failed.
    """

    def __init__(self, ending: Sequence[str] = ()) -> None:
        self._ending = list(ending)
        self._children: list[Child] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        children = sorted(self._children, key=self._turn)
        codes = end_processes([child.process for child in children])
        failed = [
            f'{child.name} ended with code {code}'
            for child, code in zip(children, codes, strict=True)
            if code
        ]
        if failed and kind is None:
            raise DemoError(', '.join(failed))

    def __len__(self) -> int:
        return len(self._children)

    def _turn(self, child: Child) -> int:
        names = self._ending
        return names.index(child.name) if child.name in names else len(names)

    def start(
        self, module: str, parameters: Mapping[str, object], words: Sequence[str] = ()
    ) -> Child:
        """Start one more; see :meth:`Child.start`."""
        child = Child.start(module, parameters, words)
        self._children.append(child)
        return child

    def wait(
        self, is_true: Callable[[], bool], seconds: float, what: str, may_end: Child | None = None
    ) -> None:
        """
        Wait for something while all processes are well.

        :param what: is waited for, for the error.
        :param may_end: the one that need not stay alive.
        :raises DemoError: if another ends before, one cannot be configured, or time runs out.
        """
        end = time.monotonic() + seconds
        while not is_true():
            for child in self._children:
                if child is not may_end and not child.is_alive():
                    code = child.process.returncode
                    raise DemoError(f'{child.name} ended too early, with code {code}')
                if child.says(CANNOT_CONFIGURE):
                    raise DemoError(f'{child.name} could not be configured, see above')
            if time.monotonic() > end:
                raise DemoError(f'waited {seconds:.0f} s for {what}')
            time.sleep(_LOOK_PERIOD)

    def play(
        self, module: str, parameters: Mapping[str, object], seconds: float, what: str
    ) -> Child:
        """
        Start the process that plays a source, and wait for it to end.

        :returns: that process.
        :raises DemoError: as :meth:`wait`, and if the player fails.
        """
        player = self.start(module, parameters)
        self.wait(lambda: not player.is_alive(), seconds, f'{what} to end', may_end=player)
        if player.process.returncode:
            raise DemoError(f'{module} ended with code {player.process.returncode}')
        return player


def make_room(out: Path, names: Sequence[str]) -> None:
    """Make a folder for results, and take away those of an earlier run."""
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        (out / name).unlink(missing_ok=True)


def read_report(out: Path) -> dict[str, Any]:
    """
    The report that a recorder wrote.

    :raises DemoError: if there is none.
    """
    path = out / 'report.json'
    if not path.is_file():
        raise DemoError('the recorder wrote no report')
    return json.loads(path.read_text(encoding='utf-8'))


def run_as_command(run: Callable[[], int]) -> int:
    """
    Run a demo; whoever ends it, by a signal to stop, ends its processes with it.

    :param run: gives the exit code.
    :returns: that code, 1 if the demo failed, which is said, 130 if it was stopped.
    """
    try:
        with stop_signals.handled_by(interrupt):
            return run()
    except (HandmeshError, DemoError, OSError) as error:
        print(f'demo failed: {error}', file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print('demo stopped', file=sys.stderr, flush=True)
        return 130


def interrupt(number: int, frame: object) -> None:
    """Handle a signal as Python handles Ctrl-C, for :func:`stop_signals.handled_by`."""
    raise KeyboardInterrupt
