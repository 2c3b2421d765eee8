import inspect
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from handmesh_model.network import StageOutputs
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.distributed import Ranks
from handmesh_model.training.muon import orthogonalized
from handmesh_model.training.precision import multiplies_bfloat16
from handmesh_model.training.trainer import Trainer

CPU = torch.device('cpu')
WANTED_AND_ABLE = [(True, True), (True, False), (False, True), (False, False)]


def cpu_with(monkeypatch: pytest.MonkeyPatch, **features: bool) -> None:
    monkeypatch.setattr(torch, 'cpu', SimpleNamespace(get_capabilities=lambda: features))


@pytest.mark.parametrize(
    ('features', 'expected'),
    [
        ({'avx512_bf16': True}, True),
        ({'avx512_bf16': False, 'amx_bf16': True}, True),
        ({'avx512_bf16': False, 'amx_bf16': False, 'avx512_f': True}, False),
        ({}, False),
    ],
)
def test_a_cpu_is_asked(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, bool], expected: bool
) -> None:
    cpu_with(monkeypatch, **features)
    assert multiplies_bfloat16(CPU) is expected


def test_a_pytorch_that_cannot_tell_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, 'cpu', SimpleNamespace())
    assert not multiplies_bfloat16(CPU)


@pytest.mark.parametrize('able', [True, False])
def test_a_gpu_is_asked_for_more_than_emulation(
    monkeypatch: pytest.MonkeyPatch, able: bool
) -> None:
    def is_bf16_supported(including_emulation: bool = True) -> bool:
        return able or including_emulation

    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', is_bf16_supported)
    assert multiplies_bfloat16(torch.device('cuda')) is able


def test_pytorch_can_be_asked_so() -> None:
    parameters = inspect.signature(torch.cuda.is_bf16_supported).parameters
    assert 'including_emulation' in parameters


@pytest.mark.parametrize('offset', [True, False])
@pytest.mark.parametrize(('wanted', 'able'), WANTED_AND_ABLE)
def test_maps_are_half_precise_where_wanted_and_possible(
    monkeypatch: pytest.MonkeyPatch,
    tiny_run: Callable[..., TrainingConfig],
    capsys: pytest.CaptureFixture[str],
    wanted: bool,
    able: bool,
    offset: bool,
) -> None:
    monkeypatch.setattr('handmesh_model.training.trainer.multiplies_bfloat16', lambda device: able)
    options = {'offset': offset}
    config = tiny_run(mixed_precision=wanted, total_samples=8, network_options=options)
    trainer = Trainer(config, Ranks(0, 1, CPU))
    seen: list[torch.dtype] = []
    encoder = trainer.net.mesh_stage.encoder
    encoder.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[0].dtype))
    coordinates: dict[str, torch.dtype] = {}

    def noted(net: torch.nn.Module, inputs: object, outputs: StageOutputs) -> None:
        for name in ('rough_vertices', 'vertices', 'joints', 'stage_joints'):
            coordinates[name] = getattr(outputs, name).dtype

    trainer.net.register_forward_hook(noted)
    step, totals = trainer._step, []

    def watched(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        terms = step(batch)
        totals.append(terms['total'])
        return terms

    trainer._step = watched  # type: ignore[method-assign]
    trainer.run()
    assert seen[0] == (torch.bfloat16 if wanted and able else torch.float32)
    said = capsys.readouterr().out.splitlines()[0]
    assert f'on cpu in {str(seen[0]).removeprefix("torch.")}, from sample 0' in said
    assert coordinates == dict.fromkeys(coordinates, torch.float32)
    assert len(coordinates) == 4
    assert totals[0].dtype == torch.float32
    assert torch.isfinite(totals[0])
    assert all(p.dtype == torch.float32 for p in trainer.net.parameters())


@pytest.mark.parametrize(('wanted', 'able'), WANTED_AND_ABLE)
def test_muon_multiplies_half_precise_where_wanted_and_possible(
    monkeypatch: pytest.MonkeyPatch,
    tiny_run: Callable[..., TrainingConfig],
    wanted: bool,
    able: bool,
) -> None:
    monkeypatch.setattr('handmesh_model.training.trainer.multiplies_bfloat16', lambda device: able)
    seen: list[torch.dtype] = []

    def watched(matrices: torch.Tensor, precision: torch.dtype) -> torch.Tensor:
        seen.append(precision)
        return orthogonalized(matrices, precision)

    monkeypatch.setattr('handmesh_model.training.muon.orthogonalized', watched)
    config = tiny_run(mixed_precision=wanted, total_samples=8, optimizer={'name': 'muon'})
    trainer = Trainer(config, Ranks(0, 1, CPU))
    trainer.run()
    assert set(seen) == {torch.bfloat16 if wanted and able else torch.float32}
