"""How good a network is on a folder of rendered crops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from handmesh_model.errors import DatasetError
from handmesh_model.evaluation.report import RESULTS, format_table, write_results
from handmesh_model.network import HandMeshNet
from handmesh_model.output_files import check_place
from handmesh_model.training.data import check_depth_axis
from handmesh_model.training.sample_files import SampleFile
from handmesh_model.training.setup import lixel_scale
from handmesh_model.training.validation import validate


def report_synthetic(
    net: HandMeshNet, folder: Path, out: Path, limit: int = 0, weights: str = ''
) -> dict[str, float]:
    """
    Measure a network on crops that ``handmesh synthesize dataset`` wrote; print, write JSON.

    :param net: on any device, in evaluation mode.
    :param out: folder for results.json.
    :param limit: samples at most; 0 for all.
    :returns: figures as of :func:`handmesh_model.training.validation.validate`, and ``count``.
    :raises DatasetError: if a file is missing or the meshes are of another topology.
    :raises ConfigError: if their depth is measured along another axis than the network's.
    :raises OutputError: if the results cannot be written, as a rule before anything is measured.
    """
    source = SampleFile(folder, None, net.config.input_size, stop=limit or None)
    if not len(source):
        raise DatasetError(f"'{folder}' holds no samples")
    check_depth_axis(f"the samples of '{folder}'", source.depth_axis, net.config)
    count = len(source[0]['vertices'])
    if count != net.topology.vertex_count:
        raise DatasetError(
            f"the meshes of '{folder}' have {count} vertices, those of the network "
            f'{net.topology.vertex_count}'
        )
    check_place(out / RESULTS)
    samples = [source[i] for i in tqdm(range(len(source)), unit='crop', disable=None)]
    arrays = {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
    device: torch.device = next(net.parameters()).device
    figures = {'count': float(len(samples)), **validate(net, arrays, lixel_scale(net), device)}
    print(format_table({'synthetic': figures}))
    document: dict[str, Any] = {
        'dataset': 'synthetic',
        'folder': str(folder),
        'weights': weights,
        'summary': figures,
    }
    write_results(out, document)
    print(f'{out}/{RESULTS}')
    return figures
