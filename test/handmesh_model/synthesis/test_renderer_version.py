"""A dataset's renderer is another one where its pictures may be others, and only there."""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from handmesh_model.synthesis.renderer_version import (
    RENDERER,
    _syntax,
    renderer_modules,
    renderer_version,
)

SCENES = '''"""Scenes."""

from handmesh_model.crop import MARGIN
from handmesh_model.synthesis import light as lamps

GAIN = 2.0
"""Of the light."""


def render(x: float) -> str:
    """A picture."""
    # A comment.
    from .late import shade

    return f'{shade(x) * GAIN:.2f}' + lamps.NAME
'''
FILES = {
    '__init__.py': '',
    'crop.py': 'import numpy\n\nMARGIN = 1.25\n',
    'other.py': 'A = 1\n',
    'assets/hand.npz': 'hand',
    'synthesis/__init__.py': '',
    'synthesis/scenes.py': SCENES,
    'synthesis/light.py': "NAME = 'é'\n",
    'synthesis/late.py': 'from . import deep\n\nshade = deep.shade\n',
    'synthesis/deep.py': 'def shade(x):\n    return x\n',
    'synthesis/clip.py': 'from handmesh_model.synthesis.scenes import render\n',
    '../numpy/__init__.py': 'B = 1\n',
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    root = tmp_path / 'handmesh_model'
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding='utf-8')
    return root


def changed(package: Path, name: str, old: str, new: str) -> bool:
    """Whether the renderer is another one after a change in a file."""
    before = renderer_version(package)
    text = (package / name).read_text(encoding='utf-8')
    assert old in text
    (package / name).write_text(text.replace(old, new), encoding='utf-8')
    return renderer_version(package) != before


@pytest.mark.parametrize(
    ('name', 'old', 'new'),
    [
        ('synthesis/scenes.py', '"""Scenes."""\n', ''),
        ('synthesis/scenes.py', 'Of the light', 'Strength of the lamp'),
        ('synthesis/scenes.py', '"""A picture."""', '"""\n    One picture.\n    """'),
        ('synthesis/scenes.py', '# A comment.', '# Another comment.'),
        ('synthesis/scenes.py', 'shade(x) * GAIN', '(shade(x)*GAIN)'),
        ('synthesis/scenes.py', '\n\nGAIN', '\nGAIN'),
        ('synthesis/clip.py', 'import render', 'import render as draw'),
        ('other.py', '1', '2'),
        ('../numpy/__init__.py', '1', '2'),
    ],
)
def test_what_no_picture_depends_on_leaves_the_version(
    package: Path, name: str, old: str, new: str
) -> None:
    assert not changed(package, name, old, new)


@pytest.mark.parametrize(
    ('name', 'old', 'new'),
    [
        ('synthesis/scenes.py', 'GAIN = 2.0', 'GAIN = 2.1'),
        ('synthesis/scenes.py', '* GAIN:.2f', '* GAIN:.3f'),
        ('synthesis/scenes.py', '    return f', '    x += 1\n    return f'),
        ('synthesis/light.py', 'é', 'è'),
        ('synthesis/deep.py', '    return x', '    return -x'),
        ('synthesis/__init__.py', '', 'A = 1'),
        ('crop.py', '1.25', '1.3'),
        ('assets/hand.npz', 'hand', 'other hand'),
    ],
)
def test_what_pictures_depend_on_makes_another_version(
    package: Path, name: str, old: str, new: str
) -> None:
    assert changed(package, name, old, new)


def test_those_who_render_in_another_way_name_themselves(package: Path) -> None:
    entries = ('handmesh_model.synthesis.clip',)
    before = renderer_version(package, entries)
    file = package / 'synthesis' / 'clip.py'
    file.write_text(file.read_text() + 'RATE = 30\n')
    assert renderer_version(package, entries) != before


def test_a_module_newly_imported_counts(package: Path) -> None:
    assert changed(package, 'crop.py', 'import numpy', 'from handmesh_model.other import A')
    assert changed(package, 'other.py', '1', '2')


def test_every_version_of_python_reads_the_same_code() -> None:
    code = """def f(a, *, b, c=None) -> None:
    'F.'
    x: int = {**a}
    return f'é{b!r:>{c}}'
"""
    assert _syntax(ast.parse(code)) == (
        "Module(body=[FunctionDef(name='f', args=arguments(args=[arg(arg='a')], "
        "kwonlyargs=[arg(arg='b'), arg(arg='c')], kw_defaults=[None, Constant()]), "
        "body=[AnnAssign(target=Name(id='x', ctx=Store()), annotation=Name(id='int', ctx=Load()), "
        "value=Dict(keys=[None], values=[Name(id='a', ctx=Load())]), simple=1), "
        "Return(value=JoinedStr(values=[Constant(value='\\xe9'), "
        "FormattedValue(value=Name(id='b', ctx=Load()), conversion=114, "
        "format_spec=JoinedStr(values=[Constant(value='>'), "
        "FormattedValue(value=Name(id='c', ctx=Load()), conversion=-1)]))]))], "
        'returns=Constant())])'
    )


def test_all_that_the_renderer_imports_counts() -> None:
    counted = set(renderer_modules())
    for name in RENDERER:
        import_module(name)
    # A package has as attributes whatever was imported from it so far, by anyone.
    modules = [sys.modules[name] for name in counted]
    values = [v for m in modules if not hasattr(m, '__path__') for v in vars(m).values()]
    origins = {
        str(v.__name__ if isinstance(v, ModuleType) else getattr(v, '__module__', ''))
        for v in values
    }
    used = {name for name in origins if name.startswith('handmesh_model.')}
    assert {'handmesh_model.synthesis.resolve', 'handmesh_model.topology'} <= used <= counted
    assert 'handmesh_model.synthesis.frames' in counted
    for name in ('clip', 'checks', 'dataset', 'template'):
        assert f'handmesh_model.synthesis.{name}' not in counted
