"""Files of a network for other runtimes."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from handmesh_model.backends.edge import COORDINATES, ArrayEdge, OutputLayout
from handmesh_model.backends.openvino import HINTS
from handmesh_model.crop import CROP_MARGIN
from handmesh_model.errors import BackendError, OutputError
from handmesh_model.extras import advice, missing_packages
from handmesh_model.joints import JOINT_NAMES
from handmesh_model.lixels import LixelScale
from handmesh_model.placement import has_metric_depth

if TYPE_CHECKING:
    from handmesh_model.network import HandMeshNet

Save = Callable[[Path], None]
"""Writes the files of a network into a folder."""

ONNX_FILE, DESCRIPTION_FILE = 'model.onnx', 'outputs.json'
ONNX_OPSET = 20
_ONNX_NEEDS = ('onnx', 'onnxscript')
_PRECISIONS = {
    'onnx': ('float32',),
    'openvino': ('float32', 'int8'),
    'tensorrt': ('float16', 'float32'),
}
_AXES = {
    'camera': "along the camera's axis",
    'ray': 'along the line of sight to the middle knuckle',
}
_MEANINGS = {
    'vertices': 'lixels: x, y along the crop, z the depth relative to the wrist; see decoding',
    'joints': 'lixels, see decoding; in the order of joint_names',
    'presence': 'logit: a hand is in the crop; probability = 1 / (1 + exp(-logit))',
    'side': 'logit: the crop shows a right hand; probability = 1 / (1 + exp(-logit))',
    'confidence': '0 to 1, one a joint',
}
_FLOAT32 = (
    f'OpenVINO has to be told INFERENCE_PRECISION_HINT {HINTS["INFERENCE_PRECISION_HINT"]}, for '
    'ONNX files, too: on CPUs that have bfloat16 it computes in that otherwise'
)


def export_network(
    net: HandMeshNet,
    file_format: str,
    precision: str,
    batch: int,
    out: Path,
    refine: bool = True,
) -> list[Path]:
    """
    Write a network into a folder.

    Files that are there already are replaced, so that whoever runs them goes on undisturbed.
    Those of other formats stay, and ``outputs.json`` names the ones that it describes.

    :param file_format: 'onnx', 'openvino' or 'tensorrt'.
    :param precision: one that the format has, or 'auto' for its first.
    :param batch: crops in one run.
    :param refine: False leaves the refine stage out: vertices and joints are of the rough mesh.
    :returns: the files written.
    :raises BackendError: if the format has no such precision or batch, or a package is missing;
        the folder is then not made.
    :raises OutputError: if the files cannot be written; those that are there then stay.
    """
    precisions = _PRECISIONS[file_format]
    precision = precisions[0] if precision == 'auto' else precision
    if precision not in precisions:
        raise BackendError(
            f"format '{file_format}' has no precision '{precision}', expected one of "
            f'{", ".join(precisions)}'
        )
    save = _MAKERS[file_format](net, precision, batch, refine)
    description = _description(net, file_format, precision, batch, refine)
    try:
        return _replaced(out, save, description)
    except OSError as error:
        raise OutputError(f"cannot write into '{out}': {error}") from error


def _replaced(out: Path, save: Save, description: dict[str, Any]) -> list[Path]:
    """
    Write all files apart from those of an earlier export, then put them in their place.

    Files of other formats stay: the description names those that it is of.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='.part-', dir=out) as name:
        made = Path(name)
        save(made)
        files = sorted(made.iterdir())
        described = description | {'files': [file.name for file in files]}
        (made / DESCRIPTION_FILE).write_text(json.dumps(described, indent=2) + '\n')
        # The description comes last, and describes no mixture meanwhile.
        (out / DESCRIPTION_FILE).unlink(missing_ok=True)
        return [file.replace(out / file.name) for file in (*files, made / DESCRIPTION_FILE)]


def _onnx(net: HandMeshNet, precision: str, batch: int, refine: bool) -> Save:
    missing = missing_packages(_ONNX_NEEDS)
    if missing:
        raise BackendError(advice('ONNX', missing, 'export'))
    edge = _part(ArrayEdge(net, 'gather'), refine)
    example = torch.zeros(batch, edge.input_size, edge.input_size, 3, dtype=torch.uint8)
    try:
        # The exporter tells its progress on the standard output.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            program: Any = torch.onnx.export(
                edge,
                (example,),
                input_names=['crops'],
                output_names=list(edge.layout.names),
                opset_version=ONNX_OPSET,
                dynamo=True,
                verbose=False,
            )
    except ImportError as error:  # of one that is there, but not whole
        told = advice('ONNX', _ONNX_NEEDS, 'export')
        raise BackendError(f'{told} ({error})') from error
    for node in program.model.graph.all_nodes():
        # Stack traces, with the paths of this machine.
        node.metadata_props.clear()
    return lambda folder: program.save(folder / ONNX_FILE, external_data=False)


def _openvino(net: HandMeshNet, precision: str, batch: int, refine: bool) -> Save:
    from handmesh_model.backends.openvino import (
        MODEL_FILE,
        artefact,
        part,
        read_file,
        save_model,
    )

    if batch != 1:
        raise BackendError(f"format 'openvino' runs one crop at a time, not {batch}")
    model = part(artefact(net, precision, read_file), net, refine)
    layout = OutputLayout.of(net.config, net.topology.vertex_count)
    for output, name in zip(model.outputs, layout.names, strict=True):
        output.tensor.set_names({name})
    return lambda folder: save_model(model, folder / MODEL_FILE)


def _tensorrt(net: HandMeshNet, precision: str, batch: int, refine: bool) -> Save:
    from handmesh_model.backends.cudagraph import DTYPES
    from handmesh_model.backends.registry import BACKENDS
    from handmesh_model.backends.tensorrt import ENGINE_FILE, engine_bytes, import_tensorrt

    device = torch.device('cuda')
    problem = BACKENDS['tensorrt'].problem(device)
    if problem is not None:
        raise BackendError(problem)
    edge = _part(ArrayEdge(net, 'dense', DTYPES[precision]).to(device), refine)
    engine = engine_bytes(import_tensorrt()[1], edge, batch)

    def save(folder: Path) -> None:
        (folder / ENGINE_FILE).write_bytes(engine)

    return save


def _part(edge: ArrayEdge, refine: bool) -> ArrayEdge:
    return edge if refine else edge.without_refine()


_MAKERS: dict[str, Callable[[HandMeshNet, str, int, bool], Save]] = {
    'onnx': _onnx,
    'openvino': _openvino,
    'tensorrt': _tensorrt,
}


def _description(
    net: HandMeshNet, file_format: str, precision: str, batch: int, refine: bool
) -> dict[str, Any]:
    """What goes in and comes out, for whoever writes the other end."""
    config, layout = net.config, OutputLayout.of(net.config, net.topology.vertex_count)
    shapes: dict[str, tuple[int, ...]] = {'vertices': (net.topology.vertex_count, COORDINATES)}
    shapes |= {'joints': (config.joint_count, COORDINATES), 'confidence': (config.joint_count,)}
    size, is_engine = config.input_size, file_format == 'tensorrt'
    colours = 'RGB from 0 to 1' if is_engine else 'RGB'
    described = {
        'format': file_format,
        'crops': {
            'shape': [batch, 3, size, size] if is_engine else [batch, size, size, 3],
            'type': precision if is_engine else 'uint8',
            'meaning': f'{colours}; left hands mirrored, the side of the square '
            f'{CROP_MARGIN:g} times the longer side of the box around the hand',
        },
        'precision': precision,
        'refined': config.refine_stage and refine,
        'lixels': config.heatmap_size,
        'joint_names': list(JOINT_NAMES),
        'decoding': _decoding(net),
        'outputs': {
            name: {
                'shape': [batch, *shapes.get(name, ())],
                'type': 'float32',
                'meaning': _MEANINGS[name],
            }
            for name in layout.names
        },
    }
    if is_engine:
        described['packed'] = (
            f'float32 ({batch}, {layout.width}): all outputs of a crop in one row, in this order'
        )
    else:
        described['computing'] = _FLOAT32
    return described


def _decoding(net: HandMeshNet) -> dict[str, Any]:
    """What lixels of this very network mean, in numbers and in words."""
    scale = LixelScale(net.config.input_size, net.config.heatmap_size)
    size, middle = scale.input_size, (scale.input_size - 1) / 2
    hand = f'a hand of {net.topology.hand_size:.4g} m from wrist to middle knuckle'
    if has_metric_depth(net.topology):
        hand = 'the hand itself'
    return {
        'formula': 'point = (lixel - offsets) / factors, for each of x, y and z',
        'offsets': scale.offsets.tolist(),
        'factors': scale.factors.tolist(),
        'x, y': f'pixel of the crop = {1 / scale.factors[0]:g} * lixel; pixels have their centres '
        f'at whole numbers, from 0 to {size - 1}',
        'z': f'metres from the wrist on, {_AXES[net.config.depth_axis]}, = '
        f'((lixel / {scale.heatmap_size}) * 2 - 1) * {scale.depth_range:g}, of {hand}',
        'picture': f'pixel of the picture = middle of the box + (pixel of the crop - {middle:g}) '
        f'* side of the crop in pixels of the picture / {size}; x the other way round where the '
        'crop is mirrored',
    }
