"""
Muon: steps along the orthogonalized momentum of each weight matrix.

PyTorch has one since 2.9, for matrices of two axes alone; most weights here are kernels.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of x, x^3, x^5: five rounds bring singular values above 0.003 to 0.65..1.25."""

_ROUNDS = 5

ADAM_RMS = 0.2
"""RMS of a step over the learning rate that Adam settles at; Muon's steps are brought to it."""


def orthogonalized(matrices: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
    """
    Matrices with the same singular vectors, all singular values near one.

    Newton-Schulz iteration, which is products alone. Source: K. Jordan et al., "Muon: An optimizer
    for hidden layers in neural networks", 2024.

    :param matrices: (..., m, n).
    :param precision: of the products. In bfloat16 they are faster where a device has it, and give
        almost the same but in directions of next to no gradient, which are noise either way.
    :returns: (..., m, n), singular values 0.65 to 1.25 where they were not below a three hundredth
        of the matrix' norm.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).reshape(-1, *sorted(matrices.shape[-2:]))
    x = (x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)).to(precision)
    first, third, fifth = _QUINTIC
    for _ in range(_ROUNDS):
        square = x @ x.mT
        polynomial = torch.baddbmm(square, square, square, beta=third, alpha=fifth)
        x = torch.baddbmm(x, polynomial, x, beta=first)
    return (x.mT if tall else x).reshape(matrices.shape).to(matrices.dtype)


class Muon(Optimizer):
    """
    Momentum, orthogonalized: every direction of a weight matrix moves alike, however seldom the
    gradients ask for it.

    Kernels of convolutions are matrices of their first axis by all others. Steps have the size of
    Adam's, so that learning rates of one do for the other. Source: J. Liu et al., "Muon is
    scalable for LLM training", 2025.

    :param parameters: parameters of two or more axes, or groups of such.
    :param lr: learning rate; a number, or a scalar tensor on the parameters' device.
    :param momentum: share of the past in the momentum, which is Nesterov's.
    :param weight_decay: decoupled, times the learning rate, as in AdamW.
    :param precision: of the products that make momentum orthogonal; all else is float32.
    """

    def __init__(
        self,
        parameters: Any,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(
            parameters, {'lr': lr, 'momentum': momentum, 'weight_decay': weight_decay}
        )
        self._precision = precision

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step; parameters without gradients stay."""
        for group in self.param_groups:
            # Matrices of one shape go through the products together.
            alike: dict[tuple[int, ...], list[nn.Parameter]] = defaultdict(list)
            for parameter in group['params']:
                if parameter.grad is not None:
                    alike[_as_matrix(parameter).shape].append(parameter)
            for shape, parameters in alike.items():
                directions = [self._direction(p, group['momentum']) for p in parameters]
                steps = orthogonalized(torch.stack(directions), self._precision)
                # The rate may be a tensor, so that a recorded step reads it anew.
                steps = steps * (group['lr'] * (ADAM_RMS * max(shape) ** 0.5))
                kept = 1 - group['lr'] * group['weight_decay']
                for parameter, step in zip(parameters, steps, strict=True):
                    parameter.mul_(kept)
                    parameter.sub_(_like_parameter(step, parameter))

    def _direction(self, parameter: nn.Parameter, share: float) -> Tensor:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if 'momentum' not in state:
            state['momentum'] = torch.zeros_like(parameter)
        momentum: Tensor = state['momentum'].lerp_(gradient, 1 - share)
        return _as_matrix(gradient.lerp(momentum, share))


def _as_matrix(tensor: Tensor) -> Tensor:
    """(first axis, all others) of a weight; no copy of one that lies in memory channels last."""
    if tensor.ndim > 2:
        tensor = tensor.movedim(1, -1)
    return tensor.reshape(len(tensor), -1)


def _like_parameter(matrix: Tensor, parameter: Tensor) -> Tensor:
    """What ``_as_matrix`` had made a matrix of, in the parameter's shape."""
    if parameter.ndim <= 2:
        return matrix.reshape(parameter.shape)
    shape = parameter.movedim(1, -1).shape
    return matrix.reshape(shape).movedim(-1, 1)
