"""
Bounds on what reading a file of ``torch.save`` takes, whatever it says.

Nothing in it may be packed, declare more than it holds, or be such that reading it takes for ever.
"""

from __future__ import annotations

import io
import os
import pickle
from typing import IO

import torch

from handmesh_model.torch_pickles import TorchPickles
from handmesh_model.zip_bounds import check_stored, is_zip

_PICKLE = 'data.pkl'
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
"""What torch's formats before zip files begin with, pickled."""


def check_torch_file(file: IO[bytes]) -> None:
    """
    Make sure that a file can be read by ``torch.load(..., weights_only=True)`` in memory and time
    of the order of its size.

    :param file: it stands anywhere afterwards.
    :raises pickle.UnpicklingError: if it asks for more than honest files do, or other things.
    :raises Exception: of many kinds if it is damaged.
    """
    size = file.seek(0, os.SEEK_END)
    if is_zip(file):
        check_stored(file)
        _check_zip(file, size)
    else:
        file.seek(0)
        _check_older(file, size)


def _check_zip(file: IO[bytes], size: int) -> None:
    file.seek(0)
    # torch's own reader: another one might find another pickle than the one that torch reads.
    reader = torch._C.PyTorchFileReader(file)

    def record_bytes(key: str) -> int:
        name = f'data/{key}'
        # Older ones do not tell it.
        if hasattr(reader, 'get_record_size'):
            return int(reader.get_record_size(name))
        return len(reader.get_record(name))

    TorchPickles(size, record_bytes).follow(io.BytesIO(reader.get_record(_PICKLE)))


def _check_older(file: IO[bytes], size: int) -> None:
    """A number that marks the format, its version, facts, the contents, and keys of storages."""
    pickles = TorchPickles(size)
    if pickles.follow(file).value != _MAGIC_NUMBER:
        raise pickle.UnpicklingError('it is no file of torch.save')
    for _ in range(4):
        pickles.follow(file)
