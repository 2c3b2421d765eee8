"""Which backends there are, and which of them can run here."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from handmesh_model.errors import BackendError
from handmesh_model.extras import advice, missing_packages

PRECISIONS = ('float32', 'float16', 'int8')
"""Kinds of numbers that a network can compute with."""


@dataclass(frozen=True)
class BackendKind:
    """
    What is known of a backend before it is imported.

    :param name: its module in this package, and how users choose it.
    :param class_name: its class there.
    :param device_types: devices that it runs on.
    :param precisions: those that it has; 'auto' is the first.
    :param needs: packages that it imports.
    :param extra: of this project, that installs them.
    :param takes_batch: whether it prepares for a number of crops.
    """

    name: str
    class_name: str
    device_types: tuple[str, ...]
    precisions: tuple[str, ...] = ('float32',)
    needs: tuple[str, ...] = ()
    extra: str = ''
    takes_batch: bool = False

    def problem(self, device: torch.device) -> str | None:
        """Why it cannot run on this device here; None if it can."""
        if device.type not in self.device_types:
            wanted = ' or '.join(_DEVICE_NAMES[kind] for kind in self.device_types)
            return f"backend '{self.name}' runs on {wanted}, not on '{device}'"
        if device.type == 'cuda' and not torch.cuda.is_available():
            return f"backend '{self.name}' needs CUDA, which PyTorch does not see here"
        missing = missing_packages(self.needs)
        return advice(f"backend '{self.name}'", missing, self.extra) if missing else None


_DEVICE_NAMES = {'cpu': 'the CPU', 'cuda': 'CUDA'}
_KINDS = (
    BackendKind('eager', 'EagerBackend', ('cpu', 'cuda')),
    BackendKind(
        'openvino', 'OpenVinoBackend', ('cpu',), ('float32', 'int8'), ('openvino',), 'cpu'
    ),
    BackendKind(
        'cudagraph', 'CudaGraphBackend', ('cuda',), ('float16', 'float32'), takes_batch=True
    ),
    BackendKind(
        'tensorrt',
        'TensorRtBackend',
        ('cuda',),
        ('float16', 'float32'),
        ('torch_tensorrt', 'tensorrt'),
        'tensorrt',
        takes_batch=True,
    ),
)
BACKENDS = {kind.name: kind for kind in _KINDS}
"""All backends by name."""
AUTOMATIC = ('cudagraph', 'openvino', 'eager')
"""What 'auto' takes the first of that can run."""


def choose_backends(
    name: str, device: torch.device, precision: str
) -> list[tuple[BackendKind, str]]:
    """
    The backends and their precisions that a user's words mean here, to be tried in turn.

    :param name: a backend's, which is then the only one, or 'auto'.
    :param precision: one of :data:`PRECISIONS` or 'auto'.
    :returns: one at least.
    :raises BackendError: if there is no such backend or precision, or it cannot run here.
    """
    if precision not in ('auto', *PRECISIONS):
        known = ', '.join(('auto', *PRECISIONS))
        raise BackendError(f"precision is '{precision}', expected one of {known}")
    if name == 'auto':
        problems = {n: BACKENDS[n].problem(device) for n in AUTOMATIC}
        fitting = [BACKENDS[n] for n, problem in problems.items() if problem is None]
        if not fitting:
            reasons = '; '.join(filter(None, problems.values()))
            raise BackendError(f"no backend can run on '{device}' here: {reasons}")
        with_it = [k for k in fitting if precision in ('auto', *k.precisions)]
        if not with_it:
            there = ', '.join({p: None for kind in fitting for p in kind.precisions})
            elsewhere = '' if device.type == 'cpu' else ", or the device 'cpu'"
            raise BackendError(
                f"no backend on '{device}' has precision '{precision}', expected one of {there} "
                f'there{elsewhere}'
            )
        return [(kind, _precision(kind, precision)) for kind in with_it]
    if name not in BACKENDS:
        known = ', '.join(['auto', *BACKENDS])
        raise BackendError(f"backend is '{name}', expected one of {known}")
    kind = BACKENDS[name]
    problem = kind.problem(device)
    if problem is not None:
        raise BackendError(problem)
    return [(kind, _precision(kind, precision))]


def _precision(kind: BackendKind, precision: str) -> str:
    if precision == 'auto':
        return kind.precisions[0]
    if precision not in kind.precisions:
        raise BackendError(
            f"backend '{kind.name}' has no precision '{precision}', expected one of "
            f'{", ".join(kind.precisions)}'
        )
    return precision


def available_backends(device: torch.device) -> list[tuple[str, str]]:
    """
    Backends that can be created on a device here.

    :returns: (name, precision) of each; int8 may still have to be calibrated first, which needs
        the packages of the extras export and train.
    """
    return [
        (kind.name, precision)
        for kind in _KINDS
        if kind.problem(device) is None
        for precision in kind.precisions
    ]


def missing_backends(device: torch.device) -> dict[str, str]:
    """Backends that cannot, by name, and why."""
    problems = {kind.name: kind.problem(device) for kind in _KINDS}
    return {name: problem for name, problem in problems.items() if problem is not None}
