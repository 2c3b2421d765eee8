"""
Compiling functions for the CPU, and keeping them compiled.

numba takes what it has kept for fresh as long as the function's own file stays the same. But
constants and inlined functions of other files are compiled in as well: a change there would leave
old machine code at work. So it is kept in a folder of its own for each state of the code.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numba

from handmesh_model.synthesis.renderer_version import PACKAGE, RENDERER, renderer_modules
from handmesh_model.user_cache import cache_folder

ENTRIES = (*RENDERER, 'handmesh_model.ar.shading')
"""Modules that import, directly or not, all that have compiled functions."""
DEFAULTS = {'cache': True, 'nogil': True}
"""Of numba's options: code is kept, and other threads go on while it runs."""
OTHER_STATES = 4
"""Of the code, those used last, whose folders stay beside that of this one."""
_PREFIX = 'handmesh-'

log = logging.getLogger(__name__)
_lock = Lock()


def njit(**options: Any) -> Any:
    """
    Make the decorator :func:`numba.njit`, which keeps code in :func:`kept_folder`.

    :param options: numba's, on top of :data:`DEFAULTS`; nothing is kept where nothing can be
        written.
    """
    options = {**DEFAULTS, **options}

    def compiled(function: Any) -> Any:
        folder = kept_folder()
        if folder is None:
            return numba.njit(**{**options, 'cache': False})(function)
        # numba asks for the folder here and not again. That of other packages stays as it is.
        with _lock:
            before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder)
            try:
                return numba.njit(**options)(function)
            finally:
                numba.config.CACHE_DIR = before

    return compiled


@lru_cache(maxsize=1)
def kept_folder() -> Path | None:
    """
    The folder of this state of the code: in ``$NUMBA_CACHE_DIR`` if it is set, else beside the
    code, as numba has it, else, where that is installed read-only, in the user's cache.

    :returns: None, with a warning, if nothing can be written there.
    """
    own = numba.config.CACHE_DIR
    folders = [Path(own)] if own else [Path(__file__).with_name('__pycache__'), *_user_folder()]
    return _first_writable(folders, f'{_PREFIX}{code_digest()}')


def code_digest(package: Path = PACKAGE) -> str:
    """
    A digest of the files of all that is compiled, and of what it imports of the package.

    :param package: folder of handmesh_model.
    """
    digest = hashlib.sha256()
    for name, source in sorted(renderer_modules(package, ENTRIES).items()):
        digest.update(f'{name} {len(source.text)}\n'.encode() + source.text)
    return digest.hexdigest()[:16]


def _user_folder() -> list[Path]:
    """The user's, if there is one."""
    try:
        return [cache_folder() / 'numba']
    except RuntimeError:
        # Whoever has no name on this machine has no home.
        return []


def _first_writable(folders: Iterable[Path], name: str) -> Path | None:
    folders = list(folders)
    for folder in folders:
        if _is_made(folder / name):
            return folder / name
    places = ' or '.join(f"'{folder}'" for folder in folders)
    log.warning('functions are compiled at each start: nothing can be written in %s', places)
    return None


def _is_made(folder: Path) -> bool:
    """Make a folder and note that it is used; False if nothing can be written there."""
    try:
        is_new = not folder.is_dir()
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Machine code: nobody else shall be able to put some there.
        folder.mkdir(mode=0o700, exist_ok=True)
        os.utime(folder)
    except OSError:
        return False
    if is_new:
        _prune(folder)
    return os.access(folder, os.W_OK | os.X_OK)


def _prune(newest: Path) -> None:
    """Remove the folders of other states of the code, but for those used last."""
    # Others may tidy at the same time. Who still works with one finds or makes it again.
    with contextlib.suppress(OSError):
        found = newest.parent.glob(_PREFIX + '[0-9a-f]' * 16)
        others = sorted((f for f in found if f != newest), key=lambda f: f.stat().st_mtime)
        for folder in others[:-OTHER_STATES]:
            shutil.rmtree(folder, ignore_errors=True)
