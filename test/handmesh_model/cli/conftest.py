"""Pictures for commands."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from handmesh_model.hand import HandBox
from handmesh_model.predictor import HandMeshPredictor


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two pictures of one name, in which everybody sees a hand."""
    boxes = [HandBox(20, 20, 90, 80, side='left')]
    monkeypatch.setattr(HandMeshPredictor, 'detect', lambda self, rgb: boxes)
    monkeypatch.setattr('handmesh_model.predictor.PRESENCE_THRESHOLD', 0.0)
    folder = tmp_path / 'pictures'
    (folder / 'more').mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (100, 120, 3)).astype(np.uint8)
    cv2.imwrite(str(folder / 'a.png'), noise)
    cv2.imwrite(str(folder / 'more' / 'a.jpg'), noise)
    return folder
