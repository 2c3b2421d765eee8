"""Frames, targets and the loop of detector training, on ellipses instead of hands."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from handmesh_model.cli import main
from handmesh_model.detector import decode, load_detector, save_detector
from handmesh_model.errors import CheckpointError, ConfigError
from handmesh_model.network.hand_detector import DetectorOutputs, HandDetectorNet
from handmesh_model.training.detector_frames import (
    MOST_HANDS,
    FrameAugmenter,
    LabelledFrame,
    frame_fields,
    pack,
    unpack,
)
from handmesh_model.training.detector_loss import detector_loss, targets_of
from handmesh_model.training.detector_training import DetectorTrainer, DetectorTrainingConfig
from handmesh_model.training.sample_pool import PoolLayout, SamplePool
from handmesh_model.training.synthetic_stream import RendererError

RENDERER = """
import cv2
import numpy as np
from handmesh_model.training.detector_frames import LabelledFrame, pack

def renderer():
    def render(rng, size):
        image = np.full((size, size, 3), rng.integers(0, 60), np.uint8)
        count = int(rng.integers(0, 3))
        boxes, right = [], rng.random(count) < 0.5
        for i in range(count):
            x, y = rng.uniform(40, size - 40, 2)
            w, h = rng.uniform(14, 40, 2)
            color = (230, 80, 60) if right[i] else (60, 80, 230)
            cv2.ellipse(image, (int(x), int(y)), (int(w), int(h)), 0, 0, 360, color, -1)
            boxes.append((x - w, y - h, x + w, y + h))
        boxes = np.array(boxes).reshape(-1, 4)
        return pack(LabelledFrame(image, boxes, right, np.zeros(count, bool)))
    return render
"""


def frame_with_dot(color: tuple[int, int, int] = (255, 255, 255)) -> LabelledFrame:
    """A black frame with one bright block where its hand is."""
    image = np.zeros((256, 256, 3), np.uint8)
    image[60:101, 120:181] = color
    boxes = np.array([[120.0, 60.0, 180.0, 100.0]])
    return LabelledFrame(image, boxes, np.array([True]), np.array([False]))


def empty_frame() -> LabelledFrame:
    nothing = np.zeros(0, bool)
    return LabelledFrame(np.zeros((256, 256, 3), np.uint8), np.zeros((0, 4)), nothing, nothing)


def test_frames_survive_the_pool() -> None:
    dot = frame_with_dot()
    pool = SamplePool(PoolLayout(1, 1, 256, frame_fields(256)))

    def passed(frame: LabelledFrame) -> LabelledFrame:
        pool.put(0, pack(frame))
        return unpack(pool.take(np.random.default_rng(0)))

    again = passed(LabelledFrame(dot.image, dot.boxes, dot.right, ~dot.ignored))
    np.testing.assert_array_equal(again.image, dot.image)
    assert again.ignored.tolist() == [True]
    np.testing.assert_array_equal(again.boxes, dot.boxes)
    assert again.right.tolist() == [True]
    none = passed(empty_frame())
    assert none.boxes.shape == (0, 4)
    boxes = np.arange(4.0 * (MOST_HANDS + 2)).reshape(-1, 4)
    right = np.arange(MOST_HANDS + 2) % 2 == 0
    most = passed(LabelledFrame(dot.image, boxes, right, ~right))
    np.testing.assert_array_equal(most.boxes, boxes[:MOST_HANDS])
    assert most.right.tolist() == (~most.ignored).tolist() == right[:MOST_HANDS].tolist()
    assert (most.boxes.dtype, most.right.dtype) == (np.float64, bool)
    pool.close()


def test_boxes_follow_the_picture_through_every_variation() -> None:
    rng = np.random.default_rng(0)
    augmenter = FrameAugmenter(192)
    augmenter._colors.photometric = lambda image, rng: image  # type: ignore[method-assign]
    flipped = shown = 0
    for _ in range(200):
        frame, other = frame_with_dot(), empty_frame()
        varied = augmenter.vary(frame, other, rng)
        assert varied.image.shape == (192, 192, 3)
        if not len(varied.boxes) or varied.ignored.any():
            continue
        ((x_min, y_min, x_max, y_max),) = varied.boxes
        block = (varied.image == 255).all(axis=2)
        rows, columns = np.nonzero(block)
        found = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
        if min(x_min, y_min) >= 0 and max(x_max, y_max) <= 107:
            np.testing.assert_allclose(found, (x_min, y_min, x_max, y_max), atol=3.5)
            shown += 1
        flipped += not varied.right[0]
    assert shown > 25
    assert 40 < flipped < 160


def test_hands_behind_another_picture_are_left_out() -> None:
    rng = np.random.default_rng(1)
    augmenter = FrameAugmenter(192)
    seen = [len(augmenter.vary(empty_frame(), frame_with_dot(), rng).boxes) for _ in range(60)]
    # The picture before it always fills the canvas, since it has no hand to be placed by.
    assert max(seen) == 0


def test_perfect_maps_decode_to_the_boxes_they_were_made_from() -> None:
    image = np.zeros((192, 192, 3), np.uint8)
    boxes = np.array([[20.0, 30, 90, 80], [100, 90, 180, 185], [2, 150, 20, 170]])
    right = np.array([True, False, True])
    targets = targets_of([LabelledFrame(image, boxes, right, np.zeros(3, bool))])
    logits = torch.where(targets.heat >= 1, 6.0, -6.0)
    outputs = DetectorOutputs(logits, 20 * targets.side - 10, targets.box)
    (found,) = decode(outputs, 5, 0.3)
    found.sort(key=lambda box: box.x_min)
    assert [box.side for box in found] == ['right', 'right', 'left']
    corners = [(box.x_min, box.y_min, box.x_max, box.y_max) for box in found]
    np.testing.assert_allclose(corners, boxes[[2, 0, 1]], atol=1e-3)
    losses = detector_loss(outputs, targets)
    assert float(losses['box']) == 0
    assert float(losses['side']) < 1e-3
    assert float(losses['heat']) < 0.1


def test_ignored_hands_are_neither_taught_nor_punished() -> None:
    image = np.zeros((192, 192, 3), np.uint8)
    boxes = np.array([[40.0, 40, 100, 100]])
    frame = LabelledFrame(image, boxes, np.array([True]), np.array([True]))
    targets = targets_of([frame])
    assert not targets.weight.any()
    maps = torch.full((1, 24, 24), -8.0)
    maps[0, 8, 8] = 8.0
    quiet = detector_loss(DetectorOutputs(maps, maps, torch.zeros(1, 4, 24, 24)), targets)
    assert float(quiet['heat']) < 1e-3
    none = targets_of([LabelledFrame(image, boxes[:0], np.zeros(0, bool), np.zeros(0, bool))])
    punished = detector_loss(DetectorOutputs(maps, maps, torch.zeros(1, 4, 24, 24)), none)
    assert float(punished['heat']) > 5


@pytest.fixture
def renderer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / 'ellipse_renderer.py').write_text(RENDERER)
    monkeypatch.syspath_prepend(tmp_path)
    return 'ellipse_renderer:renderer'


def test_a_run_learns_is_saved_and_goes_on(
    renderer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('handmesh_model.training.detector_validation.FRAMES', 12)
    settings = {
        'output': tmp_path / 'run',
        'width': 4,
        'batch_size': 8,
        'learning_rate': 1e-2,
        'pool_size': 64,
        'renderer': renderer,
        'validate_every': 1000,
    }
    first = DetectorTrainer(DetectorTrainingConfig(images=160, **settings))
    losses = []
    step = first._step
    monkeypatch.setattr(first, '_step', lambda *b: losses.append(step(*b)) or losses[-1])
    handler = signal.getsignal(signal.SIGTERM)
    figures = first.run()
    assert signal.getsignal(signal.SIGTERM) is handler
    assert np.mean([x['heat'] for x in losses[-4:]]) < np.mean([x['heat'] for x in losses[:4]])
    assert {'missed', 'false', 'side'} <= set(figures)
    assert load_detector(tmp_path / 'run' / 'detector.safetensors').width == 4
    second = DetectorTrainer(DetectorTrainingConfig(images=176, **settings))
    assert (second.state.samples, second.state.step) == (160, 20)
    for one, other in zip(first.net.parameters(), second.net.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    second.run()
    assert second.state.samples == 176


def test_first_log_of_a_resumed_run_is_of_its_own_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {'output': tmp_path, 'images': 80, 'width': 4, 'batch_size': 8}
    trainer = DetectorTrainer(DetectorTrainingConfig(validate_every=1000, **settings))
    trainer.state.step, trainer.state.samples = 3, 24
    monkeypatch.setattr('handmesh_model.training.detector_training._LOG_STEPS', 5)

    def step(images: object, targets: object) -> dict[str, float]:
        trainer.state.step += 1
        trainer.state.samples += 8
        return {'total': float(trainer.state.step)}

    monkeypatch.setattr(trainer, '_step', step)
    logged: list[dict[str, float]] = []
    progress: Any = SimpleNamespace(update=lambda done, means, left: logged.append(means))
    stream: Any = itertools.repeat((None, None))
    trainer._loop(stream, cast(Any, None), progress)
    assert logged == [{'total': 4.5}, {'total': 8.0}]


def test_run_told_to_stop_is_saved_before_it_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = 'handmesh_model.training.detector_training'
    monkeypatch.setattr(f'{module}.Validation', lambda renderer, real: None)
    stream = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(f'{module}.DetectorStream', lambda *arguments: stream)
    trainer = DetectorTrainer(DetectorTrainingConfig(output=tmp_path, width=4))

    def stopped(*arguments: object) -> None:
        trainer.state.samples = 32
        trainer._ask_to_stop()

    monkeypatch.setattr(trainer, '_loop', stopped)

    def killed(validation: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, '_validate', killed)
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    assert (tmp_path / 'last.pt').is_file()
    assert load_detector(tmp_path / 'last_detector.safetensors').width == 4


@pytest.mark.parametrize('steps', [0, 1])
def test_signal_ends_a_run_that_waits_for_renders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    module = 'handmesh_model.training.detector_training'
    trainer = DetectorTrainer(DetectorTrainingConfig(output=tmp_path, width=4))
    frames = torch.rand(1, 3, 256, 256), targets_of([frame_with_dot()])

    def stream(config: object, size: int, key: object, cancelled: Any) -> Any:
        yield from itertools.repeat(frames, steps)
        assert not cancelled()
        os.kill(os.getpid(), signal.SIGTERM)
        assert cancelled()

    monkeypatch.setattr(f'{module}.DetectorStream', stream)
    monkeypatch.setattr(f'{module}.Validation', lambda renderer, real: None)
    measured = {'missed': 1.0, 'false': 0.0}
    monkeypatch.setattr(
        trainer, '_validate', lambda v: trainer.state.history.append(measured) or 'said'
    )
    assert trainer.run() == (measured if steps else {})
    assert trainer.state.samples == steps
    # Nothing takes the place of what the run would start from.
    assert (tmp_path / 'last.pt').is_file() == (steps > 0)


def test_hours_are_those_of_this_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr('handmesh_model.training.run_clock.time', clock)
    config = DetectorTrainingConfig(
        output=tmp_path, width=4, images=80, batch_size=8, validate_every=1000, hours=1.0
    )
    trainer = DetectorTrainer(config)
    trainer.state.seconds, trainer.state.samples = 7200.0, 16
    trainer._save()
    trainer = DetectorTrainer(config)
    trainer.state.samples = 40
    now[0] += 1800
    # Half of the hour, of the four fifths that were left.
    assert trainer._done() == pytest.approx(0.6)
    left: list[float] = []
    monkeypatch.setattr('handmesh_model.training.detector_training._LOG_STEPS', 1)

    def step(images: object, targets: object) -> dict[str, float]:
        now[0] += 900
        return {}

    monkeypatch.setattr(trainer, '_step', step)
    progress: Any = SimpleNamespace(update=lambda done, means, seconds: left.append(seconds))
    stream: Any = itertools.repeat((None, None))
    trainer._loop(stream, cast(Any, None), progress)
    assert left == pytest.approx([900, 0])
    assert trainer.state.seconds == 7200 + 3600


def test_memory_for_the_pool_is_asked_for_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = 'handmesh_model.training.detector_training'

    def lacking(*arguments: object) -> None:
        raise ConfigError('the pool of rendered samples')

    monkeypatch.setattr(f'{module}.DetectorStream', lacking)
    monkeypatch.setattr(f'{module}.Validation', lambda *arguments: pytest.fail('renders'))
    with pytest.raises(ConfigError, match='the pool'):
        DetectorTrainer(DetectorTrainingConfig(output=tmp_path, width=4)).run()


def test_run_whose_renderers_fail_keeps_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = 'handmesh_model.training.detector_training'
    closed: list[bool] = []
    stream = SimpleNamespace(close=lambda: closed.append(True))
    monkeypatch.setattr(f'{module}.DetectorStream', lambda *arguments: stream)
    monkeypatch.setattr(f'{module}.Validation', lambda *arguments: None)
    for samples in (0, 32):
        trainer = DetectorTrainer(DetectorTrainingConfig(output=tmp_path, width=4))

        def failing(*arguments: object, trainer: Any = trainer, samples: int = samples) -> None:
            trainer.state.samples = samples
            raise RendererError('renderers ended')

        monkeypatch.setattr(trainer, '_loop', failing)
        with pytest.raises(RendererError):
            trainer.run()
        assert (tmp_path / 'last.pt').is_file() == (samples > 0)
    assert closed == [True, True]
    assert DetectorTrainer(DetectorTrainingConfig(output=tmp_path, width=4)).state.samples == 32


def test_run_that_another_took_further_meanwhile_is_left_alone(tmp_path: Path) -> None:
    late, other = (
        DetectorTrainer(DetectorTrainingConfig(output=tmp_path, width=4)) for _ in range(2)
    )
    other._save()
    before = (tmp_path / 'last.pt').read_bytes()
    with pytest.raises(ConfigError, match=r"last\.pt' was written since"):
        late.run()
    assert (tmp_path / 'last.pt').read_bytes() == before


def test_command_hands_the_pool_s_size_on_and_says_where_the_weights_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(trainer: DetectorTrainer) -> dict[str, float]:
        return {'pool': float(trainer.config.pool_size)}

    monkeypatch.setattr(DetectorTrainer, 'run', run)
    arguments = ['--output', str(tmp_path), '--pool-size', '64', '--width', '4']
    assert main(['train-detector', *arguments]) == 0
    expected = ['pool 64', f'weights: {tmp_path}/detector.safetensors']
    assert capsys.readouterr().out.splitlines() == expected
    # Told to stop before the first step.
    monkeypatch.setattr(DetectorTrainer, 'run', lambda trainer: {})
    assert main(['train-detector', *arguments]) == 0
    assert capsys.readouterr().out.startswith('told to stop before the first step: ')


@pytest.mark.parametrize('broken', ['images', 'targets'])
def test_gradient_that_is_not_finite_changes_nothing(broken: str, tmp_path: Path) -> None:
    trainer = DetectorTrainer(DetectorTrainingConfig(output=tmp_path, width=4, images=100))
    targets = targets_of([frame_with_dot()])
    images = torch.rand(1, 3, 256, 256)

    def state() -> list[torch.Tensor]:
        nets = trainer.net, trainer.average.net
        return [value.clone() for net in nets for value in net.state_dict().values()]

    trainer._step(images, targets)
    before = state()
    nan = float('nan')
    if broken == 'images':
        losses = trainer._step(images * nan, targets)
    else:
        losses = trainer._step(images, targets._replace(weight=targets.weight * nan))
    assert np.isnan(losses['total'])
    for now, then in zip(state(), before, strict=True):
        assert torch.equal(now, then)
    assert trainer.state.samples == 2
    trainer._step(images, targets)
    after = state()
    assert all(value.isfinite().all() for value in after)
    assert not all(torch.equal(now, then) for now, then in zip(after, before, strict=True))


def test_damaged_run_is_named(tmp_path: Path) -> None:
    (tmp_path / 'last.pt').write_bytes(b'nothing')
    with pytest.raises(CheckpointError, match=r'last\.pt'):
        DetectorTrainer(DetectorTrainingConfig(output=tmp_path))


@pytest.mark.parametrize(
    ('wrong', 'expected'),
    [
        ({'images': 0}, 'at least 1'),
        ({'learning_rate': 0.0}, 'more than 0'),
        ({'reuse': -1.0}, 'more than 0'),
        ({'hours': 0.0}, 'more than 0'),
        ({'hours': -2.0}, 'more than 0'),
        ({'seed': -1}, '0 to'),
        ({'workers': 0}, '1 to 62'),
        ({'workers': 64}, '1 to 62'),
        ({'width': 600}, '2 to 512'),
        ({'validate_every': 8}, 'at least 32'),
    ],
)
def test_wrong_numbers_are_named(tmp_path: Path, wrong: dict[str, float], expected: str) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ConfigError, match=f'{name} is {value:g}, expected {expected}'):
        DetectorTrainingConfig(output=tmp_path, **wrong)  # type: ignore[arg-type]


def test_weights_to_start_from_are_taken_over_or_named(tmp_path: Path) -> None:
    first = tmp_path / 'first.safetensors'
    net = HandDetectorNet(8)
    save_detector(first, net, {})
    trainer = DetectorTrainer(
        DetectorTrainingConfig(output=tmp_path / 'run', width=8, init_weights=first)
    )
    for mine, theirs in zip(trainer.net.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
    with pytest.raises(ConfigError, match='has width 8, expected 16'):
        DetectorTrainer(
            DetectorTrainingConfig(output=tmp_path / 'other', width=16, init_weights=first)
        )


def test_resumed_run_needs_the_weights_it_started_from_no_more(tmp_path: Path) -> None:
    first = tmp_path / 'first.safetensors'
    save_detector(first, HandDetectorNet(4), {})
    config = DetectorTrainingConfig(output=tmp_path / 'run', width=4, init_weights=first)
    trainer = DetectorTrainer(config)
    trainer.state.samples = 32
    trainer._save()
    first.unlink()
    assert DetectorTrainer(config).state.samples == 32
    (tmp_path / 'run/last.pt').unlink()
    with pytest.raises(CheckpointError, match=r'first\.safetensors'):
        DetectorTrainer(config)


def test_network_stays_small() -> None:
    assert sum(p.numel() for p in HandDetectorNet().parameters()) < 1_000_000
