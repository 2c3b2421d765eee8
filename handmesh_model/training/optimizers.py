"""The optimizer of a training run, made of one or two of PyTorch's kind."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from handmesh_model.network.soft_argmax import LixelHead
from handmesh_model.training.config import OptimizerConfig
from handmesh_model.training.muon import Muon


class OptimizerSet:
    """
    Optimizers of the parts of one network as one.

    :param parts: at least one; no parameter in two of them.
    """

    def __init__(self, parts: Iterable[Optimizer]) -> None:
        self.parts = list(parts)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups of all parts; changes take effect."""
        return [group for part in self.parts for group in part.param_groups]

    def step(self) -> None:
        """Take one step with all parts."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        return {'parts': [part.state_dict() for part in self.parts]}

    def load_state_dict(self, stored: dict[str, Any]) -> None:
        """
        Bring all parts to what ``state_dict`` had given, see :func:`load_state`.

        :raises KeyError: if it was no set's.
        :raises ValueError: if it was another set's.
        """
        for part, state in zip(self.parts, stored['parts'], strict=True):
            load_state(part, state)


def build_optimizer(
    config: OptimizerConfig, net: nn.Module, half: bool = False
) -> Optimizer | OptimizerSet:
    """
    The optimizer that a run asks for.

    Adam is in its fused form, on a CPU five times faster than the plain one. Norms and biases are
    not decayed. With Muon they and the heatmap heads are AdamW's. Each group's ``factor`` is what
    its learning rate is of the scheduled one.

    :param half: whether Muon multiplies in bfloat16, as it should where the network's device is
        faster so, see :mod:`handmesh_model.training.precision`.
    """
    heads = {
        parameter
        for module in net.modules()
        if isinstance(module, LixelHead)
        for layer in (module.x, module.y, module.z)
        for parameter in layer.parameters()
    }
    decayed = [p for p in net.parameters() if p.ndim > 1 and p not in heads]
    others = [p for p in net.parameters() if p.ndim <= 1 and p not in heads]
    of_heads = [p for p in net.parameters() if p in heads]
    groups = [
        {'params': decayed, 'weight_decay': config.weight_decay, 'factor': 1.0},
        {'params': others, 'weight_decay': 0.0, 'factor': 1.0},
        {'params': of_heads, 'weight_decay': 0.0, 'factor': config.head_factor},
    ]
    parts: list[Optimizer] = []
    if config.name == 'muon':
        matrices = groups.pop(0)
        if decayed:
            precision = torch.bfloat16 if half else torch.float32
            parts.append(Muon([matrices], lr=config.learning_rate, precision=precision))
    groups = [group for group in groups if group['params']]
    kind = Adam if config.name == 'adam' else AdamW
    betas = (config.beta1, config.beta2)
    if groups:
        parts.append(kind(groups, lr=config.learning_rate, betas=betas, fused=True))
    # One alone keeps the form of state that PyTorch gives it, as runs have always stored it.
    return parts[0] if len(parts) == 1 else OptimizerSet(parts)


def load_state(optimizer: Optimizer | OptimizerSet, stored: dict[str, Any]) -> None:
    """
    Bring an optimizer to a stored state. Its settings stay those that it was made with, but for
    the learning rate, which is the schedule's.

    :param stored: what ``state_dict`` of one made for the same network had given.
    :raises KeyError: if it is another kind of optimizer's.
    :raises ValueError: if its parameters are grouped otherwise.
    """
    if isinstance(optimizer, OptimizerSet):
        return optimizer.load_state_dict(stored)
    before, made = stored['param_groups'], optimizer.param_groups
    if len(before) != len(made):
        raise ValueError(f'it has {len(before)} groups of parameters, expected {len(made)}')
    # PyTorch takes over all that was stored, and puts the state where fused or recorded steps, as
    # the groups have them, look for it: they must be right before.
    kept = ('params', 'lr')
    groups = [
        {**old, **{name: value for name, value in new.items() if name not in kept}}
        for old, new in zip(before, made, strict=True)
    ]
    optimizer.load_state_dict({**stored, 'param_groups': groups})


def set_rate(optimizer: Optimizer | OptimizerSet, rate: float) -> None:
    """Set the scheduled learning rate, times each group's own factor."""
    for group in optimizer.param_groups:
        present = group['lr']
        if isinstance(present, Tensor):
            present.fill_(rate * group['factor'])
        else:
            group['lr'] = rate * group['factor']


def fit_device(
    optimizer: Optimizer | OptimizerSet, device: torch.device, recorded: bool = False
) -> None:
    """
    Let an optimizer that was made, or loaded, take steps on a device.

    A state that was stored on one kind of device is taken to the other.

    :param recorded: whether steps are to be recorded: learning rates are tensors then, to be read
        anew by each replay.
    """
    if recorded:
        # The first steps, which are not recorded, may well be a little slower.
        warnings.filterwarnings('ignore', '.*capturable=True')
    for group in optimizer.param_groups:
        rate = float(group['lr'])
        group['lr'] = torch.tensor(rate, device=device) if recorded else rate
        if 'capturable' in group:
            group['capturable'] = recorded
