"""Which files the weights are in that a user names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from handmesh_model.checkpoints import SHIPPED, weights_path

if TYPE_CHECKING:
    import torch

MESH_FILE, DETECTOR_FILE = 'mesh.safetensors', 'detector.safetensors'


def chosen_weights(weights: str | Path, device: torch.device) -> str | Path:
    """
    What 'auto' means on a device: the large network where there is a GPU for it.

    :param weights: as for :class:`~handmesh_model.predictor.HandMeshPredictor`.
    """
    if weights != 'auto':
        return weights
    return 'open-large' if device.type == 'cuda' else 'open'


def weight_files(weights: str | Path, device: torch.device) -> tuple[Path, Path]:
    """
    Files of mesh network and detector.

    :param weights: as for :class:`~handmesh_model.predictor.HandMeshPredictor`.
    :param device: that they are for, see :func:`chosen_weights`.
    :raises CheckpointError: if there is no such file.
    """
    weights = chosen_weights(weights, device)
    # A folder that happens to be called like shipped weights is not meant.
    path = Path(os.path.expanduser(weights))
    is_folder = str(weights) not in SHIPPED and path.is_dir()
    mesh = weights_path(path / MESH_FILE if is_folder else weights)
    own = mesh.parent / DETECTOR_FILE
    return mesh, own if own.is_file() else weights_path('open').parent / DETECTOR_FILE
