"""Kept machine code is that of the code as it is, and keeping it never stands in the way."""

from __future__ import annotations

import importlib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numba
import pytest

from handmesh_model.synthesis import compilation
from handmesh_model.synthesis.renderer_version import PACKAGE, renderer_modules
from handmesh_model.user_cache import cache_folder

DIGESTS = [f'{number:016x}' for number in range(7)]


@pytest.fixture
def reloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], float]]:
    """A compiled function of one module that gives a constant of another, read anew."""
    # Two texts of one length and one second have the same bytecode file.
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)
    folder = tmp_path / 'code'
    folder.mkdir()
    lines = [
        'from handmesh_model.synthesis.compilation import njit',
        'from handmesh_test_constant import GAIN',
        '',
        '',
        '@njit()',
        'def gain() -> float:',
        '    return GAIN',
    ]
    (folder / 'handmesh_test_gain.py').write_text('\n'.join(lines) + '\n')
    monkeypatch.syspath_prepend(str(folder))
    names = ('handmesh_test_gain', 'handmesh_test_constant')

    def forget() -> None:
        for name in names:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()

    def gain(value: float, digest: str) -> float:
        forget()
        (folder / 'handmesh_test_constant.py').write_text(f'GAIN = {value!r}\n')
        kept = compilation._first_writable([tmp_path / 'kept'], f'handmesh-{digest}')
        monkeypatch.setattr(compilation, 'kept_folder', lambda: kept)
        return importlib.import_module(names[0]).gain()

    yield gain
    forget()


def test_a_constant_of_another_file_is_compiled_anew(reloaded: Callable[..., float]) -> None:
    of_others = numba.config.CACHE_DIR
    assert reloaded(1.25, DIGESTS[0]) == 1.25
    # What this is for: numba does not see it by itself.
    assert reloaded(22.5, DIGESTS[0]) == 1.25
    assert reloaded(22.5, DIGESTS[1]) == 22.5
    assert of_others == numba.config.CACHE_DIR


def test_other_threads_go_on_unless_it_says_otherwise() -> None:
    def same(x: float) -> float:
        return x

    assert compilation.njit()(same).targetoptions['nogil']
    assert not compilation.njit(nogil=False)(same).targetoptions['nogil']


def test_nothing_is_kept_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / 'file').touch()
    with caplog.at_level(logging.WARNING):
        kept = compilation._first_writable([tmp_path / 'file' / 'below'], DIGESTS[0])
    assert kept is None
    assert 'functions are compiled at each start' in caplog.text
    monkeypatch.setattr(compilation, 'kept_folder', lambda: None)

    @compilation.njit()
    def twice(x: float) -> float:
        return 2 * x

    assert twice(2.0) == 4
    assert twice.stats.cache_path is None


@pytest.mark.parametrize('name', ['crop.py', 'synthesis/scenes.py', 'ar/shading.py'])
def test_the_digest_is_of_all_that_is_compiled_and_imported(tmp_path: Path, name: str) -> None:
    package = tmp_path / 'handmesh_model'
    texts = {
        'crop.py': 'IGNORED = 255\n',
        'synthesis/scenes.py': 'from handmesh_model.crop import IGNORED\n',
        'ar/shading.py': 'SAMPLES = 2\n',
        'other.py': 'A = 1\n',
    }
    for file, text in texts.items():
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).write_text(text)
    before = compilation.code_digest(package)
    (package / 'other.py').write_text('A = 2\n')
    assert compilation.code_digest(package) == before
    (package / name).write_text(texts[name] + 'B = 1\n')
    assert compilation.code_digest(package) != before


def test_everything_is_compiled_here_and_counts() -> None:
    counted = set(renderer_modules(entries=compilation.ENTRIES))
    compiling = []
    for file in sorted(PACKAGE.rglob('*.py')):
        text, name = file.read_text(), '.'.join(file.relative_to(PACKAGE.parent).parts)
        if file.name == 'compilation.py':
            continue
        assert not re.search(r'^\s*(import numba|from numba)', text, re.MULTILINE), name
        if 'compilation import njit' in text:
            compiling.append(name.removesuffix('.py'))
    assert len(compiling) > 10
    assert set(compiling) <= counted


def test_code_is_kept_where_the_user_says_else_where_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[Path]] = []
    monkeypatch.setattr(compilation, '_first_writable', lambda folders, _: asked.append(folders))
    monkeypatch.setattr(numba.config, 'CACHE_DIR', '')
    compilation.kept_folder.__wrapped__()
    monkeypatch.setattr(numba.config, 'CACHE_DIR', str(tmp_path))
    compilation.kept_folder.__wrapped__()
    beside = Path(compilation.__file__).parent / '__pycache__'
    assert asked == [[beside, cache_folder() / 'numba'], [tmp_path]]


@pytest.mark.parametrize(
    'variables',
    [
        {'HANDMESH_CACHE': '/own', 'XDG_CACHE_HOME': '/cache'},
        {'HANDMESH_CACHE': '', 'XDG_CACHE_HOME': '/cache'},
        {'HANDMESH_CACHE': '', 'XDG_CACHE_HOME': '', 'HOME': '/home/user'},
    ],
)
def test_the_users_folder_is_in_that_of_networks(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert compilation._user_folder() == [cache_folder() / 'numba']


def test_without_a_home_there_is_no_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError('Could not determine home directory.')

    monkeypatch.delenv('HANDMESH_CACHE', raising=False)
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    monkeypatch.setattr(Path, 'home', homeless)
    assert compilation._user_folder() == []
    monkeypatch.setenv('HANDMESH_CACHE', '/own')
    assert compilation._user_folder() == [Path('/own/numba')]


def test_folders_of_other_states_do_not_pile_up(tmp_path: Path) -> None:
    for name in ('handmesh-notes', 'synthesis_1'):
        (tmp_path / name).mkdir()
    for number, digest in enumerate(DIGESTS):
        folder = compilation._first_writable([tmp_path], f'handmesh-{digest}')
        assert folder is not None
        assert folder.stat().st_mode & 0o077 == 0
        (folder / 'code').touch()
        os.utime(folder, (number, number))
    # The oldest that is there is used again.
    oldest = len(DIGESTS) - 1 - compilation.OTHER_STATES
    compilation._first_writable([tmp_path], f'handmesh-{DIGESTS[oldest]}')
    compilation._first_writable([tmp_path], 'handmesh-' + 'f' * 16)
    kept = {f'handmesh-{DIGESTS[number]}' for number in (2, 4, 5, 6)}
    assert {path.name for path in tmp_path.iterdir()} == {
        *kept, 'handmesh-' + 'f' * 16, 'handmesh-notes', 'synthesis_1',
    }  # fmt: skip
