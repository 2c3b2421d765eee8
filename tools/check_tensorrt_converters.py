#!/usr/bin/env python3
"""
Check that Torch-TensorRT has a converter for every operation of the networks, without TensorRT.

For machines that cannot have TensorRT's libraries: Torch-TensorRT is imported with a stand-in for
them, lowers the network as it would for an engine, and is asked for the converter of each
operation. No engine is built and nothing runs on a GPU, so that it says nothing of numbers or
speed.

    pip install --no-deps --target DIR torch-tensorrt==VERSION    # of the installed torch
    python tools/check_tensorrt_converters.py --package DIR [--weights FILE] [--config FILE]
"""

from __future__ import annotations

import argparse
import importlib.machinery
import os
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

STAND_IN_VERSION = '11.0.0'
"""Of TensorRT, as Torch-TensorRT 2.13 asks for."""
STAND_IN_CAPABILITY = (9, 0)
"""Of the GPU."""


class _Anything(type):
    """A class with every attribute that is asked for, each another such class."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        value = _Anything(name, (), {})
        setattr(cls, name, value)
        return value

    def __int__(cls) -> int:
        return 0

    def __index__(cls) -> int:
        return 0

    def __or__(cls, other: Any) -> Any:
        return Any

    def __ror__(cls, other: Any) -> Any:
        return Any


class _StandIn(ModuleType):
    """A module that has everything and does nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)
        self.__path__: list[str] = []
        self.__version__ = STAND_IN_VERSION
        self.__file__ = __file__

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        value = _Anything(name, (), {'__init__': lambda self, *_, **__: None})
        setattr(self, name, value)
        return value


def import_with_stand_in(package: Path | None) -> Any:
    """
    Import ``torch_tensorrt`` without TensorRT.

    :param package: the folder that it lies in, if it is not installed.
    """
    if package is not None:
        sys.path.insert(0, str(package))
    for name in ('tensorrt', 'tensorrt_bindings', 'tensorrt_libs', 'dllist'):
        sys.modules.setdefault(name, _StandIn(name))
    # The compiled part inside goes by these names, and its types are compared with the outer ones.
    for inner in ('tensorrt', 'tensorrt_rtx'):
        setattr(sys.modules['tensorrt'], inner, sys.modules['tensorrt'])
    # Asked which libraries are loaded; none of TensorRT's is.
    sys.modules['dllist'].dllist = list  # type: ignore[attr-defined]
    # It asks for the GPU that it would build engines for.
    torch.cuda.get_device_capability = lambda *_: STAND_IN_CAPABILITY
    torch.cuda.current_device = lambda: 0
    if not hasattr(torch._C, '_CudaDeviceProperties'):
        # Named in annotations; builds of PyTorch for CPUs lack it.
        torch._C._CudaDeviceProperties = object  # type: ignore[misc,assignment]
    isfile = os.path.isfile
    # The runtime links to TensorRT; converters are Python, and do without if it is not there.
    os.path.isfile = lambda path: 'libtorchtrt' not in str(path) and isfile(path)  # type: ignore[assignment]
    try:
        import torch_tensorrt.dynamo
    finally:
        os.path.isfile = isfile  # type: ignore[assignment]
    return torch_tensorrt


def lowered(torch_tensorrt: Any, program: torch.export.ExportedProgram) -> torch.fx.GraphModule:
    """The program as it is when operations are converted one by one."""
    from torch_tensorrt.dynamo import CompilationSettings
    from torch_tensorrt.dynamo.lowering import (
        get_decompositions,
        post_lowering,
        pre_export_lowering,
    )

    settings = CompilationSettings(require_full_compilation=True)
    program = pre_export_lowering(program, settings)
    program = program.run_decompositions(get_decompositions(False))
    return post_lowering(program.module(), settings)


def unsupported(graph_module: torch.fx.GraphModule) -> tuple[Counter[str], Counter[str]]:
    """
    Operations with and without a converter, and how often they occur.

    A converter is asked whether it takes this very node, with its shapes and types.
    """
    from torch_tensorrt.dynamo.conversion import DYNAMO_CONVERTERS

    known: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for node in graph_module.graph.nodes:
        if node.op == 'call_function':
            side = known if node in DYNAMO_CONVERTERS else unknown
            side[str(node.target)] += 1
    return known, unknown


def check(net: Any, precision: str, torch_tensorrt: Any) -> bool:
    """Print what is and is not supported; whether everything is."""
    from handmesh_model.backends.cudagraph import DTYPES
    from handmesh_model.backends.edge import ArrayEdge
    from handmesh_model.backends.tensorrt import exported

    program = exported(ArrayEdge(net, 'dense', DTYPES[precision]), 1)
    known, unknown = unsupported(lowered(torch_tensorrt, program))
    print(f'{precision}: {sum(known.values())} operations of {len(known)} kinds have a converter')
    for name, count in unknown.most_common():
        print(f'  without: {count} x {name}')
    return not unknown


def main() -> int:
    """Check one network in both precisions."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--package', type=Path, help='folder with torch_tensorrt')
    parser.add_argument('--weights', default='open', help="'open' or a file")
    parser.add_argument('--config', type=Path, help='a network YAML, with random weights instead')
    arguments = parser.parse_args()
    torch_tensorrt = import_with_stand_in(arguments.package)

    from handmesh_model.checkpoints import load_network
    from handmesh_model.network import HandMeshNet, NetworkConfig
    from handmesh_model.topology import HandTopology

    if arguments.config is not None:
        import yaml

        config = NetworkConfig.from_dict(yaml.safe_load(arguments.config.read_text()))
        net = HandMeshNet(config, HandTopology.open_hand()).eval()
    else:
        net = load_network(arguments.weights)
    print(f'torch {torch.__version__}, torch_tensorrt {torch_tensorrt.__version__}')
    complete = [check(net, precision, torch_tensorrt) for precision in ('float16', 'float32')]
    return 0 if all(complete) else 1


if __name__ == '__main__':
    sys.exit(main())
