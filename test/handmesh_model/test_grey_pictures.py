"""Grey pictures get the colour of skin on their way into the detector, coloured ones do not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from handmesh_model.grey_pictures import SKIN_TINT, skin_tinted
from handmesh_model.hand import HandBox
from handmesh_model.predictor import HandMeshPredictor

GREY = np.repeat(np.arange(240, dtype=np.uint8).reshape(12, 20, 1), 3, axis=2)


def test_grey_becomes_skin() -> None:
    tinted = skin_tinted(GREY)
    assert (tinted.dtype, tinted.shape) == (GREY.dtype, GREY.shape)
    expected = np.minimum(np.rint(GREY * np.array(SKIN_TINT)), 255)
    np.testing.assert_array_equal(tinted, expected)
    assert GREY[0, 5].tolist() == [5, 5, 5]


@pytest.mark.parametrize('channel', [0, 1, 2])
@pytest.mark.parametrize('pixel', [0, 61, 77, 239])
def test_one_coloured_pixel_is_enough_to_leave_a_picture_as_it_is(
    pixel: int, channel: int
) -> None:
    picture = GREY.copy()
    picture.reshape(-1, 3)[pixel, channel] += 1
    assert skin_tinted(picture) is picture
    assert torch.equal(skin_tinted(torch.from_numpy(picture)), torch.from_numpy(picture))


def test_tensors_become_what_arrays_become() -> None:
    batch = np.stack([GREY, GREY[::-1]])
    tinted = skin_tinted(torch.from_numpy(batch))
    assert tinted.dtype == torch.uint8
    np.testing.assert_array_equal(tinted.numpy(), skin_tinted(batch))


@pytest.mark.parametrize('has_colour', [False, True])
def test_the_detector_sees_grey_pictures_tinted_and_the_network_as_they_are(
    weights_folder: Path, monkeypatch: pytest.MonkeyPatch, has_colour: bool
) -> None:
    predictor = HandMeshPredictor(weights_folder, device='cpu', backend='eager')
    picture = np.full((60, 80, 3), 100, np.uint8)
    if has_colour:
        picture[..., 0] = 101
    predictor.detect(picture)
    assert predictor._detector is not None
    detector, mesh = predictor._detector.runner, predictor.backend
    seen = []

    def watched(run: Callable[..., Any]) -> Callable[..., Any]:
        def look(pixels: np.ndarray, *more: Any) -> Any:
            seen.append(np.asarray(pixels).reshape(-1, 3).max(axis=0).tolist())
            return run(pixels, *more)

        return look

    monkeypatch.setattr(detector, 'run', watched(detector.run))
    monkeypatch.setattr(mesh, 'run', watched(mesh.run))
    predictor.detect(picture)
    predictor.predict(picture, boxes=[HandBox(20, 20, 50, 50, side='left')])
    plain = picture[0, 0].tolist()
    assert seen == [plain if has_colour else [122, 93, 82], plain]
