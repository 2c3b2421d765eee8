"""The Python of README.md and docs/: all of it is Python, and what it imports is there."""

import ast
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from scripted_hands import IMAGE, make

from handmesh_model.topology import HandTopology

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


def examples(page: Path) -> list[str]:
    """The blocks of Python on a page."""
    text = page.read_text(encoding='utf-8')
    return re.findall(r'^```python\n(.*?)^```', text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_names_that_examples_import_are_there(page: Path) -> None:
    for code in examples(page):
        for node in ast.walk(ast.parse(code)):
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            package = node.module.partition('.')[0]
            needs_ros = package == 'handmesh_ros' and find_spec('rclpy') is None
            if package.startswith('handmesh_') and not needs_ros:
                module = import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name), f'{node.module} has no {alias.name}'


def test_readme_s_examples_run(
    topology: HandTopology,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world, tracker = make(topology, {'a': (300, 240, 'left')}, hold_time=0.0)
    frames = [1, 2, 3, 4]

    def read() -> tuple[bool, np.ndarray]:
        if frames == [4]:
            world.hands.clear()  # the last frame says that the hand is lost
        return bool(frames) and bool(frames.pop(0)), IMAGE

    monkeypatch.setattr(cv2, 'VideoCapture', lambda number: SimpleNamespace(read=read))
    monkeypatch.setattr('handmesh_model.HandMeshPredictor', lambda: tracker.predictor)
    monkeypatch.setattr('handmesh_model.HandTracker', lambda predictor: tracker)
    monkeypatch.chdir(tmp_path)
    cv2.imwrite('hand.jpg', IMAGE)
    on_picture, on_video = [code for code in examples(ROOT / 'README.md') if 'Predictor' in code]

    exec(on_picture, {})
    assert capsys.readouterr().out.startswith('left 0.95 [[')
    exec(on_video, {})
    assert frames == []
    assert capsys.readouterr().out.count('0 left [') == 3
    assert (tmp_path / 'left.obj').read_text().startswith('# left hand, metres, camera frame')
