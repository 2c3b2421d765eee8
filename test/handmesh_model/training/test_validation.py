"""Figures of a network on crop samples: known answers for known predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from handmesh_model.lixels import LixelScale
from handmesh_model.network import StageOutputs
from handmesh_model.topology import HandTopology
from handmesh_model.training.validation import render_validation_set, to_tensors, validate

CPU = torch.device('cpu')
SCALE = LixelScale(64, 16)
Samples = dict[str, np.ndarray]


@pytest.fixture
def samples(drawn_samples: Callable[..., Samples]) -> Samples:
    return drawn_samples(8)


def answering(
    samples: Samples, topology: HandTopology, move: Callable[[np.ndarray], np.ndarray]
) -> Any:
    """A network that gives the truth, moved; presence and side are always yes."""

    def answer(images: torch.Tensor) -> StageOutputs:
        vertices, joints = (
            torch.from_numpy(SCALE.to_lixels(move(samples[name].copy())))
            for name in ('vertices', 'joints')
        )
        yes = torch.ones(len(images))
        return StageOutputs(vertices, vertices, joints, presence=yes, side=yes)

    return SimpleNamespace(topology=topology, answer=answer)


def figures_of(net: Any, samples: Samples) -> dict[str, float]:
    class Answering:
        topology = net.topology

        def __call__(self, images: torch.Tensor) -> StageOutputs:
            return net.answer(images)

    return validate(Answering(), samples, SCALE, CPU)  # type: ignore[arg-type]


def test_truth_has_no_error(samples: Samples, topology: HandTopology) -> None:
    figures = figures_of(answering(samples, topology, lambda points: points), samples)
    for name in ('lixel_error', 'joint_px', 'vertex_px', 'pa_mpjpe_mm', 'pa_mpvpe_mm'):
        assert figures[name] == pytest.approx(0, abs=1e-3), name
    # Six of eight pictures show a hand; of those, four a right one.
    assert figures['presence_accuracy'] == pytest.approx(6 / 8)
    assert figures['side_accuracy'] == pytest.approx(4 / 6)


def test_network_computes_in_float32_without_tf32(
    samples: Samples, topology: HandTopology, exact_in: Callable[[str], list[torch.device]]
) -> None:
    exact = exact_in('handmesh_model.training.validation')

    def shown(points: np.ndarray) -> np.ndarray:
        assert exact == [CPU]
        return points

    figures_of(answering(samples, topology, shown), samples)
    assert exact == []


def test_shift_counts_in_pixels_but_not_after_alignment(
    samples: Samples, topology: HandTopology
) -> None:
    net = answering(samples, topology, lambda points: points + np.float32([3, 4, 0]))
    figures = figures_of(net, samples)
    assert figures['joint_px'] == pytest.approx(5, abs=1e-3)
    assert figures['vertex_px'] == pytest.approx(5, abs=1e-3)
    assert figures['lixel_error'] == pytest.approx(5 / 4, abs=1e-3)
    assert figures['pa_mpjpe_mm'] == pytest.approx(0, abs=1e-3)


def test_errors_left_after_alignment_are_millimetres(
    samples: Samples, topology: HandTopology
) -> None:
    def bend(points: np.ndarray) -> np.ndarray:
        # A joint, and the vertex that it is regressed from.
        points[:, 8, 2] += 0.021
        return points

    figures = figures_of(answering(samples, topology, bend), samples)
    # The alignment makes the sum of squares least: the mean distance is at most its root's,
    # 21 mm / sqrt(21).
    assert 1 < figures['pa_mpjpe_mm'] < 21 / 21**0.5
    assert 0.2 < figures['pa_mpvpe_mm'] < 21 / topology.vertex_count**0.5


def test_joints_are_those_of_the_final_mesh(samples: Samples, topology: HandTopology) -> None:
    """Whatever the network gives: its own may be of the mesh before it is refined."""

    def bend(points: np.ndarray) -> np.ndarray:
        if points.shape[1] == 21:
            points[:, 8] += [9, 9, 0.021]
        return points

    figures = figures_of(answering(samples, topology, bend), samples)
    for name in ('joint_px', 'pa_mpjpe_mm', 'pa_mpvpe_mm'):
        assert figures[name] == pytest.approx(0, abs=1e-3), name


def test_topology_without_a_template_is_measured_by_the_open_hands_proportions(
    samples: Samples,
) -> None:
    hand = HandTopology.open_hand()
    bare = HandTopology(hand.faces, hand.joint_regressor)
    mean = HandTopology(
        hand.faces, hand.joint_regressor, template=hand.template * (0.0945 / hand.hand_size)
    )
    # Any points do.
    points = np.random.default_rng(0).normal(size=(8, hand.vertex_count, 3))
    samples['vertices'] = (np.array([32, 32, 0]) + points * [9, 9, 0.03]).astype(np.float32)
    samples['joints'] = hand.joint_regressor @ samples['vertices']

    def bend(points: np.ndarray) -> np.ndarray:
        points[:, ::2, 0] += 3
        return points

    expected = figures_of(answering(samples, mean, bend), samples)
    figures = figures_of(answering(samples, bare, bend), samples)
    assert figures['pa_mpvpe_mm'] > 1
    assert figures == pytest.approx(expected, rel=1e-5)


def test_samples_without_a_mesh_count_for_nothing(
    samples: Samples, topology: HandTopology
) -> None:
    samples['mesh_valid'][:] = False
    figures = figures_of(answering(samples, topology, lambda points: points + 9), samples)
    assert set(figures) == {'presence_accuracy', 'side_accuracy'}


def test_pictures_become_channels_last_tensors(samples: Samples) -> None:
    tensors = to_tensors(samples, CPU)
    image = tensors['image']
    assert image.shape == (8, 3, 64, 64)
    assert image.is_contiguous(memory_format=torch.channels_last)
    expected = samples['image'][2, 5, 7] / 255
    np.testing.assert_allclose(image[2, :, 5, 7].numpy(), expected, rtol=1e-6)
    assert tensors['mesh_valid'].dtype == torch.bool


def test_rendered_set_is_kept_and_made_anew_when_it_no_longer_fits(tmp_path: Path) -> None:
    cache = tmp_path / 'validation.npz'
    wanted = {'vertex_count': 5, 'cache': cache}
    asked: list[str] = []

    def render(seed: int, count: int, renderer: str = 'plain') -> Samples:
        module = 'handmesh_model.training.validation.load_renderer'
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, lambda name: asked.append(name) or _plain_render)
            return render_validation_set(renderer, count, seed, 16, **wanted)

    first = render(1, 3)
    written = cache.stat().st_mtime_ns
    np.testing.assert_array_equal(render(1, 3)['image'], first['image'])
    assert cache.stat().st_mtime_ns == written
    assert len(render(1, 4)['image']) == 4
    assert (render(2, 3)['image'] != first['image']).any()
    assert asked == ['plain'] * 3
    render(2, 3, 'other')
    assert asked == ['plain'] * 3 + ['other']
    versions = 'handmesh_model.training.validation.library_versions'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, lambda: {'numpy': '99'})
        render(2, 3, 'other')
        render(2, 3, 'other')
    assert asked == ['plain'] * 3 + ['other'] * 2


@pytest.mark.parametrize('contents', [b'', b'PK\x03\x04 half'])
def test_half_written_set_is_rendered_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: bytes
) -> None:
    cache = tmp_path / 'validation.npz'
    cache.write_bytes(contents)
    module = 'handmesh_model.training.validation.load_renderer'
    monkeypatch.setattr(module, lambda name: _plain_render)
    rendered = render_validation_set('plain', 2, 1, 16, 5, cache)
    monkeypatch.delattr(module)
    kept = render_validation_set('plain', 2, 1, 16, 5, cache)
    assert kept.keys() == rendered.keys()
    np.testing.assert_array_equal(kept['image'], rendered['image'])
    assert [path.name for path in tmp_path.iterdir()] == ['validation.npz']


def test_kill_while_writing_leaves_the_set_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / 'validation.npz'
    module = 'handmesh_model.training.validation'
    monkeypatch.setattr(f'{module}.load_renderer', lambda name: _plain_render)
    render_validation_set('plain', 2, 1, 16, 5, cache)
    before = cache.read_bytes()

    def killed(file: Path, **arrays: Any) -> None:
        file.write_bytes(b'PK')
        raise KeyboardInterrupt

    monkeypatch.setattr(f'{module}.np.savez', killed)
    with pytest.raises(KeyboardInterrupt):
        render_validation_set('plain', 3, 1, 16, 5, cache)
    assert cache.read_bytes() == before


def _plain_render(rng: np.random.Generator, size: int) -> dict[str, Any]:
    return {
        'image': rng.integers(0, 256, (size, size, 3), np.uint8),
        'vertices': np.zeros((5, 3), np.float32),
        'joints': np.zeros((21, 3), np.float32),
        'mask': np.zeros((size // 2, size // 2), np.uint8),
        'mesh_valid': np.bool_(True),
        'presence': np.float32(1),
        'side': np.float32(1),
    }
