"""What rendered pictures and labels are made of, as a digest."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import resolve_name
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[1]
RENDERER = ('handmesh_model.synthesis.scenes', 'handmesh_model.synthesis.frames')
"""The modules that crops and whole frames come from."""


class Source(NamedTuple):
    """A module's file, as it is and parsed."""

    text: bytes
    code: ast.Module


def renderer_version(package: Path = PACKAGE, entries: Sequence[str] = RENDERER) -> str:
    """
    A digest of the code and the assets that pictures and labels are made of.

    The code is that of the entries and of what they import of the package, directly or not.
    Comments, docstrings, layout and the version of Python do not matter.

    :param package: folder of handmesh_model.
    :param entries: the modules that the pictures come from.
    """
    digest = hashlib.sha256()
    for name, source in sorted(renderer_modules(package, entries).items()):
        digest.update(f'{name} {_syntax(source.code)}\n'.encode())
    for file in sorted((package / 'assets').glob('*.npz')):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def library_versions() -> dict[str, str]:
    """Versions of the libraries that compute pictures and labels, by name."""
    import cv2
    import numpy as np

    # Not by importing all: those whose pictures come from elsewhere do without numba.
    found = {'numpy': np.__version__, 'opencv': cv2.__version__}
    for name in ('numba', 'scipy'):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = 'none'
    return dict(sorted(found.items()))


def renderer_modules(
    package: Path = PACKAGE, entries: Sequence[str] = RENDERER
) -> dict[str, Source]:
    """
    Each module of the package that rendering may run, by name.

    :param package: folder of handmesh_model.
    :param entries: the modules to begin with.
    """
    found: dict[str, Source] = {}
    waiting = list(entries)
    while waiting:
        name = waiting.pop()
        file = package.parent.joinpath(*name.split('.')).with_suffix('.py')
        if not file.exists():
            file = file.with_suffix('') / '__init__.py'
        if name.partition('.')[0] == package.name and name not in found and file.exists():
            text = file.read_bytes()
            found[name] = Source(text, ast.parse(text))
            inside = name if file.stem == '__init__' else name.rpartition('.')[0]
            waiting += _imported(found[name].code, inside)
    return found


def _imported(code: ast.Module, package: str) -> Iterator[str]:
    """All that may be a module among the names that code of a package imports."""
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name('.' * node.level + (node.module or ''), package)
            yield module
            yield from (f'{module}.{alias.name}' for alias in node.names)


def _syntax(node: object) -> str:
    """Code without docstrings and what is empty, as newer versions of Python know more fields."""
    if isinstance(node, list):
        return '[' + ', '.join(_syntax(item) for item in node if not _is_docstring(item)) + ']'
    if not isinstance(node, ast.AST):
        # Not repr(), which leaves those signs as they are that this Python's Unicode can print.
        return ascii(node)
    fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
    return f'{type(node).__name__}({", ".join(f"{k}={_syntax(v)}" for k, v in fields)})'


def _is_docstring(node: object) -> bool:
    """Whether a statement is nothing but a string."""
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
