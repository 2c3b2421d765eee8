"""
Compiled networks kept on disk, each under a key of everything that it depends on.

A folder an artefact: its files and ``manifest.json`` with the key's facts and each file's digest.
What is damaged, incomplete or refused by its loader is built anew. Processes that build one
artefact at once end up with one folder of it, which the first to be done has put there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from handmesh_model.errors import BackendError, OutputError
from handmesh_model.user_cache import cache_folder

Loaded = TypeVar('Loaded')

MANIFEST = 'manifest.json'
LIMIT_BYTES = 8 * 2**30
"""The artefacts used longest ago go when all of them together are larger."""
_DIGEST = 'sha256'
_MAKING = '.making-'
"""What the name of a folder begins with while it is made, or done away with."""

log = logging.getLogger(__name__)


def torch_version() -> str:
    """
    PyTorch's version without what names the build, as ``+cpu`` does.

    For artefacts that any build makes alike, so that they serve on machines with another one.
    """
    return torch.__version__.partition('+')[0]


def network_digest(net: nn.Module, **more: Any) -> str:
    """
    A digest of weights and buffers, by name, type, shape and bytes.

    :param more: what else decides the network's function, as JSON knows it.
    """
    digest = hashlib.new(_DIGEST, json.dumps(more, sort_keys=True).encode())
    tensors = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    for name, tensor in sorted(tensors.items()):
        array = tensor.detach().cpu().contiguous()
        digest.update(f'{name} {array.dtype} {tuple(array.shape)}'.encode())
        digest.update(array.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def cached(
    kind: str,
    facts: Mapping[str, Any],
    build: Callable[[Path], None],
    load: Callable[[Path], Loaded],
) -> Loaded:
    """
    Load an artefact, building it first if there is none that is whole.

    :param kind: first word of the folder's name, for people.
    :param facts: all that the artefact depends on, as JSON knows it.
    :param build: writes the files into the empty folder that it is given; where the cache has no
        room for them (OSError, OutputError), once more into a temporary one.
    :param load: reads them; whatever it raises counts as damage once, and is passed on after the
        artefact was built anew.
    """
    facts = json.loads(json.dumps(facts))
    key = hashlib.new(_DIGEST, json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    try:
        folder = cache_folder() / f'{kind}-{key}'
    except RuntimeError as error:
        return _unkept(facts, build, load, error)
    found = _identity(folder)
    problem = _problem(folder, facts)
    if problem is None:
        try:
            loaded = load(folder)
        except Exception as error:  # loaders of many libraries raise many kinds
            problem = f'{type(error).__name__}: {str(error).strip()[:200]}'
        else:
            _touch(folder)
            return loaded
    if found is not None:
        log.warning("cached network '%s' is built anew: %s", folder, problem)
    return _built(folder, facts, build, load, found)


def _unkept(
    facts: Mapping[str, Any],
    build: Callable[[Path], None],
    load: Callable[[Path], Loaded],
    error: RuntimeError,
) -> Loaded:
    """Build and load an artefact for a user without a home, as in a container with a bare id."""
    log.warning('no cache of compiled networks: %s; set HANDMESH_CACHE to a folder', error)
    with tempfile.TemporaryDirectory(prefix='handmesh-', ignore_cleanup_errors=True) as made:
        _fill(Path(made), facts, build)
        return load(Path(made))


def _built(
    folder: Path,
    facts: Mapping[str, Any],
    build: Callable[[Path], None],
    load: Callable[[Path], Loaded],
    unfit: tuple[int, int] | None,
) -> Loaded:
    """Build and load an artefact, in the place of the folder with the given identity."""
    made = _work_folder(folder)
    try:
        try:
            _fill(made, facts, build)
        except (OSError, OutputError) as error:
            if made.parent != folder.parent:
                raise
            # A full disk, or a quota: there may be room elsewhere.
            shutil.rmtree(made, ignore_errors=True)
            made = _elsewhere(folder, error)
            _fill(made, facts, build)
        place = _moved(made, folder, facts, unfit)
        try:
            loaded = load(place)
        except Exception:
            # The folder that another process has put there may be gone again; one's own is not.
            if place == made or not made.is_dir():
                raise
            loaded = load(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    if made.parent == folder.parent:
        _prune(folder)
    return loaded


def _fill(made: Path, facts: Mapping[str, Any], build: Callable[[Path], None]) -> None:
    build(made)
    _write_manifest(made, facts)


def _work_folder(folder: Path) -> Path:
    """A new folder on the cache's file system, or anywhere if the cache cannot be written."""
    try:
        _make(folder.parent)
        return Path(tempfile.mkdtemp(prefix=_MAKING, dir=folder.parent))
    except OSError as error:
        return _elsewhere(folder, error)


def _elsewhere(folder: Path, error: Exception) -> Path:
    log.warning("no cache of compiled networks in '%s': %s", folder.parent, error)
    return Path(tempfile.mkdtemp(prefix='handmesh-'))


def _make(folder: Path) -> None:
    # Engines are programs: nobody else shall be able to put one there.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def writable_folder(name: str) -> Path | None:
    """
    A folder of the cache for what another library keeps there in its own way.

    :returns: None, with a warning, if nothing can be written there.
    """
    try:
        folder = cache_folder() / name
    except RuntimeError as error:
        log.warning('no cache of compiled kernels: %s; set HANDMESH_CACHE to a folder', error)
        return None
    try:
        _make(folder.parent)
        _make(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"'{folder}' is not writable")
    except OSError as error:
        log.warning("no cache of compiled kernels in '%s': %s", folder, error)
        return None
    return folder


def _moved(
    made: Path, folder: Path, facts: Mapping[str, Any], unfit: tuple[int, int] | None
) -> Path:
    """
    Put a finished folder in its place, unless a whole one of another process is there already.

    :param unfit: identity of a folder that is not to stay, whole or not.
    :returns: where to load it from: where it cannot be put in its place, from where it is.
    """
    if made.parent != folder.parent:
        return made
    try:
        there = _identity(folder)
        if there is not None and (there == unfit or _problem(folder, facts) is not None):
            _discard(folder)
        made.rename(folder)
    except OSError as error:
        if _identity(folder) != unfit and _problem(folder, facts) is None:
            return folder
        log.warning("compiled network not kept in '%s': %s", folder, error)
        return made
    return folder


def _identity(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from the one that replaced it; None if there is none."""
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _discard(folder: Path) -> None:
    """Take away a folder as a whole, so that nobody finds half of it, and delete it then."""
    # What cannot be taken away, as from a cache that can only be read, is found again.
    with contextlib.suppress(OSError):
        aside = Path(tempfile.mkdtemp(prefix=_MAKING, dir=folder.parent))
        try:
            folder.rename(aside / folder.name)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    files = {str(p.relative_to(folder)): _file_digest(p) for p in _files(folder)}
    if not files:
        raise BackendError('compiling the network wrote no file')
    (folder / MANIFEST).write_text(json.dumps({'facts': facts, 'files': files}, indent=1) + '\n')


def _problem(folder: Path, facts: Mapping[str, Any]) -> str | None:
    """What is wrong with an artefact; None if nothing is."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest['facts'] != facts:
            return f'{MANIFEST} tells of another one'
        for name, digest in manifest['files'].items():
            if _file_digest(folder / name) != digest:
                return f'{name} is damaged'
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f'{type(error).__name__}: {error}'
    return None


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob('*') if p.is_file() and p.name != MANIFEST)


def _file_digest(path: Path) -> str:
    digest = hashlib.new(_DIGEST)
    with path.open('rb') as file:
        while block := file.read(2**22):
            digest.update(block)
    return digest.hexdigest()


def _touch(folder: Path) -> None:
    """Note that an artefact was used."""
    # A cache that can only be read serves as well.
    with contextlib.suppress(OSError):
        os.utime(folder / MANIFEST)


def _prune(newest: Path) -> None:
    """Remove what was used longest ago, and what was left half made, until the rest fits."""
    try:
        folders = [p for p in newest.parent.iterdir() if p.is_dir() and p != newest]
        making = [p for p in folders if p.name.startswith(_MAKING)]
        for folder in making:
            if time.time() - _used(folder) > 86400:
                shutil.rmtree(folder, ignore_errors=True)
        room = LIMIT_BYTES - _size(newest)
        # What another process is about to put in its place has its manifest, too.
        whole = [p for p in folders if p not in making and (p / MANIFEST).is_file()]
        for folder in sorted(whole, key=_used, reverse=True):
            room -= _size(folder)
            if room < 0:
                shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        log.warning("cannot tidy the cache '%s': %s", newest.parent, error)


def _used(folder: Path) -> float:
    manifest = folder / MANIFEST
    return (manifest if manifest.is_file() else folder).stat().st_mtime


def _size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob('*') if p.is_file())
