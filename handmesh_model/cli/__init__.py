"""``handmesh COMMAND``: finds the command's module; turns errors into a line and an exit code."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from importlib import import_module

from handmesh_model.errors import HandmeshError
from handmesh_model.extras import advice

COMMANDS = {
    'predict': 'find hands in picture files; write overlays, meshes and a JSON',
    'evaluate': 'measure weights on a dataset',
    'train': 'train a network from a configuration file',
    'ablate': 'train and measure variants of the network that lack a part',
    'train-detector': 'train the network that finds hands in whole pictures',
    'synthesize': 'make training pictures, or the hand template they come from',
    'import-handar': "convert the paper's published weights",
    'import-mano': 'read the topology of MANO_RIGHT.pkl',
    'export': 'write a network for another runtime',
    'benchmark': 'measure speed, stage by stage',
}
"""
Commands and what they are for.

A command's module has its name with underscores. It offers ``add_arguments(parser)``, which gives
the command's parser its arguments and its description, and ``run(arguments) -> int``, which gives
the exit code.
"""
EXTRAS = {
    'cpu': ('openvino',),
    'export': ('nncf', 'onnx', 'onnxscript'),
    'tensorrt': ('tensorrt', 'torch_tensorrt'),
    'template': ('anny', 'fast_simplification', 'roma', 'trimesh'),
    'train': ('filelock', 'matplotlib', 'numba', 'scipy', 'tensorboard', 'tqdm'),
    'benchmark': ('matplotlib', 'psutil'),
}
"""Extras of this package and modules that commands import out of them; one's own comes first."""
USER_ERROR = 2
INTERRUPTED = 130
UNTRAINED = 'told to stop before the first step: nothing was trained, and nothing written'
"""What a command that trains says then."""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    :param argv: arguments after the program's name; None takes them from the command line.
    :returns: the command's exit code; 2 if what the user gave cannot be used.
    """
    for stream in (sys.stdout, sys.stderr):
        # The terminal's encoding may lack what is in a file's name: that must not end the work.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    arguments = list(sys.argv[1:] if argv is None else argv)
    chosen = next((a for a in arguments if not a.startswith('-')), None)
    try:
        parsed = _parser(chosen).parse_args(arguments)
        return int(import_module(_module_of(parsed.command)).run(parsed) or 0)
    except (HandmeshError, OSError) as error:
        print(f'handmesh {chosen}: {error}', file=sys.stderr)
        return USER_ERROR
    except ModuleNotFoundError as error:
        package = (error.name or '').partition('.')[0]
        extras = sorted(EXTRAS, key=lambda name: name != chosen)
        extra = next((name for name in extras if package in EXTRAS[name]), None)
        if extra is None:
            raise
        print(advice(f'handmesh {chosen}', [package], extra), file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print(f'handmesh {chosen}: interrupted', file=sys.stderr)
        return INTERRUPTED


def _parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser, which knows the arguments of one command only."""
    parser = argparse.ArgumentParser(
        prog='handmesh', description='Aligned 3D hand meshes from colour images.'
    )
    subparsers = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    # Only the chosen command is imported: some need packages that others do without.
    for name, purpose in COMMANDS.items():
        command = subparsers.add_parser(name, help=purpose)
        if name == chosen:
            import_module(_module_of(name)).add_arguments(command)
    return parser


def _module_of(command: str) -> str:
    return f'{__name__}.{command.replace("-", "_")}'
