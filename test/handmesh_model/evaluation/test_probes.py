"""Twins and swaps, made from a rendered stand-in for a photograph."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from handmesh_model.datasets.real_images import RealSample
from handmesh_model.errors import DatasetError
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
