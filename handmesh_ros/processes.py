"""The processes of a demo or a benchmark: started, watched, heard, and ended in order."""

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
RECORDER_READY = 'Recorder ready'
"""What the recorders say once they hear what they record; a camera may start then."""
ROBOT_READY = 'Robot ready'
"""What robot_sim says once it hears the teleoperation; a camera may start then."""
READY_TIMEOUT = 180.0
"""Seconds for the nodes to start; PyTorch alone may take a minute on a cold, busy machine."""
STOP_TIMEOUT = 30.0
SECONDS_A_FRAME = 3.0
"""Beyond that, a demo is taken to hang."""
_LOOK_PERIOD = 0.05
_LAST_WORDS = 1.0
"""Seconds at most until the last line of a process that has ended has come."""


class RunError(HandmeshError):
    """A demo, a soak or a benchmark cannot go on; the message says why."""


@dataclass
class Child:
    """
    One process, whose output is kept line by line.

    :param echo: whether its output is passed on as well.
    """

    name: str
    process: subprocess.Popen[str]
    echo: bool = True
    lines: list[str] = field(default_factory=list)
    _reader: threading.Thread | None = None

    @classmethod
    def start(cls, module: str, arguments: Sequence[str] = (), echo: bool = True) -> Child:
        """
        Start a module of this package.

        :param arguments: of its command line; see :func:`ros_arguments`.
        """
        process = subprocess.Popen(
            [sys.executable, '-u', '-m', f'handmesh_ros.{module}', *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            env=isolated_environment(),
            # Ctrl-C is for whoever starts it, who then ends all children in order.
            start_new_session=True,
        )
        child = cls(module, process, echo)
        child._reader = threading.Thread(target=child._read, daemon=True)
        child._reader.start()
        return child

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if self.echo:
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
        return end_processes([self.process])[0]

    def check(self) -> None:
        """
        Make sure that it has not failed.

        :raises RunError: if it has ended with an error.
        """
        if self.process.poll():
            raise self.failure(f'ended with code {self.process.returncode}')

    def failure(self, what: str) -> RunError:
        """
        The error to raise for it.

        :param what: has become of it; where its output is not passed on, its last words are told
            instead.
        """
        if self.echo:
            return RunError(f'{self.name} {what}')
        if self._reader is not None and not self.is_alive():
            self._reader.join(_LAST_WORDS)
        said = [line.strip() for line in list(self.lines) if line.strip()]
        return RunError(f'{self.name} failed: {said[-1] if said else "it said nothing"}')


def _end(process: subprocess.Popen[Any]) -> int:
    """The exit code of a process that is asked to end, and killed if it does not listen."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


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


def ros_arguments(parameters: Mapping[str, object], words: Sequence[str] = ()) -> list[str]:
    """
    The command line of a node.

    :param parameters: ROS parameters.
    :param words: further ROS arguments.
    """
    pairs = (('-p', f'{name}:={_yaml(value)}') for name, value in parameters.items())
    return ['--ros-args', *words, *(word for pair in pairs for word in pair)]


def _yaml(value: object) -> str:
    """A value as ROS reads it from the command line; text stays text, even '0'."""
    return json.dumps(str(value) if isinstance(value, Path) else value)


class Children:
    """
    Processes that belong together, as a block; at its end they are ended, however it is left.

    :param ending: names of those to be ended first, in order. Recorders come before the nodes that
        they listen to, so that no topic goes while they do.
    :param echo: whether their output is passed on.
    :param must_end_well: whether an error counts that one ends with when it is asked to; else it
        is only said.
    :raises RunError: at the end of the block, for such an error, if nothing else failed.
    """

    def __init__(
        self, ending: Sequence[str] = (), echo: bool = True, must_end_well: bool = True
    ) -> None:
        self._ending = list(ending)
        self._echo = echo
        self._must_end_well = must_end_well
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
            text = ', '.join(failed)
            if self._must_end_well:
                raise RunError(text)
            print(text, file=sys.stderr, flush=True)

    def _turn(self, child: Child) -> int:
        names = self._ending
        return names.index(child.name) if child.name in names else len(names)

    def start(self, module: str, arguments: Sequence[str] = ()) -> Child:
        """Start one more; see :meth:`Child.start`."""
        child = Child.start(module, arguments, self._echo)
        self._children.append(child)
        return child

    def wait(
        self, is_true: Callable[[], bool], seconds: float, what: str, may_end: Child | None = None
    ) -> None:
        """
        Wait for something while all processes are well.

        :param what: is waited for, for the error.
        :param may_end: the one that need not stay alive.
        :raises RunError: if another ends before, one cannot be configured, or time runs out.
        """
        end = time.monotonic() + seconds
        while not is_true():
            for child in self._children:
                if child is not may_end and not child.is_alive():
                    code = child.process.returncode
                    raise child.failure(f'ended too early, with code {code}')
                if child.says(CANNOT_CONFIGURE):
                    raise child.failure('could not be configured, see above')
            if time.monotonic() > end:
                raise RunError(f'waited {seconds:.0f} s for {what}')
            time.sleep(_LOOK_PERIOD)

    def play(self, module: str, arguments: Sequence[str], seconds: float, what: str) -> Child:
        """
        Start the process that plays a source, and wait for it to end.

        :returns: that process.
        :raises RunError: as :meth:`wait`, and if the player fails.
        """
        player = self.start(module, arguments)
        self.wait(lambda: not player.is_alive(), seconds, f'{what} to end', may_end=player)
        player.check()
        return player


def make_room(out: Path, names: Sequence[str]) -> None:
    """Make a folder for results, and take away those of an earlier run."""
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        (out / name).unlink(missing_ok=True)


def read_report(out: Path) -> dict[str, Any]:
    """
    The report that a recorder wrote.

    :raises RunError: if there is none.
    """
    path = out / 'report.json'
    if not path.is_file():
        raise RunError('the recorder wrote no report')
    return json.loads(path.read_text(encoding='utf-8'))


def run_as_command(run: Callable[[], int], name: str = 'demo') -> int:
    """
    Run a program; whoever ends it, by a signal to stop, ends its processes with it.

    :param run: gives the exit code.
    :param name: of the program, for what is said of it.
    :returns: that code, 1 if it failed, which is said, 130 if it was stopped.
    """
    try:
        with stop_signals.handled_by(interrupt):
            return run()
    except (HandmeshError, OSError) as error:
        print(f'{name} failed: {error}', file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print(f'{name} stopped', file=sys.stderr, flush=True)
        return 130


def interrupt(number: int, frame: object) -> None:
    """Handle a signal as Python handles Ctrl-C, for :func:`stop_signals.handled_by`."""
    raise KeyboardInterrupt
