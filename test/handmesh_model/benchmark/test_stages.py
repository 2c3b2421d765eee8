"""What is timed as a stage is what a frame has of it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from handmesh_model.benchmark import stages
from handmesh_model.benchmark.stages import wait_for_device
from handmesh_model.hand import HandBox
from handmesh_model.predictor import HandMeshPredictor


def test_each_round_begins_with_a_new_picture_and_cuts_the_backends_own_crops(
    weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = HandMeshPredictor(weights_folder, 'cpu', 'eager')
    rgb = np.zeros((240, 320, 3), np.uint8)
    hand: Any = SimpleNamespace(box=HandBox(100, 80, 200, 160, side='right'))
    work = stages._stages(predictor, rgb, np.eye(3), [hand])
    estimator = predictor.estimator
    pictures, made, waited = [estimator.picture(rgb)], [], []
    crops = estimator._crops

    def noted(*given: Any) -> Any:
        made.append(crops(*given))
        return made[-1]

    monkeypatch.setattr(estimator, '_crops', noted)
    monkeypatch.setattr(stages, 'wait_for_device', waited.append)
    for name in ('detect', 'crop', 'crop', 'detect'):
        work[name]()
        pictures.append(estimator.picture(rgb))
    assert len(set(map(id, pictures))) == len(pictures)
    assert len(made) == 2
    assert all(crop[0] is images for crop, images in zip(made, waited, strict=True))


def test_only_gpus_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(torch.cuda, 'current_stream', asked.append)
    wait_for_device(np.zeros(1))
    wait_for_device(torch.zeros(1))
    assert not asked
