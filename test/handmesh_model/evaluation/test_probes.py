"""Twins and swaps, made from a rendered stand-in for a photograph."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from handmesh_model.datasets.real_images import RealSample
from handmesh_model.errors import DatasetError, OutputError
from handmesh_model.evaluation import probes
from handmesh_model.hand import HandBox
from handmesh_model.synthesis.frames import FrameHand, render_frame
from handmesh_model.synthesis.hand_model import HandModel


def stand_in(folder: Path, side: str) -> RealSample:
    model, seed = HandModel.load(), 0
    hand: FrameHand | None = None
    while hand is None:
        frame = render_frame(np.random.default_rng(seed), model, 96, 96, hand_count=1)
        good = [h for h in frame.hands if h.side == side and h.box.height > 40]
        hand = good[0] if good else None
        seed += 1
    path = folder / 'hand.png'
    cv2.imwrite(str(path), cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
    return RealSample(
        path, side, hand.joints_image, hand.joints_camera.astype(float), frame.intrinsics
    )  # type: ignore[arg-type]


def test_left_hands_become_right_ones(tmp_path: Path) -> None:
    sample = stand_in(tmp_path, 'left')
    mirrored, image = probes.as_right_hand(sample)
    assert mirrored.side == 'right'
    assert np.array_equal(image[:, ::-1], sample.load())
    projected = mirrored.joints_camera @ mirrored.intrinsics.T
    assert np.allclose(projected[:, :2] / projected[:, 2:], mirrored.joints_image, atol=1e-3)


def test_a_twin_stands_where_the_hand_stood(tmp_path: Path) -> None:
    sample = stand_in(tmp_path, 'right')
    probe = probes.make_probe(sample, np.random.default_rng(0), HandModel.load())
    assert probe.fit_error < 0.003
    gaps = np.linalg.norm(probe.twin.joints_image - sample.joints_image, axis=1)
    assert gaps.mean() < 0.02 * HandBox.around(sample.joints_image).diagonal
    assert set(probe.images) == set(probes.KINDS)
    photograph, twin, pasted, swapped = (probe.images[kind].astype(int) for kind in probes.KINDS)
    assert np.array_equal(photograph, sample.load())
    from_photograph = np.abs(pasted - photograph).sum(axis=2) == 0
    from_twin = np.abs(pasted - twin).sum(axis=2) == 0
    assert (from_photograph | from_twin).mean() > 0.9
    assert from_photograph.mean() > 0.05
    assert from_twin.mean() > 0.05
    assert (np.abs(swapped - photograph).sum(axis=2) == 0).mean() > 0.05
    assert probes.montage([probe], 32).shape == (32, 128, 3)


def test_the_network_is_measured_on_each_kind(tmp_path: Path, monkeypatch) -> None:
    sample = stand_in(tmp_path, 'right')
    probe = probes.make_probe(sample, np.random.default_rng(0), HandModel.load())
    asked = []

    class Runner:
        def __init__(self, net: object) -> None:
            pass

        def estimate(self, queries: list) -> list:
            asked.extend(query.load() for query in queries)
            return [None for _ in queries]

    monkeypatch.setattr(probes, 'NetworkRunner', Runner)

    class Net:
        class topology:
            faces = np.zeros((1, 3), dtype=int)

    table = probes.measure_probes(Net(), [probe])  # type: ignore[arg-type]
    assert list(table) == list(probes.KINDS)
    assert all(row['found'] == 0 for row in table.values())
    assert len(asked) == 4
    for image, kind in zip(asked, probes.KINDS, strict=True):
        assert image is probe.images[kind]
    assert pytest.approx(1.0) == table['twin']['count']


@pytest.mark.parametrize(
    ('seed', 'count', 'said'), [(-1, 0, 'seed is -1'), (1, -5, 'count is -5')]
)
def test_numbers_out_of_range_are_refused_before_anything_is_read(
    tmp_path: Path, seed: int, count: int, said: str
) -> None:
    with pytest.raises(DatasetError, match=f'{said}, expected at least 0'):
        probes.report_probes(None, tmp_path, tmp_path / 'out', seed, count)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('count', 'expected'),
    [
        (0, range(98)),
        (98, range(98)),
        (200, range(98)),
        (60, [i * 98 // 60 for i in range(60)]),
        (2, [0, 49]),
    ],
)
def test_photographs_are_taken_evenly_from_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, expected: list[int]
) -> None:
    used: list[int] = []

    def make(sample: int, rng: object, model: object) -> SimpleNamespace:
        used.append(sample)
        images = dict.fromkeys(probes.KINDS, np.zeros((8, 8, 3), np.uint8))
        return SimpleNamespace(images=images, fit_error=0.0)

    monkeypatch.setattr(
        'handmesh_model.datasets.real_images.read_labelled', lambda root: list(range(98))
    )
    monkeypatch.setattr(probes, 'make_probe', make)
    monkeypatch.setattr(probes, 'measure_probes', lambda net, made: {})
    probes.report_probes(None, tmp_path, tmp_path, 1, count)  # type: ignore[arg-type]
    assert used == list(expected)


def test_place_that_cannot_be_written_is_told_before_anything_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('handmesh_model.datasets.real_images.read_labelled', lambda root: [1])
    monkeypatch.setattr(probes, 'make_probe', lambda *_: pytest.fail('renders'))
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match=r"cannot write '.*/file/below/probes\.json'"):
        probes.report_probes(None, tmp_path, tmp_path / 'file' / 'below', 1, 0)  # type: ignore[arg-type]
