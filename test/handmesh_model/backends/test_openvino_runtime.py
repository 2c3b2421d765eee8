"""What OpenVINO does beside computing: nothing that a signal could fall into, and no reports."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from handmesh_model.backends import openvino
from handmesh_model.checkpoints import save_checkpoint
from handmesh_model.errors import BackendError
from handmesh_model.network import HandMeshNet

pytest.importorskip('openvino', reason='openvino is not installed')

SCRIPT = """
import signal
import sys
import threading

import torch

from handmesh_model.backends import create_backend
from handmesh_model.checkpoints import load_network

def load():
    return create_backend('openvino', load_network(sys.argv[1]), torch.device('cpu'))

first, second = load(), load()

def close():
    first.close()
    second.close()

if sys.argv[2] == 'elsewhere':
    thread = threading.Thread(target=close)
    thread.start()
    thread.join()
else:
    close()
signal.signal(signal.SIGTERM, lambda number, frame: print('handled', flush=True))
signal.raise_signal(signal.SIGTERM)
"""

REPORTS = """
import sys

import torch

from handmesh_model.backends import openvino

if len(sys.argv) > 1:
    openvino.import_openvino()
    __import__(sys.argv[1])
else:
    openvino.convert(torch.nn.ReLU(), torch.zeros(1, 2), ('output',))
print([name for name in sys.modules if name.startswith('openvino_telemetry.')])
"""


@pytest.mark.parametrize('refine', [True, False])
def test_a_closed_backend_says_so(
    net: HandMeshNet, monkeypatch: pytest.MonkeyPatch, refine: bool
) -> None:
    monkeypatch.setattr(openvino, 'artefact', lambda *_: ('a request', 'a model'))
    backend = openvino.OpenVinoBackend(net, torch.device('cpu'))
    backend.close()
    with pytest.raises(BackendError, match='the backend is closed'):
        backend.run(np.zeros((1, 64, 64, 3), np.uint8), refine)


@pytest.mark.parametrize('where', ['here', 'elsewhere'])
def test_signals_are_handled_after_networks_were_closed(
    net: HandMeshNet, tmp_path: Path, where: str
) -> None:
    weights = tmp_path / 'net.safetensors'
    save_checkpoint(weights, net, {})
    command = [sys.executable, '-c', SCRIPT, str(weights), where]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stdout) == (0, 'handled\n'), ended.stderr


@pytest.mark.parametrize('more', [[], ['nncf']])
def test_nothing_is_reported_to_anybody(tmp_path: Path, more: list[str]) -> None:
    for name in more:
        pytest.importorskip(name)
    pytest.importorskip('openvino_telemetry')
    environment = {name: v for name, v in os.environ.items() if name != 'CI'}
    command = [sys.executable, '-c', REPORTS, *more]
    ended = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        env={**environment, 'HOME': str(tmp_path)},
    )
    assert (ended.returncode, ended.stdout) == (0, '[]\n'), ended.stderr
    # Where it would note under which number it reports.
    assert not (tmp_path / 'intel').exists()
