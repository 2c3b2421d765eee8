"""MediaPipe Hands as a peer to measure beside; it runs in a Python of its own, which has it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handmesh_model.errors import BackendError

WORKER = Path(__file__).with_name('mediapipe_worker.py')


class Answer(NamedTuple):
    """How long the peer took for a frame, on the clock and of the processors, and what it saw."""

    wall_ms: float
    cpu_ms: float
    hands: int


class Peer:
    """
    A process that shows frames to MediaPipe in video mode, one at a time, when asked.

    MediaPipe needs older packages than this project does, hence the other interpreter. Its video
    mode takes the frames' order, not their times.

    :param python: an interpreter that imports mediapipe.
    :param max_hands: looked for in a frame.
    :raises BackendError: if it does not.
    """

    def __init__(self, python: str, max_hands: int = 2) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            self._process = subprocess.Popen(
                [python, str(WORKER), str(max_hands)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
            )
        except OSError as error:
            self._log.close()
            raise BackendError(f"cannot start '{python}' for MediaPipe: {error}") from error
        self.version = str(self._read()['version'])

    def show(self, rgb: np.ndarray) -> Answer:
        """
        Let MediaPipe look at the next frame.

        :param rgb: (H, W, 3) uint8.
        :raises BackendError: if its process has ended.
        """
        pipe = self._process.stdin
        assert pipe is not None
        head = json.dumps({'height': rgb.shape[0], 'width': rgb.shape[1]})
        try:
            pipe.write(head.encode() + b'\n' + rgb.tobytes())
            pipe.flush()
        except OSError as error:
            raise self._failure() from error
        answer = self._read()
        return Answer(float(answer['wall_ms']), float(answer['cpu_ms']), int(answer['hands']))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it may have ended already
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._failure()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failure(self) -> BackendError:
        self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors='replace').strip().splitlines()
        return BackendError(f'MediaPipe ended: {lines[-1] if lines else "it said nothing"}')
