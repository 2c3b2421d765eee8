"""
What a run needs to go on after a kill: one file, written so that a kill while writing leaves the
one before.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from filelock import FileLock, Timeout
from torch import nn
from torch.optim import Optimizer

from handmesh_model.checkpoints import read_torch_file, state_problems
from handmesh_model.errors import CheckpointError, ConfigError
from handmesh_model.output_files import written_beside
from handmesh_model.training.ema import WeightAverage
from handmesh_model.training.optimizers import OptimizerSet, load_state

LAST = 'last.pt'
UNSHAPED = ('depth_axis', 'offset')
"""Entries of a network's configuration that say what weights mean and that no shape shows."""
_UNFIT = (AttributeError, RuntimeError, TypeError, ValueError)
"""What contents of another kind than expected raise where they are used."""


Stamp = tuple[int, int]


@dataclass
class RunState:
    """
    :param step: optimizer steps done.
    :param samples: training samples seen, over all ranks.
    :param seconds: training time spent, over all starts.
    :param best: lowest validation error so far.
    :param history: figures of each validation, with the samples seen.
    :param measured_on: the samples that ``best`` is of, by
        :func:`~handmesh_model.training.validation.samples_digest`; '' where nothing tells it, as
        in older files.
    :param network: the entries :data:`UNSHAPED` of the network's configuration; empty in older
        files.
    """

    step: int = 0
    samples: int = 0
    seconds: float = 0.0
    best: float = float('inf')
    history: list[dict[str, float]] = field(default_factory=list)
    measured_on: str = ''
    network: dict[str, Any] = field(default_factory=dict)

    def measure_on(self, digest: str) -> bool:
        """
        Count what is measured on these samples from now on.

        :returns: :meth:`are_others` as it was before; the lowest error then counts no more.
        """
        are_others = self.are_others(digest)
        if are_others:
            self.best = float('inf')
        self.measured_on = digest
        return are_others

    def are_others(self, digest: str) -> bool:
        """
        Whether samples are others than those that ``best`` is of.

        Digests of another kind, as older files have, do not tell.
        """
        is_comparable = self.measured_on.partition(':')[0] == digest.partition(':')[0]
        return is_comparable and self.measured_on != digest


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """
    Keep other runs out of a folder: two would write over each other's files.

    :raises ConfigError: if another run is at work there.
    """
    lock = FileLock(folder / 'run.lock', timeout=0)
    try:
        with suppress(NotImplementedError):  # some file systems have no locks
            lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"output is '{folder}', where another run is at work; expected a folder of its own"
        ) from error
    try:
        yield
    finally:
        lock.release()


def stamp_of(path: Path) -> Stamp | None:
    """What tells a file from one that takes its place; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


def check_unchanged(path: Path, stamp: Stamp | None) -> None:
    """
    Find out whether a run goes on from what another has left behind since.

    :param path: ``last.pt``, in a folder that is locked.
    :param stamp: its own, taken before it was read.
    :raises ConfigError: if it is another file now.
    """
    if stamp_of(path) != stamp:
        raise ConfigError(
            f"'{path}' was written since this run looked for it, by another run that has ended; "
            'start again, to go on from there'
        )


def save_run(
    folder: Path,
    state: RunState,
    net: nn.Module,
    average: WeightAverage[Any] | None,
    optimizer: Optimizer | OptimizerSet,
) -> Path:
    """
    Write ``last.pt``; returns its path.

    :raises OutputError: if it cannot be written; the one before stays.
    """
    stored: dict[str, Any] = {
        'state': vars(state),
        'net': net.state_dict(),
        'optimizer': optimizer.state_dict(),
    }
    if average is not None:
        stored |= {'average': _differences(net, average), 'average_updates': average.updates}
    path = folder / LAST
    with written_beside(path) as part, part.open('wb') as file:
        _write(stored, file)
        file.flush()
        os.fsync(file.fileno())
    return path


def _write(stored: Mapping[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(stored, file)
    except RuntimeError as error:
        # After a write that failed, torch still ends its file, complains of the gap, and so hides
        # what went wrong.
        cause = error.__context__
        if isinstance(cause, OSError):
            raise cause from None
        raise


def keep_beside(path: Path, measured_on: str) -> None:
    """
    Copy weights that are about to be replaced to ``NAME-before-DIGEST.safetensors``, or, where
    something has that name, to ``NAME-before-DIGEST-2.safetensors`` and so on.

    :param path: there may be none.
    :param measured_on: as of :class:`RunState`; the first 8 digits of it are in the name.
    :raises OutputError: if the copy cannot be written.
    """
    if not path.is_file():
        return
    stem = f'{path.stem}-before-{measured_on.rpartition(":")[2][:8] or "unknown"}'
    target, number = path.with_name(f'{stem}{path.suffix}'), 1
    while target.exists():
        number += 1
        target = path.with_name(f'{stem}-{number}{path.suffix}')
    # A copy, so that a kill before the next weights are written leaves some under each name.
    with written_beside(target) as part:
        shutil.copyfile(path, part)


def load_run(
    path: Path,
    net: nn.Module,
    average: WeightAverage[Any] | None,
    optimizer: Optimizer | OptimizerSet,
) -> RunState:
    """
    Bring network, average and optimizer to where the file was written; settings of the optimizer
    stay as they are.

    :raises CheckpointError: if the file is damaged or belongs to another network.
    """
    complaint = f"cannot resume from '{path}'"
    stored = read_torch_file(path, complaint)
    if not isinstance(stored, dict):
        raise CheckpointError(f'{complaint}: it holds a {type(stored).__name__}, expected a dict')
    try:
        problems = state_problems(net.state_dict(), stored['net'])
        if problems:
            raise CheckpointError(
                f'{complaint}: it is of another network, {len(problems)} of its weights do not '
                f'fit; {problems[0]}'
            )
        net.load_state_dict(stored['net'])
        load_state(optimizer, stored['optimizer'])
        if average is not None:
            average.net.load_state_dict(net.state_dict())
            for name, parameter in average.net.named_parameters():
                parameter.data += (
                    stored.get('average', {}).get(name, torch.zeros(())).to(parameter)
                )
            average.updates = stored.get('average_updates', 0)
        return RunState(**stored['state'])
    except KeyError as error:
        raise CheckpointError(
            f'{complaint}: it lacks {error}, as if of another network or optimizer'
        ) from error
    except _UNFIT as error:
        raise CheckpointError(f'{complaint}: {error}') from error


def check_network(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """
    :param path: what is resumed from.
    :param before: :data:`UNSHAPED` entries of its network, those that are known.
    :param now: those of the network to train.
    :raises CheckpointError: if one differs.
    """
    for name, value in now.items():
        old = before.get(name, value)
        if old != value:
            raise CheckpointError(
                f"cannot resume from '{path}': its network has {name} {old!r}, the one to train "
                f'has {value!r}; expected the same (--set network_options.{name}={old}), or an '
                'output folder of its own'
            )


def _differences(net: nn.Module, average: WeightAverage[Any]) -> dict[str, torch.Tensor]:
    """
    Average minus weights in half precision, which keeps the file small.

    Training does not depend on the average, so this rounding cannot change its course.
    """
    present = dict(net.named_parameters())
    return {
        name: (value - present[name].detach()).to('cpu', torch.float16)
        for name, value in average.net.named_parameters()
    }
