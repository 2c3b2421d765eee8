"""``handmesh export`` from the command line, on a tiny random network."""

import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from handmesh_model.backends import create_backend
from handmesh_model.backends.export import _description, export_network
from handmesh_model.checkpoints import load_network, save_checkpoint
from handmesh_model.cli import USER_ERROR, main
from handmesh_model.crop import CROP_MARGIN, apply_affine, image_from_crop
from handmesh_model.errors import BackendError, CheckpointError, OutputError
from handmesh_model.evaluation import precision_check
from handmesh_model.evaluation.precision_check import PrecisionCheck
from handmesh_model.hand import HandBox
from handmesh_model.joints import JOINT_NAMES
from handmesh_model.lixels import LixelScale
from handmesh_model.network import HandMeshNet, NetworkConfig
from handmesh_model.topology import HandTopology


def crops(count: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.integers(0, 255, (count, 64, 64, 3)).astype(np.uint8)


def run_file(path: Path, images: np.ndarray, batch: int) -> dict[str, np.ndarray]:
    """Outputs of a file by name; OpenVINO reads ONNX, too."""
    import openvino

    hints = {'INFERENCE_PRECISION_HINT': 'f32'}
    compiled = openvino.Core().compile_model(path, 'CPU', hints)
    outputs: dict[str, list[np.ndarray]] = {o.any_name: [] for o in compiled.outputs}
    for crops in np.split(images, len(images) // batch):
        result = compiled([crops])
        for output in compiled.outputs:
            array = result[output]
            assert len(array) == batch
            outputs[output.any_name].append(array.copy())
    return {name: np.concatenate(arrays) for name, arrays in outputs.items()}


@pytest.mark.parametrize('refine', [True, False])
@pytest.mark.parametrize(('file_format', 'batch'), [('onnx', 2), ('openvino', 1)])
def test_the_file_computes_what_the_network_does(
    lively_net: HandMeshNet, tmp_path: Path, file_format: str, batch: int, refine: bool
) -> None:
    save_checkpoint(tmp_path / 'lively.safetensors', lively_net)
    out = tmp_path / 'out'
    arguments = ['--weights', str(tmp_path / 'lively.safetensors'), '--format', file_format]
    arguments += [] if refine else ['--without-refine']
    assert main(['export', *arguments, '--out', str(out), '--batch', str(batch)]) == 0
    images = crops(4)
    expected = create_backend('eager', lively_net, torch.device('cpu')).run(images, refine)
    name = 'model.onnx' if file_format == 'onnx' else 'model.xml'
    outputs = run_file(out / name, images, batch)
    described = json.loads((out / 'outputs.json').read_text())
    assert list(outputs) == list(described['outputs'])
    for output, array in outputs.items():
        assert [batch, *array.shape[1:]] == described['outputs'][output]['shape']
    found = {name: outputs[name] for name in ('vertices', 'joints', 'confidence')}
    for name, logits in (('presence', 'presence'), ('right', 'side')):
        found[name] = 1 / (1 + np.exp(-outputs[logits]))
    for name, array in found.items():
        wanted, most = getattr(expected, name), 1e-3 if name in ('vertices', 'joints') else 1e-4
        assert np.ptp(wanted, axis=0).max() > 100 * most, name
        np.testing.assert_allclose(array, wanted, rtol=0, atol=most, err_msg=name)
    assert described['crops']['shape'] == [batch, 64, 64, 3]
    assert (described['precision'], described['refined']) == ('float32', refine)
    assert described['joint_names'] == list(JOINT_NAMES)
    # Without it a CPU that has bfloat16 computes in that.
    assert 'INFERENCE_PRECISION_HINT f32' in described['computing']


def test_an_engine_is_described_by_what_it_takes_itself() -> None:
    topology, config = HandTopology.open_hand(), NetworkConfig(input_size=64, heatmap_size=16)
    net = cast(HandMeshNet, SimpleNamespace(config=config, topology=topology))
    described = _description(net, 'tensorrt', 'float16', 2, True)
    assert described['crops']['shape'] == [2, 3, 64, 64]
    assert described['crops']['type'] == 'float16'
    assert 'RGB from 0 to 1' in described['crops']['meaning']
    assert 'float32 (2, ' in described['packed']


def test_onnx_files_tell_nothing_of_where_they_were_made(
    weights_folder: Path, tmp_path: Path
) -> None:
    onnx = pytest.importorskip('onnx')
    pytest.importorskip('onnxscript')
    net = load_network(weights_folder / 'mesh.safetensors')
    path, _ = export_network(net, 'onnx', 'auto', 1, tmp_path)
    assert not any(node.metadata_props for node in onnx.load(path).graph.node)
    assert str(Path(torch.__file__).parent).encode() not in path.read_bytes()


def test_files_of_an_earlier_export_are_replaced_not_overwritten(
    weights_folder: Path, tmp_path: Path
) -> None:
    """Whoever runs them reads their weights from the disk, page by page."""
    net = load_network(weights_folder / 'mesh.safetensors')
    files = export_network(net, 'openvino', 'auto', 1, tmp_path)
    assert [file.name for file in files] == ['model.bin', 'model.xml', 'outputs.json']
    with files[0].open('rb') as held:
        again = export_network(net, 'openvino', 'auto', 1, tmp_path)
        assert files[0].stat().st_ino != os.fstat(held.fileno()).st_ino
    assert again == sorted(tmp_path.iterdir()) == files


def test_the_description_names_the_files_that_it_is_of(
    weights_folder: Path, tmp_path: Path
) -> None:
    """Those of another format stay beside them."""
    pytest.importorskip('onnxscript')
    net = load_network(weights_folder / 'mesh.safetensors')
    for file_format, names in (('openvino', ['model.bin', 'model.xml']), ('onnx', ['model.onnx'])):
        files = export_network(net, file_format, 'auto', 1, tmp_path)
        described = json.loads((tmp_path / 'outputs.json').read_text())
        assert (described['format'], described['files']) == (file_format, names)
        assert [file.name for file in files] == [*names, 'outputs.json']
    assert (tmp_path / 'model.xml').is_file()


def test_a_full_disk_is_told_and_leaves_the_earlier_export(
    weights_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openvino = pytest.importorskip('openvino')
    net = load_network(weights_folder / 'mesh.safetensors')
    files = export_network(net, 'openvino', 'auto', 1, tmp_path)
    before = {file: file.read_bytes() for file in files}

    def full(model: object, path: Path, compress: bool) -> None:
        path.with_suffix('.bin').write_bytes(b'half')
        raise RuntimeError('basic_ios::clear: iostream error')

    monkeypatch.setattr(openvino, 'save_model', full)
    with pytest.raises(OutputError, match=r'cannot write .*basic_ios'):
        export_network(net, 'openvino', 'auto', 1, tmp_path)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize('input_size', [64, 128])
def test_outputs_are_decoded_by_what_the_description_says(input_size: int) -> None:
    """As whoever has the files alone would do it; no network has to run for that."""
    topology = HandTopology.open_hand()
    config = NetworkConfig(input_size=input_size, heatmap_size=input_size // 4)
    net = cast(HandMeshNet, SimpleNamespace(config=config, topology=topology))
    described = json.loads(json.dumps(_description(net, 'onnx', 'float32', 1, True)))
    decoding = described['decoding']
    lixels = np.random.default_rng(0).uniform(0, described['lixels'], (1, 61, 3))
    scale = LixelScale(config.input_size, config.heatmap_size)
    expected = scale.from_lixels(lixels)
    found = (lixels - decoding['offsets']) / decoding['factors']
    np.testing.assert_allclose(found, expected, atol=1e-12)
    per_lixel = float(re.match(r'pixel of the crop = (\S+) \* lixel; ', decoding['x, y'])[1])
    np.testing.assert_allclose(per_lixel * lixels[..., :2], expected[..., :2], atol=1e-12)
    formula = re.search(r'= \(\(lixel / (\S+)\) \* 2 - 1\) \* (\S+), of (.*)', decoding['z'])
    bins, reach = float(formula[1]), float(formula[2])
    np.testing.assert_allclose((lixels[..., 2] / bins * 2 - 1) * reach, expected[..., 2])
    assert formula[3] == f'a hand of {topology.hand_size:.4g} m from wrist to middle knuckle'

    box = HandBox(100, 60, 200, 180, side='left')
    affine = image_from_crop(box, input_size, True)
    middle, size = re.search(r'crop - (\S+)\) .* / (\d+);', decoding['picture']).groups()
    steps = (found[0, :, :2] - float(middle)) * [-1, 1]
    pixels = box.center + steps * CROP_MARGIN * box.longer_side / float(size)
    np.testing.assert_allclose(pixels, apply_affine(affine, found[0, :, :2]), atol=1e-9)


def test_depth_of_networks_for_real_hands_is_of_the_hand_itself() -> None:
    open_hand = HandTopology.open_hand()
    topology = HandTopology(open_hand.faces, open_hand.joint_regressor, name='mano-right')
    net = cast(HandMeshNet, SimpleNamespace(config=NetworkConfig(), topology=topology))
    described = _description(net, 'onnx', 'float32', 1, True)
    assert described['decoding']['z'].endswith(', of the hand itself')


@pytest.mark.parametrize(('file_format', 'chosen'), [('openvino', 'open'), ('onnx', 'open-large')])
def test_auto_is_the_network_for_where_the_format_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    file_format: str,
    chosen: str,
) -> None:
    def noted(path_or_name: object) -> None:
        raise CheckpointError(f'asked for {path_or_name}')

    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr('handmesh_model.backends.devices._cuda', lambda: True)
    monkeypatch.setattr('handmesh_model.weight_files.weights_path', noted)
    given = ['--weights', 'auto', '--format', file_format, '--out', str(tmp_path / 'out')]
    assert main(['export', *given]) == USER_ERROR
    assert f'asked for {chosen}\n' in capsys.readouterr().err


def test_what_comes_to_nothing_leaves_no_folder(weights_folder: Path, tmp_path: Path) -> None:
    given = ['--weights', str(weights_folder), '--out', str(tmp_path / 'out')]
    assert main(['export', *given, '--format', 'openvino', '--batch', '2']) == USER_ERROR
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('file_format', 'missing'),
    [
        ('onnx', ['onnx', 'onnxscript']),
        ('onnx', ['onnxscript']),
        ('openvino', ['openvino']),
        ('tensorrt', ['torch_tensorrt', 'tensorrt']),
    ],
)
def test_a_missing_package_leaves_no_folder(
    weights_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file_format: str,
    missing: list[str],
) -> None:
    for package in missing:
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    net = load_network(weights_folder / 'mesh.safetensors')
    named = ' and '.join(missing).replace('_', '-')
    with pytest.raises(BackendError, match=f'needs the packages? {named}: pip install'):
        export_network(net, file_format, 'auto', 1, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_a_package_that_is_not_whole_leaves_no_folder(
    weights_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('onnx')
    pytest.importorskip('onnxscript')

    def broken(*_: object, **__: object) -> None:
        raise ImportError('a part of it')

    monkeypatch.setattr(torch.onnx, 'export', broken)
    net = load_network(weights_folder / 'mesh.safetensors')
    with pytest.raises(BackendError, match=r'onnx and onnxscript.*a part of it'):
        export_network(net, 'onnx', 'auto', 1, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--format', 'onnx', '--precision', 'int8'], "'onnx' has no precision 'int8'"),
        (['--format', 'openvino', '--batch', '2'], 'one crop at a time, not 2'),
        (['--format', 'onnx', '--batch', '0'], '--batch is 0'),
        (['--format', 'onnx', '--photographs', 'x'], '--photographs goes with'),
        (
            ['--format=openvino', '--precision=int8', '--photographs=x', '--without-refine'],
            '--photographs does not go with --without-refine',
        ),
        (['--format', 'onnx', '--weights', 'nowhere'], "no weights file 'nowhere'"),
    ],
)
def test_what_cannot_be_is_refused(
    weights_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    arguments: list[str],
    said: str,
) -> None:
    given = ['--weights', str(weights_folder), '--out', str(tmp_path), *arguments]
    assert main(['export', *given]) == USER_ERROR
    assert said in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason='CUDA is there')
def test_engines_need_cuda(
    weights_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    given = ['--weights', str(weights_folder), '--out', str(tmp_path), '--format', 'tensorrt']
    assert main(['export', *given]) == USER_ERROR
    assert 'needs CUDA' in capsys.readouterr().err


def test_photographs_can_refuse_an_int8_network(
    weights_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr(
        precision_check, 'check_precision', lambda *_: PrecisionCheck(98, 10.0, 10.5)
    )
    given = ['--weights', str(weights_folder), '--out', str(tmp_path / 'out')]
    given += ['--format', 'openvino', '--precision', 'int8', '--photographs', 'photographs']
    assert main(['export', *given]) == 1
    assert '+0.50 mm' in capsys.readouterr().out
    assert not (tmp_path / 'out').exists()
