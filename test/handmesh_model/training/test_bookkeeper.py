"""What a run holds open, and that nothing of it is left open."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_runs import ALONE, CPU, MakeRun
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from handmesh_model.errors import ConfigError, DatasetError, OutputError
from handmesh_model.training.distributed import Ranks
from handmesh_model.training.progress import Progress
from handmesh_model.training.trainer import Trainer

OPENED = (Progress, SummaryWriter)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """The kinds of what was closed, in the order in which it was."""
    kinds: list[type] = []
    for kind in OPENED:

        def noted(opened: object, kind: type = kind, close: object = kind.close) -> None:
            kinds.append(kind)
            close(opened)  # type: ignore[operator]

        monkeypatch.setattr(kind, 'close', noted)
    return kinds


@pytest.mark.parametrize('error', [None, DatasetError('no such picture'), KeyboardInterrupt()])
def test_log_and_progress_are_closed_however_a_run_ends(
    tiny_run: MakeRun, closed: list[type], error: BaseException | None
) -> None:
    trainer = Trainer(tiny_run(total_samples=16, validation={'samples': 0}), ALONE)
    step = trainer._step

    def failing(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        if error is not None:
            raise error
        return step(batch)

    trainer._step = failing  # type: ignore[method-assign]
    if error is None:
        trainer.run()
    else:
        with pytest.raises(type(error)):
            trainer.run()
    assert closed == [SummaryWriter, Progress]


def test_refused_start_closes_the_progress(tiny_run: MakeRun, closed: list[type]) -> None:
    overlapping = {'samples': 4, 'options': {'start': 12, 'stop': 20}}
    with pytest.raises(ConfigError, match='are among those to train on'):
        Trainer(tiny_run(validation=overlapping), ALONE).run()
    assert closed == [Progress]


def test_description_of_a_run_is_whole_or_as_before(
    tiny_run: MakeRun, closed: list[type], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(tiny_run(validation={'samples': 0}), ALONE)
    described = trainer.folder / 'run.json'
    described.write_text('before')

    def on_a_full_disk(path: Path, text: str) -> int:
        path.write_bytes(text[:40].encode())
        raise OSError('no space left')

    monkeypatch.setattr(Path, 'write_text', on_a_full_disk)
    with pytest.raises(OutputError, match=r"cannot write '.*run\.json': no space left"):
        trainer.run()
    assert described.read_text() == 'before'
    assert closed == [Progress]


def test_other_ranks_than_the_first_keep_no_books(
    tiny_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_run(total_samples=8)
    trainer = Trainer(config, Ranks(1, 2, CPU))
    monkeypatch.setattr(Ranks, 'most', lambda ranks, *values: list(values))
    monkeypatch.setattr(trainer.gradients, 'average', lambda count: None)
    assert trainer.run().step == 1
    assert not list(Path(config.output).iterdir())
