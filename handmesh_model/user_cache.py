"""Where things are kept that can be made again. Needs no PyTorch, which renderers do not load."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """
    ``$HANDMESH_CACHE``, else ``handmesh`` in ``$XDG_CACHE_HOME``, else in ``~/.cache``.

    :raises RuntimeError: if there is neither, and the user has no home.
    """
    own = os.environ.get('HANDMESH_CACHE')
    if own:
        return Path(own)
    base = os.environ.get('XDG_CACHE_HOME')
    return (Path(base) if base else Path.home() / '.cache') / 'handmesh'
