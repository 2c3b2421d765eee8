"""What every backend takes and gives: arrays, so that no caller knows what runs the network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handmesh_model.errors import ShapeError

CLOSED = 'the backend is closed'
"""What a backend says that is run after it was closed."""


class NetworkResult(NamedTuple):
    """What the network says of N crops, V vertices; float32 arrays on the CPU."""

    vertices: np.ndarray
    """(N, V, 3) lixels."""
    joints: np.ndarray
    """(N, 21, 3) lixels."""
    presence: np.ndarray
    """(N,) 0..1, probability that the crop shows a hand; 1 from networks that cannot tell."""
    right: np.ndarray
    """(N,) 0..1, probability that it shows a right hand; 1 from networks that cannot tell."""
    confidence: np.ndarray
    """(N, 21) 0..1; 1 from networks that cannot tell."""
    refined: bool = True
    """Whether the refine stage has run; else vertices and joints are of the rough mesh."""


class Backend(ABC):
    """
    A network ready to run.

    :cvar name: how users choose it.
    :ivar precision: of the numbers that it computes with: 'float32', 'float16' or 'int8'.
    :ivar device: where crops are wanted: a tensor on another one is moved, an array is uploaded.
    """

    name: str
    precision: str = 'float32'
    device: torch.device = torch.device('cpu')

    @abstractmethod
    def run(self, crops: np.ndarray | Tensor, refine: bool = True) -> NetworkResult:
        """
        Run the network once for all crops.

        :param crops: (N, S, S, 3) uint8 RGB, N at least 1; an array, or a tensor that already lies
            on :attr:`device`.
        :param refine: False if the rough mesh will do. A backend that is not ready to leave the
            refine stage out yet gives the refined one meanwhile.
        :raises BackendError: if running fails, or the backend was closed.
        :raises ShapeError: if the crops have another shape.
        """

    def close(self) -> None:  # noqa: B027 - stand-ins hold nothing that has to be let go
        """Let go of memory and devices; to run the backend afterwards is an error."""


def reason_of(error: BaseException) -> str:
    """What another library says of its failure, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def check_crops(crops: np.ndarray | Tensor, size: int) -> None:
    """
    Hold crops to what a network of this input size takes.

    :raises ShapeError: if they are not (N, size, size, 3) with N at least 1.
    """
    shape = tuple(crops.shape)
    if len(shape) != 4 or shape[0] < 1 or shape[1:] != (size, size, 3):
        raise ShapeError('crops', shape, f'(N, {size}, {size}, 3) with N at least 1')
