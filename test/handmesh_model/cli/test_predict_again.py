"""``handmesh predict`` into a folder with results of an earlier run, interrupted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handmesh_model.cli import INTERRUPTED, main, predict


@pytest.fixture
def run_until(
    pictures: Path, weights_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Runs on 1.png, 2.png and 3.png, is interrupted, and gives the numbers it leaves."""
    content = (pictures / 'a.png').read_bytes()
    files = [tmp_path / f'{i}.png' for i in (1, 2, 3)]
    for file in files:
        file.write_bytes(content)
    out = tmp_path / 'out'
    arguments = ['--out', str(out), '--weights', str(weights_folder), '--backend', 'eager']

    def run(stop: str, *more: str) -> dict[str, Any]:
        def interrupted(folder: Path, name: str, *others: object) -> None:
            write_pictures(folder, name, *others)
            if name == stop:
                raise KeyboardInterrupt

        write_pictures = predict._write_pictures
        with monkeypatch.context() as patch:
            patch.setattr(predict, '_write_pictures', interrupted)
            code = main(['predict', *map(str, files), *arguments, *more])
        assert code == (INTERRUPTED if stop else 0)
        return {
            Path(path).stem: entry
            for path, entry in json.loads((out / 'hands.json').read_text())['images'].items()
        }

    return run


def test_an_interrupted_run_keeps_the_earlier_numbers_of_what_it_has_not_come_to(
    run_until: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    before = run_until('')
    after = run_until('2')
    assert list(after) == ['1', '3']
    assert after['3'] == before['3']
    overlays = [path.name for path in sorted((tmp_path / 'out').glob('*_overlay.png'))]
    assert overlays == ['1_overlay.png', '3_overlay.png']
    # Interrupted at the first one, there is still what was before.
    assert list(run_until('1')) == ['3']


@pytest.mark.parametrize('damage', ['intrinsics', 'overlay', 'name', 'kind', 'json'])
def test_an_interrupted_run_keeps_no_numbers_that_do_not_belong(
    run_until: Callable[..., dict[str, Any]], tmp_path: Path, damage: str
) -> None:
    run_until('')
    out = tmp_path / 'out'
    file = out / 'hands.json'
    document = json.loads(file.read_text())
    more = []
    if damage == 'intrinsics':
        more = ['--intrinsics', '200', '200', '60', '50']
    elif damage == 'overlay':
        (out / '3_overlay.png').unlink()
    elif damage == 'name':
        document['images'][str(tmp_path / '3.png')]['name'] = 'other'
    elif damage == 'kind':
        document['images'] = [1]
    file.write_text('{' if damage == 'json' else json.dumps(document))
    assert list(run_until('2', *more)) == ['1']
