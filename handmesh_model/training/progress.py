"""
One line that says how far a run is and when it will be done: a bar on a terminal, plain lines
elsewhere.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TextIO


def duration(seconds: float) -> str:
    """Seconds as '45 s', '12 min' or '3 h 20 min'."""
    if seconds < 90:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    return f'{minutes} min' if minutes < 90 else f'{minutes // 60} h {minutes % 60:02d} min'


class Progress:
    """
    Progress of a run counted in samples.

    :param total: samples of the whole run.
    :param done: samples seen before this process started.
    :param stream: where the line goes.
    """

    def __init__(self, total: int, done: int, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.total = total
        self._mark = (time.monotonic(), done)
        self._bar = None
        if self.stream.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=total, initial=done, unit=' img', file=self.stream, smoothing=0.05
            )

    def update(
        self, done: int, values: Mapping[str, float], seconds_left: float | None = None
    ) -> float:
        """
        Show where the run is.

        :param done: samples seen.
        :param values: figures to show, in this order.
        :param seconds_left: what is known of the time left, if not the total decides.
        :returns: samples a second since the last update.
        """
        now = time.monotonic()
        rate = (done - self._mark[1]) / max(now - self._mark[0], 1e-9)
        self._mark = (now, done)
        figures = '  '.join(f'{name} {value:.4g}' for name, value in values.items())
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
            self._bar.set_postfix_str(figures)
            return rate
        left = (self.total - done) / max(rate, 1e-9)
        if seconds_left is not None:
            left = max(0.0, min(left, seconds_left))
        self.say(f'{done:,} of {self.total:,}  {figures}  {rate:.0f} img/s  {duration(left)} left')
        return rate

    def rest(self) -> None:
        """Start counting anew: what took place since the last update was not training."""
        self._mark = (time.monotonic(), self._mark[1])

    def say(self, line: str) -> None:
        """Print a line that stays."""
        if self._bar is not None:
            self._bar.write(line, file=self.stream)
        else:
            print(time.strftime('%H:%M:%S'), line, file=self.stream, flush=True)

    def close(self) -> None:
        """Finish the bar."""
        if self._bar is not None:
            self._bar.close()
