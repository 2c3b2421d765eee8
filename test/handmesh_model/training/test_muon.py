"""Muon's steps, and the optimizers that a run is made of."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from handmesh_model.network.soft_argmax import LixelHead
from handmesh_model.training.config import OptimizerConfig
from handmesh_model.training.muon import ADAM_RMS, Muon, orthogonalized
from handmesh_model.training.optimizers import (
    OptimizerSet,
    build_optimizer,
    load_state,
    set_rate,
)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(32, 5)
    )
    return layers.to(memory_format=torch.channels_last)


def give_gradients(net: nn.Module, seed: int = 0) -> None:
    torch.manual_seed(seed)
    loss = net(torch.randn(2, 3, 6, 6)).square().mean()
    net.zero_grad()
    loss.backward()


@pytest.mark.parametrize('shape', [(6, 40), (40, 6), (3, 16, 16)])
def test_singular_values_come_to_one_and_vectors_stay(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    matrices = torch.randn(shape)
    result = orthogonalized(matrices)
    assert result.shape == matrices.shape
    values = torch.linalg.svdvals(matrices) / torch.linalg.matrix_norm(matrices)[..., None]
    found = torch.linalg.svdvals(result)
    assert (found < 1.3).all()
    assert (found[values > 0.01] > 0.6).all()
    # With the singular vectors of the input, their product is symmetric and positive.
    product = result.mT.double() @ matrices.double()
    torch.testing.assert_close(product, product.mT, atol=1e-3, rtol=1e-3)
    assert (torch.linalg.eigvalsh(product) > -1e-3).all()


@pytest.mark.parametrize('shape', [(6, 40), (40, 6), (3, 64, 64), (2, 96, 864)])
def test_half_precision_gives_the_same_directions(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    # Gradients' singular values lie far apart.
    matrices = torch.randn(shape) * torch.logspace(0, -2, shape[-1])
    fine = orthogonalized(matrices)
    rough = orthogonalized(matrices, torch.bfloat16)
    assert rough.dtype == torch.float32
    cosine = nn.functional.cosine_similarity(rough.flatten(-2), fine.flatten(-2), dim=-1)
    assert (cosine > 0.999).all()
    assert not torch.equal(rough, fine)
    assert (torch.linalg.svdvals(rough) < 1.3).all()


@pytest.mark.parametrize('precision', [torch.float32, torch.bfloat16])
def test_no_gradient_moves_nothing(precision: torch.dtype) -> None:
    assert torch.equal(orthogonalized(torch.zeros(4, 7), precision), torch.zeros(4, 7))


def test_half_precision_is_the_products_alone() -> None:
    ends = {}
    for half in (False, True):
        net = network()
        optimizer = build_optimizer(OptimizerConfig(name='muon', learning_rate=0.01), net, half)
        torch.manual_seed(4)
        for parameter in net.parameters():
            parameter.grad = torch.randn_like(parameter)
        before = [p.detach().clone() for p in net.parameters()]
        optimizer.step()
        for part in parts_of(optimizer):
            for state in part.state.values():
                assert all(value.dtype == torch.float32 for value in state.values())
        assert all(p.dtype == torch.float32 for p in net.parameters())
        ends[half] = [p.detach() - old for p, old in zip(net.parameters(), before, strict=True)]
    for rough, fine in zip(ends[True], ends[False], strict=True):
        if fine.ndim > 1:
            assert not torch.equal(rough, fine)
            assert nn.functional.cosine_similarity(rough.flatten(), fine.flatten(), 0) > 0.999
        else:
            assert torch.equal(rough, fine)


def test_steps_have_the_size_of_adams() -> None:
    net = network()
    give_gradients(net)
    matrices = [p for p in net.parameters() if p.ndim > 1]
    before = [p.detach().clone() for p in matrices]
    Muon(matrices, lr=0.01).step()
    for old, new in zip(before, matrices, strict=True):
        moved = (new - old).square().mean().sqrt().item()
        assert 0.5 < moved / (0.01 * ADAM_RMS) < 1.3


def test_kernel_steps_as_the_matrix_of_its_outputs() -> None:
    kernel = nn.Parameter(torch.zeros(4, 2, 3, 3).to(memory_format=torch.channels_last))
    matrix = nn.Parameter(torch.zeros(4, 18))
    torch.manual_seed(2)
    gradient = torch.randn(4, 2, 3, 3)
    kernel.grad = gradient.to(memory_format=torch.channels_last)
    matrix.grad = gradient.flatten(1)
    Muon([kernel], lr=0.1).step()
    Muon([matrix], lr=0.1).step()
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(kernel.flatten(1), matrix, atol=1e-5, rtol=1e-4)


def test_parameters_without_gradients_stay() -> None:
    parameter = nn.Parameter(torch.ones(3, 3))
    Muon([parameter], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(parameter, torch.ones(3, 3))


def test_weights_decay_as_in_adamw() -> None:
    parameter = nn.Parameter(torch.ones(3, 3))
    parameter.grad = torch.zeros(3, 3)
    Muon([parameter], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(parameter.detach(), torch.full((3, 3), 0.95))


def test_rare_directions_are_learned_too() -> None:
    """Of inputs that differ 100 times in size, the small ones keep gradient descent waiting."""
    torch.manual_seed(3)
    inputs = torch.randn(512, 16) * torch.logspace(0, -2, 16)
    truth = torch.randn(16, 12)
    left = {}
    for kind in (Muon, torch.optim.SGD):
        weights = nn.Parameter(torch.zeros(16, 12))
        optimizer = kind([weights], lr=1.0, momentum=0.9)
        for step in range(200):
            optimizer.param_groups[0]['lr'] = 0.5 * (1 - step / 200)
            optimizer.zero_grad()
            (inputs @ (weights - truth)).square().mean().backward()
            optimizer.step()
        left[kind] = (weights - truth).square().mean().item()
    assert left[Muon] < 0.1
    assert left[Muon] < 0.3 * left[torch.optim.SGD]


@pytest.mark.parametrize('name', ['adam', 'adamw', 'muon'])
def test_each_parameter_has_one_optimizer_and_no_bias_decays(name: str) -> None:
    net = network()
    groups = build_optimizer(OptimizerConfig(name=name), net).param_groups
    listed = [p for group in groups for p in group['params']]
    assert sorted(map(id, listed)) == sorted(map(id, net.parameters()))
    for group in groups:
        assert (group['weight_decay'] > 0) == all(p.ndim > 1 for p in group['params'])


def test_muon_takes_the_matrices_alone() -> None:
    several = build_optimizer(OptimizerConfig(name='muon'), network())
    assert isinstance(several, OptimizerSet)
    muon, adamw = several.parts
    assert isinstance(muon, Muon)
    assert isinstance(adamw, torch.optim.AdamW)
    assert {p.ndim for group in muon.param_groups for p in group['params']} == {2, 4}
    assert {p.ndim for group in adamw.param_groups for p in group['params']} == {1}


def test_state_brings_another_set_to_the_same_steps() -> None:
    net = network()
    optimizer = build_optimizer(OptimizerConfig(name='muon'), net)
    give_gradients(net)
    optimizer.step()
    twin = copy.deepcopy(net)
    resumed = build_optimizer(OptimizerConfig(name='muon'), twin)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for one, several in ((net, optimizer), (twin, resumed)):
        give_gradients(one, seed=5)
        several.step()
    for mine, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize('name', ['adam', 'adamw', 'muon'])
def test_stored_state_leaves_the_settings_as_configured(name: str) -> None:
    net = nn.ModuleList([network(), LixelHead(2, 3, 4, 2, 5)])
    before = build_optimizer(OptimizerConfig(name=name), net)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    set_rate(before, 0.5)
    before.step()
    stored = copy.deepcopy(before.state_dict())
    other = OptimizerConfig(name, weight_decay=0.3, beta1=0.8, beta2=0.9, head_factor=7.0)
    made, loaded = build_optimizer(other, net), build_optimizer(other, net)
    load_state(loaded, stored)
    for new, group in zip(made.param_groups, loaded.param_groups, strict=True):
        assert group.pop('lr') == 0.5
        assert group == {key: value for key, value in new.items() if key != 'lr'}
    # What was learned of the gradients is there all the same.
    for one, two in zip(parts_of(before), parts_of(loaded), strict=True):
        for parameter, state in one.state.items():
            for key, value in state.items():
                assert torch.equal(two.state[parameter][key], value)


def parts_of(optimizer: Optimizer | OptimizerSet) -> list[Optimizer]:
    return optimizer.parts if isinstance(optimizer, OptimizerSet) else [optimizer]


def test_state_of_other_groups_is_refused() -> None:
    stored = build_optimizer(OptimizerConfig(), network()).state_dict()
    optimizer = build_optimizer(OptimizerConfig(), nn.Sequential(nn.Linear(2, 2, bias=False)))
    with pytest.raises(ValueError, match='it has 2 groups of parameters, expected 1'):
        load_state(optimizer, stored)


def test_state_of_other_optimizers_is_refused() -> None:
    net = network()
    plain = build_optimizer(OptimizerConfig(name='adamw'), net)
    several = build_optimizer(OptimizerConfig(name='muon'), net)
    with pytest.raises(KeyError, match='parts'):
        several.load_state_dict(plain.state_dict())
    with pytest.raises(ValueError, match='argument 2 is shorter'):
        several.load_state_dict({'parts': several.state_dict()['parts'][:1]})


def test_one_optimizer_alone_keeps_its_own_form_of_state() -> None:
    net = network()
    assert isinstance(build_optimizer(OptimizerConfig(name='muon'), net), OptimizerSet)
    for name, kind in (('adam', torch.optim.Adam), ('adamw', torch.optim.AdamW)):
        optimizer = build_optimizer(OptimizerConfig(name=name), net)
        assert type(optimizer) is kind
        assert set(optimizer.state_dict()) == {'state', 'param_groups'}
