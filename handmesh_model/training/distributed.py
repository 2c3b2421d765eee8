"""One process or many: who this rank is, and how the command starts ranks by itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from handmesh_model.errors import ConfigError, HandmeshError
from handmesh_model.training import stop_signals

# Training on a CPU frees and takes the same large blocks again and again; handing them back to the
# system each time costs up to a fifth of the speed in page faults.
KEEP_MEMORY = {'MALLOC_TRIM_THRESHOLD_': '8589934592', 'MALLOC_MMAP_THRESHOLD_': '4294967296'}
PATIENCE_SECONDS = 60.0
FAILED = 'HANDMESH_FAILED'
"""Environment variable: the file that the first failing rank of a launch makes."""
LAUNCHER = 'HANDMESH_LAUNCHER'
"""Environment variable: the process that started the ranks of a launch."""


class PeerError(HandmeshError):
    """Another rank is gone; what it died of is its own to say."""


@dataclass(frozen=True)
class Ranks:
    """
    This process among its peers.

    :param rank: 0-based number of this process.
    :param count: number of processes.
    :param device: where this one computes.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process logs, validates and saves."""
        return self.rank == 0

    def most(self, *values: float) -> list[float]:
        """
        The largest of each value over all ranks; all ranks must ask.

        :raises PeerError: if another rank is gone.
        """
        if self.count == 1:
            return list(values)
        told = torch.tensor(values, dtype=torch.float64, device=self.device)
        reduce_over_ranks(told, largest=True)
        return told.tolist()

    def span(self, value: float) -> tuple[float, float]:
        """
        The smallest and the largest of a value over all ranks; all ranks must ask.

        :raises PeerError: if another rank is gone.
        """
        most, negated_least = self.most(value, -value)
        return -negated_least, most


def reduce_over_ranks(tensor: Tensor, largest: bool = False) -> None:
    """
    Replace each number of a tensor by its sum over all ranks.

    :param largest: take the largest instead.
    :raises PeerError: if another rank is gone, as far as the backend says so at once (gloo).
    """
    try:
        dist.all_reduce(tensor, dist.ReduceOp.MAX if largest else dist.ReduceOp.SUM)
    except RuntimeError as error:
        # On CUDA it may be any error of the device, from long before.
        if tensor.device.type != 'cpu':
            raise
        raise PeerError(f'another rank is gone ({error})') from error


def join_ranks() -> Ranks:
    """
    Join the process group that the environment describes (torchrun's variables), if there is one.

    NCCL on CUDA, gloo elsewhere.

    :raises ConfigError: if this machine has fewer GPUs than ranks.
    """
    rank, count = int(os.environ.get('RANK', 0)), int(os.environ.get('WORLD_SIZE', 1))
    if torch.cuda.is_available():
        local, devices = int(os.environ.get('LOCAL_RANK', 0)), torch.cuda.device_count()
        if local >= devices:
            raise ConfigError(
                f'LOCAL_RANK is {local}, expected less than {devices}, the GPUs that PyTorch sees '
                f'on this machine; start fewer ranks with --set ranks={devices}'
            )
        device = torch.device('cuda', local)
        torch.cuda.set_device(device)
    else:
        device = torch.device('cpu')
    if count > 1:
        dist.init_process_group('nccl' if device.type == 'cuda' else 'gloo')
    return Ranks(rank, count, device)


def leave_ranks(ranks: Ranks) -> None:
    """Leave the process group."""
    if ranks.count > 1 and dist.is_initialized():
        dist.destroy_process_group()


def is_first_to_fail() -> bool:
    """
    Whether no other rank of this launch has asked this before: one error is told once, not by
    every rank.

    True under torchrun, whose ranks do not know of each other's end.
    """
    path = os.environ.get(FAILED)
    if path is None:
        return True
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    except OSError:  # rather twice than not at all
        return True
    return True


def is_abandoned() -> bool:
    """
    Whether the command that started this rank was killed: signals reach the rank no more, and
    nobody ends it if another one fails.

    False under torchrun and where there is no command but this process.
    """
    launcher = os.environ.get(LAUNCHER)
    # By its id: in a container the command may be process 1, which elsewhere takes in orphans.
    return launcher is not None and os.getppid() != int(launcher)


def launch(command: Sequence[str], ranks: int, threads: int) -> int:
    """
    Run a command once a rank on this machine and wait; what torchrun does, without its waiting
    times.

    SIGTERM and SIGINT are passed on, so that the ranks can save; where this process is killed they
    find out by :func:`is_abandoned`. If a rank fails, the others are ended; a rank that a signal
    ended, which cannot say so itself, is named.

    :param command: arguments after the Python interpreter.
    :param threads: OpenMP threads of each rank; 0 leaves the environment's.
    :returns: exit status: 0, or the first failure's.
    """
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    environment = {**KEEP_MEMORY, **os.environ, 'WORLD_SIZE': str(ranks)}
    environment[LAUNCHER] = str(os.getpid())
    environment |= {'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(port)}
    if threads:
        environment['OMP_NUM_THREADS'] = str(threads)
    processes: list[subprocess.Popen] = []
    is_told = False

    def pass_on() -> None:
        nonlocal is_told
        is_told = True
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)

    with tempfile.TemporaryDirectory(prefix='handmesh-') as folder, stop_signals.asking(pass_on):
        environment[FAILED] = str(Path(folder) / 'failed')
        for rank in range(ranks):
            ours = {**environment, 'RANK': str(rank), 'LOCAL_RANK': str(rank)}
            processes.append(subprocess.Popen([sys.executable, *command], env=ours))
        if is_told:  # while some were not started yet
            pass_on()
        return _wait(processes)


def _wait(processes: list[subprocess.Popen]) -> int:
    failed, deadline = 0, float('inf')
    while True:
        codes = [process.poll() for process in processes]
        if not failed and any(codes):
            rank, failed = next((i, code) for i, code in enumerate(codes) if code)
            if failed < 0:
                print(f'rank {rank} was ended by signal {-failed}', file=sys.stderr)
        if all(code is not None for code in codes):
            return abs(failed)
        if failed and deadline == float('inf'):
            deadline = time.monotonic() + PATIENCE_SECONDS
            for process in processes:
                if process.poll() is None:
                    process.terminate()
        if time.monotonic() > deadline:
            for process in processes:
                process.kill()
        time.sleep(0.1)
