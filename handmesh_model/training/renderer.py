"""
The process that renders training samples: ``python -m handmesh_model.training.renderer``, started
by the trainer.

It imports no torch, uses one thread, stands back behind the trainer and leaves when the trainer
says so or is gone. Signals that ask for an end are left to the trainer.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from handmesh_model.errors import ConfigError
from handmesh_model.sample_rng import sample_rng
from handmesh_model.training.sample_pool import PoolLayout, SamplePool

Render = Callable[[np.random.Generator, int], dict[str, Any]]
WAIT_SECONDS = 0.02


def scene_renderer() -> Render:
    """Render the open hand in random scenes."""
    from handmesh_model.synthesis.hand_model import HandModel
    from handmesh_model.synthesis.scenes import render_crop_sample

    model = HandModel.load()
    return lambda rng, size: render_crop_sample(rng, model, size)


def load_renderer(name: str) -> Render:
    """
    Make the render function that a configuration names.

    :param name: 'module:function' of a function that returns it.
    :raises ConfigError: if there is no such function.
    """
    module, _, function = name.partition(':')
    try:
        factory = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"data.renderer is '{name}', which cannot be loaded: {error}") from error
    return factory()


def fill(
    pool: SamplePool, worker: int, render: Render, key: list[int], alive: Callable[[], bool]
) -> None:
    """
    Render into the pool until told to stop, never more than allowed.

    :param worker: which of the pool's workers this is.
    :param key: what sample seeds start with; the number of the sample follows.
    :param alive: whether the trainer is still there.
    """
    workers = pool.layout.workers
    first = int(pool.finished[worker])
    while not pool.stopped and alive():
        turn = int(pool.finished[worker])
        if turn * workers + worker >= pool.allowed:
            time.sleep(WAIT_SECONDS)
            continue
        rng = sample_rng(*key, first, turn)
        pool.put(worker, render(rng, pool.layout.size))


def main() -> None:
    """Run one renderer, told what to do by a JSON argument."""
    # Slurm and systemd ask every process: the trainer may still have a step to end, and to save.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    told = json.loads(sys.argv[1])
    os.nice(told['nice'])
    pool = SamplePool(PoolLayout(**told['layout']), told['descriptor'])
    render = load_renderer(told['renderer'])
    # By its id: a trainer killed while this process was starting is no parent any more.
    fill(pool, told['worker'], render, told['key'], lambda: os.getppid() == told['trainer'])


if __name__ == '__main__':
    main()
