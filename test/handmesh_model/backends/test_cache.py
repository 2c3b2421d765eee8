import json
import os
import tempfile
import time
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from handmesh_model.backends import cache
from handmesh_model.backends.cache import (
    MANIFEST,
    cached,
    network_digest,
    torch_version,
    writable_folder,
)
from handmesh_model.errors import BackendError, OutputError
from handmesh_model.user_cache import cache_folder

FACTS = {'network': 'abc', 'size': [1, 2]}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv('HANDMESH_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


class Maker:
    """Counts builds; the artefact is two files."""

    def __init__(self):
        self.builds = 0

    def build(self, folder):
        self.builds += 1
        (folder / 'a.bin').write_bytes(b'weights')
        (folder / 'part').mkdir()
        (folder / 'part' / 'b.txt').write_text('description')

    def load(self, folder):
        return (folder / 'a.bin').read_bytes() + (folder / 'part' / 'b.txt').read_bytes()

    def get(self, facts=FACTS):
        assert cached('test', facts, self.build, self.load) == b'weightsdescription'
        return self.builds


def only_folder(folder):
    (found,) = [p for p in folder.iterdir() if p.name.startswith('test-')]
    return found


@pytest.fixture
def homeless(monkeypatch):
    """As in a container with a bare user id."""

    def fail():
        raise RuntimeError('Could not determine home directory.')

    for name in ('HANDMESH_CACHE', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr('pathlib.Path.home', fail)


def test_without_a_home_nothing_is_kept(homeless, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    maker = Maker()
    assert (maker.get(), maker.get()) == (1, 2)
    assert list(tmp_path.iterdir()) == []
    assert 'no cache of compiled networks: Could not determine home' in caplog.text
    assert writable_folder('kernels') is None
    assert 'no cache of compiled kernels: Could not determine home' in caplog.text


def test_an_artefact_is_built_once(folder):
    maker = Maker()
    assert maker.get() == 1
    assert maker.get() == 1
    assert maker.get({**FACTS, 'size': [1, 3]}) == 2
    assert not list(folder.glob('.making-*'))


@pytest.mark.parametrize('name', ['a.bin', 'part/b.txt', MANIFEST])
@pytest.mark.parametrize('damage', ['changed', 'cut', 'removed'])
def test_a_damaged_artefact_is_built_anew(folder, caplog, name, damage):
    maker = Maker()
    maker.get()
    path = only_folder(folder) / name
    if damage == 'removed':
        path.unlink()
    elif damage == 'cut':
        path.write_bytes(path.read_bytes()[:-3])
    else:
        path.write_bytes(b'{"facts": 7}' if name == MANIFEST else b'w' + path.read_bytes()[1:-1])
    assert maker.get() == 2
    assert 'is built anew' in caplog.text
    assert maker.get() == 2


def test_an_artefact_that_its_loader_refuses_is_built_anew(caplog):
    maker = Maker()
    maker.get()
    load, refusals = maker.load, [RuntimeError('made by another version')]

    def refuse_once(folder):
        if refusals:
            raise refusals.pop()
        return load(folder)

    maker.load = refuse_once
    assert maker.get() == 2
    assert 'made by another version' in caplog.text


def test_what_a_loader_goes_on_refusing_is_replaced(folder):
    Maker().get()
    newer = Maker()

    def build(folder):
        Maker.build(newer, folder)
        (folder / 'a.bin').write_bytes(b'newer weights')

    def load(folder):
        if (folder / 'a.bin').read_bytes() == b'weights':
            raise RuntimeError('made by another version')
        return folder.name

    kept = only_folder(folder).name
    assert cached('test', FACTS, build, load) == kept
    assert cached('test', FACTS, build, load) == kept
    assert newer.builds == 1


def test_what_was_refused_once_is_kept_if_it_cannot_be_built_anew(folder):
    maker = Maker()
    maker.get()

    def build(folder):
        raise BackendError('a package is missing')

    def refuse(folder):
        raise MemoryError

    with pytest.raises(BackendError, match='missing'):
        cached('test', FACTS, build, refuse)
    assert maker.get() == 1


def test_of_two_that_build_at_once_the_first_ones_stays(folder):
    """The other process is done while this one builds, and loads while this one moves."""
    first, second = Maker(), Maker()

    def build(made):
        second.build(made)
        first.get()
        (only_folder(folder) / 'mark').touch()

    def load(place):
        assert (place / 'mark').exists()
        return second.load(place)

    assert cached('test', FACTS, build, load) == b'weightsdescription'
    assert (only_folder(folder) / 'mark').exists()
    assert (first.builds, second.builds) == (1, 1)
    assert not list(folder.glob('.making-*'))


def test_what_the_other_process_takes_away_again_is_loaded_from_ones_own(folder):
    other, maker = Maker(), Maker()
    places = []

    def build(made):
        maker.build(made)
        other.get()

    def load(place):
        places.append(place)
        if len(places) == 1:
            (place / 'a.bin').unlink()
        return maker.load(place)

    assert cached('test', FACTS, build, load) == b'weightsdescription'
    assert places[0] == only_folder(folder)
    assert places[1].name.startswith('.making-')
    assert maker.get() == 2


def test_what_another_process_left_half_done_is_replaced(folder):
    maker = Maker()

    def build(made):
        maker.build(made)
        Maker().get()
        (only_folder(folder) / 'a.bin').unlink()

    assert cached('test', FACTS, build, maker.load) == b'weightsdescription'
    assert maker.get() == 1
    assert not list(folder.glob('.making-*'))


def test_what_the_loader_says_of_a_fresh_one_is_passed_on(folder):
    maker = Maker()

    def refuse(folder):
        raise BackendError('never')

    maker.load = refuse
    with pytest.raises(BackendError, match='never'):
        maker.get()


def test_a_failed_build_leaves_nothing(folder):
    def build(folder):
        (folder / 'half').write_bytes(b'x')
        raise BackendError('no memory')

    with pytest.raises(BackendError, match='no memory'):
        cached('test', FACTS, build, lambda folder: None)
    assert list(folder.iterdir()) == []
    assert Maker().get() == 1


def test_a_build_that_writes_nothing_is_an_error():
    with pytest.raises(BackendError, match='wrote no file'):
        cached('test', FACTS, lambda folder: None, lambda folder: None)


def test_without_a_place_for_the_cache_the_network_still_loads(tmp_path, monkeypatch, caplog):
    (tmp_path / 'file').write_text('in the way')
    monkeypatch.setenv('HANDMESH_CACHE', str(tmp_path / 'file' / 'cache'))
    maker = Maker()
    assert maker.get() == 1
    assert maker.get() == 2
    assert 'no cache of compiled networks' in caplog.text


@pytest.mark.parametrize('error', [OSError(28, 'No space left'), OutputError('No space left')])
def test_a_full_cache_is_gone_without(folder, caplog, error):
    maker = Maker()
    places = []

    def build(made):
        maker.build(made)
        places.append(made)
        if made.parent == folder:
            raise error

    assert cached('test', FACTS, build, maker.load) == b'weightsdescription'
    assert 'no cache of compiled networks' in caplog.text
    assert 'No space left' in caplog.text
    assert list(folder.iterdir()) == []
    assert not any(place.exists() for place in places)


def test_a_manifest_that_finds_no_room_is_gone_without(folder, monkeypatch):
    monkeypatch.setattr(cache, 'MANIFEST', 'no/such/folder')
    maker = Maker()
    with pytest.raises(FileNotFoundError):  # nor is there room elsewhere
        maker.get()
    assert maker.builds == 2
    assert list(folder.iterdir()) == []


@contextmanager
def closed_to_us(folder, monkeypatch):
    """
    A folder of somebody else's, who lets nobody in.

    Nothing may be imported for the first time in the block: packages, too, may be closed.
    """
    if os.geteuid() == 0:
        # Nothing is closed to root, but to this user all of root's folders of tests are, and
        # root's own place for temporary files may be.
        monkeypatch.setattr(tempfile, 'tempdir', '/tmp')
        try:
            os.seteuid(65534)
        except OSError as error:
            pytest.skip(f'root cannot become another user here: {error}')
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        folder.chmod(0)
        try:
            yield
        finally:
            folder.chmod(0o700)


def test_with_a_cache_of_another_user_the_network_still_loads(folder, monkeypatch, caplog):
    maker = Maker()
    maker.get()
    with closed_to_us(folder, monkeypatch):
        assert maker.get() == 2
        assert writable_folder('inductor') is None
    assert caplog.text.count('no cache of compiled networks') == 1
    assert 'is built anew' not in caplog.text
    assert 'cannot tidy' not in caplog.text
    assert maker.get() == 2


def test_other_libraries_get_a_folder_that_can_be_written(folder, monkeypatch, caplog):
    place = writable_folder('inductor')
    assert place == folder / 'inductor'
    assert folder.stat().st_mode & 0o077 == place.stat().st_mode & 0o077 == 0
    assert writable_folder('inductor') == place
    monkeypatch.setattr(os, 'access', lambda path, mode: False)
    assert writable_folder('inductor') is None
    assert 'is not writable' in caplog.text


def test_builds_of_one_version_of_pytorch_share_what_is_no_program(monkeypatch):
    for build, version in (('2.13.0+cu130', '2.13.0'), ('2.6.0', '2.6.0')):
        monkeypatch.setattr(torch, '__version__', build)
        assert torch_version() == version


def test_where_it_lies(monkeypatch):
    monkeypatch.delenv('HANDMESH_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', '/somewhere')
    assert str(cache_folder()) == '/somewhere/handmesh'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', '/home/user')
    assert str(cache_folder()) == '/home/user/.cache/handmesh'


def test_nobody_else_can_write_to_it(folder):
    Maker().get()
    assert folder.stat().st_mode & 0o077 == 0


def test_what_was_used_longest_ago_goes_first(folder, monkeypatch):
    maker = Maker()
    for size in range(3):
        maker.get({'size': size})
        newest = max(folder.glob(f'test-*/{MANIFEST}'), key=lambda p: p.stat().st_mtime_ns)
        age = 1000 - 100 * size
        os.utime(newest, (time.time() - age,) * 2)
    maker.get({'size': 0})
    one = sum(p.stat().st_size for p in newest.parent.rglob('*') if p.is_file())
    monkeypatch.setattr(cache, 'LIMIT_BYTES', int(2.5 * one))
    maker.get({'size': 3})
    left = [json.loads(p.read_text())['facts']['size'] for p in folder.glob(f'*/{MANIFEST}')]
    assert sorted(left) == [0, 3]


def test_what_another_process_is_making_stays(folder, monkeypatch):
    monkeypatch.setattr(cache, 'LIMIT_BYTES', 0)
    finished, left = folder / '.making-finished', folder / '.making-left'
    for made in (finished, left):
        made.mkdir(parents=True)
        (made / MANIFEST).write_text('{}')
    os.utime(left / MANIFEST, (time.time() - 90_000,) * 2)
    Maker().get()
    assert finished.is_dir()
    assert not left.exists()


def test_the_digest_tells_networks_apart():
    net = nn.BatchNorm1d(3)
    digest = network_digest(net, config=1)
    assert digest == network_digest(nn.BatchNorm1d(3), config=1)
    assert digest != network_digest(net, config=2)
    net.running_mean[1] += 1e-6
    assert digest != network_digest(net, config=1)
