"""One process or many: who this rank is, and how the command starts ranks by itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist

from handmesh_model.training import stop_signals

# Training on a CPU frees and takes the same large blocks again and again; handing them back to the
# system each time costs up to a fifth of the speed in page faults.
KEEP_MEMORY = {'MALLOC_TRIM_THRESHOLD_': '8589934592', 'MALLOC_MMAP_THRESHOLD_': '4294967296'}
PATIENCE_SECONDS = 60.0


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

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank; all ranks must ask."""
        if self.count == 1:
            return flag
        told = torch.tensor([float(flag)], device=self.device)
        dist.all_reduce(told, dist.ReduceOp.MAX)
        return bool(told.item())

    def barrier(self) -> None:
        """Wait for all ranks."""
        if self.count > 1:
            self.any(False)


def join_ranks() -> Ranks:
    """
    Join the process group that the environment describes (torchrun's variables), if there is one.

    NCCL on CUDA, gloo elsewhere.
    """
    rank, count = int(os.environ.get('RANK', 0)), int(os.environ.get('WORLD_SIZE', 1))
    if torch.cuda.is_available():
        device = torch.device('cuda', int(os.environ.get('LOCAL_RANK', 0)))
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


def launch(command: Sequence[str], ranks: int, threads: int) -> int:
    """
    Run a command once a rank on this machine and wait; what torchrun does, without its waiting
    times.

    SIGTERM and SIGINT are passed on, so that the ranks can save. If a rank fails, the others are
    ended.

    :param command: arguments after the Python interpreter.
    :param threads: OpenMP threads of each rank; 0 leaves the environment's.
    :returns: exit status: 0, or the first failure's.
    """
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    environment = {**KEEP_MEMORY, **os.environ, 'WORLD_SIZE': str(ranks)}
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

    with stop_signals.asking(pass_on):
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
        failed = failed or next((c for c in codes if c), 0)
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
