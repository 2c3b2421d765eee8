"""Going through the cells of an ablation; finished ones are kept, a broken one goes on."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from handmesh_model.checkpoints import load_network
from handmesh_model.datasets.files import read_json
from handmesh_model.errors import ConfigError, DatasetError
from handmesh_model.output_files import write_json, written_beside
from handmesh_model.training.ablation.measure import check_measurable, measure
from handmesh_model.training.ablation.variants import Cell, completed
from handmesh_model.training.config import ValidationConfig
from handmesh_model.training.distributed import Ranks
from handmesh_model.training.progress import duration
from handmesh_model.training.run_state import LAST
from handmesh_model.training.trainer import LAST_WEIGHTS, Trainer

CELL, RESULT, LOCK = 'cell.json', 'result.json', 'lock'
SHOWN = ('pa_mpjpe_mm', 'pa_mpvpe_mm', 'hand_miou', 'finger_miou')
"""Figures to print of each cell."""
_WAY_OUT = "remove the cell's folder to train it again"
Result = dict[str, Any]


def run_cells(cells: Sequence[Cell], ranks: Ranks, shared: Path) -> None:
    """
    Train and measure the cells that are not done.

    Several processes may do this at once, each takes cells that no other works on.

    :param ranks: this process, alone.
    :param shared: folder for what all cells use.
    :raises ConfigError: if a cell's folder holds a run of another configuration or a damaged file.
    :raises KeyboardInterrupt: if a signal stopped a run, which is saved then.
    """
    for cell in cells:
        check_cell(cell)
    for number, cell in enumerate(cells, 1):
        if result_of(cell) is not None:
            continue
        with _locked(cell.folder) as free:
            # Another process may have finished it in the meantime.
            if not free or result_of(cell) is not None:
                continue
            _say(f'cell {number} of {len(cells)}: {cell.title}{_outlook(cells)}')
            figures = _train_and_measure(cell, ranks, shared)
            shown = '  '.join(f'{k} {v:.4g}' for k, v in figures.items() if k in SHOWN)
            _say(f'{cell.title}: {shown}')


def result_of(cell: Cell) -> Result | None:
    """
    What is known of a finished cell.

    :raises ConfigError: if the file that tells it is damaged.
    """
    path = cell.folder / RESULT
    if not path.is_file():
        return None
    result = _read(path)
    if not isinstance(result.get('figures'), dict) or 'seconds' not in result:
        raise ConfigError(
            f"'{path}' has the entries {sorted(result)}, expected figures and seconds among them; "
            f'{_WAY_OUT}'
        )
    return result


def check_cell(cell: Cell) -> None:
    """
    :raises ConfigError: if the cell's folder holds a run of another configuration, or the file
        that tells of it is damaged.
    """
    path = cell.folder / CELL
    if not path.is_file():
        return
    before, now = completed(_read(path)), cell.description()
    different = [f'{name} was {old}, is {new}' for name, old, new in _differences(before, now)]
    if different:
        raise ConfigError(
            f"'{cell.folder}' holds a run of another configuration ({'; '.join(different[:3])}); "
            'expected the same, or another output folder'
        )


def _train_and_measure(cell: Cell, ranks: Ranks, shared: Path) -> dict[str, float]:
    cell.folder.mkdir(parents=True, exist_ok=True)
    # Others look at it meanwhile. With all digits, or the cell would not be its own again.
    with written_beside(cell.folder / CELL) as part:
        part.write_text(json.dumps(cell.description(), indent=1) + '\n')
    # Not after hours.
    check_measurable(cell.config)
    # The samples to measure on would only be drawn again for each cell.
    config = replace(cell.config, validation=ValidationConfig(samples=0))
    trainer = Trainer(config, ranks)
    state = trainer.run()
    if state.samples < config.total_samples:
        raise KeyboardInterrupt
    net = load_network(cell.folder / LAST_WEIGHTS)
    figures = measure(cell.config, net, shared, ranks.device)
    result = {
        'variant': cell.variant,
        'seed': cell.seed,
        'figures': figures,
        'samples': state.samples,
        'seconds': state.seconds,
        'parameters': sum(p.numel() for p in net.parameters()),
    }
    write_json(cell.folder / RESULT, result)
    (cell.folder / LAST).unlink(missing_ok=True)
    return figures


def _read(path: Path) -> dict[str, Any]:
    """
    A JSON object that an earlier start wrote.

    :raises ConfigError: if the file is damaged.
    """
    try:
        values = read_json(path)
    except DatasetError as error:
        raise ConfigError(f'{error}; {_WAY_OUT}') from error
    if not isinstance(values, dict):
        raise ConfigError(f"'{path}' holds {values!r:.80}, expected a JSON object; {_WAY_OUT}")
    return values


def _outlook(cells: Sequence[Cell]) -> str:
    """How many cells are done and how long the others may take."""
    results = [result for cell in cells if (result := result_of(cell)) is not None]
    if not results:
        return ''
    mean = sum(result['seconds'] for result in results) / len(results)
    left = mean * (len(cells) - len(results))
    return f' ({len(results)} done, {duration(left)} of training left for one process)'


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether nobody else works in the folder; the lock is gone when its process is."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _differences(
    before: dict[str, Any], now: dict[str, Any], where: str = ''
) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f'{where}{name}.')
        elif old != new:
            yield f'{where}{name}', old, new


def _say(line: str) -> None:
    print(time.strftime('%H:%M:%S'), line, flush=True)
