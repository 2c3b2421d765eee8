"""Reading npz files that may be damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_ZIP = b'PK'
"""What an npz file starts with, as every zip file."""


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """
    All arrays of an npz file, without pickles.

    :raises ValueError: saying why, if it is missing, damaged or no npz.
    """
    try:
        with open(path, 'rb') as file:
            start = file.read(np.lib.format.MAGIC_LEN)
        # numpy takes any other file for a pickle, and says how to load that.
        if not start.startswith((_ZIP, np.lib.format.MAGIC_PREFIX)):
            raise ValueError('it is no npz file')
        data = np.load(path, allow_pickle=False)
        if isinstance(data, np.ndarray):
            raise ValueError(f'one array of shape {data.shape}, expected an npz with several')
        with data:
            return {key: data[key] for key in data.files}
    # A damaged file raises whatever zipfile, zlib and numpy stumble over.
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error
