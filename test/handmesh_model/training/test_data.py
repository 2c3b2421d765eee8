"""What a run trains on and what it is measured on, for each kind of data."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from handmesh_model.errors import ConfigError, DatasetError
from handmesh_model.network import StageOutputs
from handmesh_model.training.config import TrainingConfig, load_training_config
from handmesh_model.training.data import (
    build_stream,
    check_apart,
    check_depth_axis,
    open_source,
    open_validation,
    validation_samples,
)
from handmesh_model.training.distributed import Ranks
from handmesh_model.training.setup import build_network, lixel_scale, loss_weights
from handmesh_model.training.trainer import Trainer

CONFIG = Path(__file__).parents[3] / 'config'
ALONE = Ranks(0, 1, torch.device('cpu'))
COUNT, VERTICES = 12, 778
MakeRun = Callable[..., TrainingConfig]
TINY = (
    'input_size=64', 'heatmap_size=16', 'depth=10', 'width=8', 'mesh_depth=10', 'mesh_width=8',
    'decoder_channels=[8, 8, 8]', 'mesh_decoder_channels=[8, 8, 8]', 'depth_channels=4',
    'global_channels=4', 'graph_hidden=8', 'graph_width=8', 'graph_blocks=1', 'graph_tail=8',
)  # fmt: skip


def camera_points(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3)) * 0.03 + [0, 0, 0.6]


@pytest.fixture(scope='module')
def obman(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three samples of ObMan."""
    root = tmp_path_factory.mktemp('obman')
    for split in ('train', 'val'):
        for folder in ('rgb', 'meta'):
            (root / split / folder).mkdir(parents=True)
        for number in range(3):
            image = np.full((256, 256, 3), 60 * number, np.uint8)
            cv2.imwrite(str(root / f'{split}/rgb/{number:08d}.jpg'), image)
            meta = {
                'coords_3d': camera_points(number, 21) * [1, -1, -1],
                'verts_3d': camera_points(9 + number, VERTICES) * [1, -1, -1],
                'side': 'right',
            }
            path = root / f'{split}/meta/{number:08d}.pkl'
            path.write_bytes(pickle.dumps(meta, protocol=2))
    return root


def paper_run(freihand: Path, mano_like: Path, output: Path, *more: str) -> TrainingConfig:
    """The paper's configuration with a shrunken network on a miniature of the dataset."""
    return load_training_config(
        CONFIG / 'train_paper.yaml',
        [
            *(f'network_options.{entry}' for entry in TINY),
            f'data.root={freihand}',
            f'topology={mano_like}',
            f'output={output}',
            'encoder_weights=',
            'data.workers=0',
            'batch_size=4',
            'total_samples=4',
            *more,
        ],
    )


def test_paper_s_configuration_takes_a_step_on_freihand(
    freihand: Path, mano_like: Path, tmp_path: Path
) -> None:
    config = paper_run(freihand, mano_like, tmp_path / 'run', 'validation.every_samples=4')
    trainer = Trainer(config, ALONE)
    before = copy.deepcopy(trainer.net.state_dict())
    state = trainer.run()
    assert (state.step, state.samples) == (1, 4)
    assert np.isfinite(state.history[0]['lixel_error'])
    moved = {
        n.split('.')[0] for n, v in trainer.net.state_dict().items() if (v != before[n]).any()
    }
    assert moved == {'joint_stage', 'mesh_stage', 'refine_stage'}
    assert loss_weights(config).render > 0


def test_joints_to_learn_of_published_datasets_are_those_of_the_mesh(
    freihand: Path, mano_like: Path, tmp_path: Path
) -> None:
    """The datasets' own contradict it: they have other fingertips than the regressor."""
    config = paper_run(freihand, mano_like, tmp_path / 'run', 'validation.samples=0')
    trainer, seen = Trainer(config, ALONE), list[dict[str, torch.Tensor]]()
    step = trainer._step

    def noted(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        seen.append(batch)
        return step(batch)

    trainer._step = noted  # type: ignore[method-assign]
    trainer.run()
    (batch,) = seen
    truth = StageOutputs(
        rough_vertices=batch['vertices'],
        vertices=batch['vertices'],
        joints=trainer.net.joint_regressor @ batch['vertices'],
    )
    terms = trainer.criterion(truth, batch)
    for name in ('mesh', 'rough_mesh', 'joints'):
        assert terms[name] == pytest.approx(0, abs=1e-4), name


def test_joints_to_measure_of_published_datasets_are_those_of_the_mesh(
    freihand: Path, mano_like: Path, tmp_path: Path
) -> None:
    splits = ('data.options.split=train-alignment', 'validation.options.split=alignment')
    config = paper_run(freihand, mano_like, tmp_path, *splits)
    net = build_network(config)
    samples = validation_samples(config, net, tmp_path)
    assert samples is not None
    expected = net.topology.joint_regressor @ samples['vertices']
    np.testing.assert_allclose(samples['joints'], expected, atol=1e-4)


def test_paper_s_schedule_falls_tenfold_after_epochs_10_and_20_of_25() -> None:
    config = load_training_config(CONFIG / 'train_paper.yaml')
    epoch = 4 * (32560 - 2000)
    assert config.total_samples == 25 * epoch
    assert [m * config.total_samples / epoch for m in config.schedule.milestones] == [10, 20]
    assert (config.schedule.kind, config.schedule.factor) == ('steps', 0.1)
    assert (config.optimizer.name, config.optimizer.learning_rate) == ('adam', 5e-4)


def test_freihand_batches_hold_metres_in_lixels(
    freihand: Path, mano_like: Path, tmp_path: Path
) -> None:
    config = paper_run(freihand, mano_like, tmp_path, 'data.options.augmentation.rotated=0')
    net = build_network(config)
    stream = build_stream(config, net, ALONE, 0)
    batch = next(stream)
    assert batch['image'].shape == (4, 64, 64, 3)
    assert batch['vertices'].shape == (4, VERTICES, 3)
    metres = lixel_scale(net).from_lixels(batch['joints'])[..., 2]
    depths = np.stack([camera_points(i, 21)[:, 2] for i in range(COUNT)])
    depths -= depths[:, :1]
    for row in metres:
        assert np.abs(depths - row).max(axis=1).min() < 1e-5
    assert batch['mesh_valid'].all()
    assert set(np.unique(batch['mask'])) <= {0, 1, 255}


def test_freihand_is_varied_anew_each_epoch_but_not_when_measured(
    freihand: Path, mano_like: Path, tmp_path: Path
) -> None:
    config = paper_run(freihand, mano_like, tmp_path)
    net = build_network(config)
    # 10 samples of 4 versions: an epoch is 10 batches of 4.
    first, second = build_stream(config, net, ALONE, 0), build_stream(config, net, ALONE, 40)
    ours = np.concatenate([next(first)['joints'] for _ in range(10)])
    theirs = np.concatenate([next(second)['joints'] for _ in range(10)])
    for joints in ours:
        assert np.abs(theirs - joints).max(axis=(1, 2)).min() > 1e-3
    measured = [validation_samples(config, net, tmp_path) for _ in range(2)]
    assert measured[0] is not None
    assert measured[1] is not None
    assert len(measured[0]['image']) == 2
    np.testing.assert_array_equal(measured[0]['joints'], measured[1]['joints'])


def test_obman_can_be_trained_on(obman: Path, mano_like: Path, tiny_run: MakeRun) -> None:
    config = tiny_run(
        topology=str(mano_like),
        data={'kind': 'obman', 'root': str(obman), 'workers': 0},
        validation={'samples': 2, 'every_samples': 8, 'options': {'split': 'val'}},
        total_samples=8,
    )
    trainer = Trainer(config, ALONE)
    state = trainer.run()
    assert np.isfinite(state.history[0]['pa_mpvpe_mm'])


def test_validation_samples_of_a_file_are_plain(tiny_run: MakeRun) -> None:
    config = tiny_run()
    samples = validation_samples(config, build_network(config), Path(config.output))
    assert samples is not None
    with np.load(config.data.root) as stored:
        np.testing.assert_array_equal(samples['image'], stored['image'][16:20])
        np.testing.assert_allclose(samples['vertices'], stored['vertices'][16:20], atol=1e-5)


def test_validation_must_differ_from_training(tiny_run: MakeRun) -> None:
    config = tiny_run(validation={'samples': 4})
    with pytest.raises(ConfigError, match=r'validation\.options is \{\}, expected'):
        validation_samples(config, build_network(config), Path(config.output))


@pytest.mark.parametrize(
    ('ours', 'theirs'),
    [
        ('train', 'alignment'),
        ('train', 'train-alignment'),
        ('train-alignment', 'train'),
        ('alignment', 'alignment'),
    ],
)
def test_validation_on_training_pictures_is_refused(
    freihand: Path, mano_like: Path, tmp_path: Path, ours: str, theirs: str
) -> None:
    splits = (f'data.options.split={ours}', f'validation.options.split={theirs}')
    config = paper_run(freihand, mano_like, tmp_path, *splits)
    told = f"split '{theirs}', which shares pictures with split '{ours}'"
    with pytest.raises(ConfigError, match=told):
        validation_samples(config, build_network(config), tmp_path)


def test_splits_without_a_picture_in_common_are_told_apart(
    freihand: Path, obman: Path, tiny_run: MakeRun
) -> None:
    for kind, ours, theirs in (
        ('freihand', {}, {'split': 'evaluation'}),
        ('freihand', {'split': 'train-alignment'}, {'split': 'alignment'}),
        ('freihand', {}, {'split': 'train', 'root': 'another copy'}),
        ('obman', {}, {'split': 'val'}),
    ):
        data = {'kind': kind, 'root': str(freihand), 'options': ours}
        check_apart(tiny_run(data=data, validation={'samples': 2, 'options': theirs}))
    data = {'kind': 'obman', 'root': str(obman)}
    config = tiny_run(data=data, validation={'samples': 2, 'options': {'split': 'train'}})
    with pytest.raises(ConfigError, match=r'expected val or test, or validation\.samples 0'):
        check_apart(config)


def test_validation_without_its_labels_is_named(
    freihand: Path, mano_like: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(freihand, tmp_path / 'FreiHAND')
    (root / 'evaluation/rgb').mkdir(parents=True)
    shutil.copy(root / 'training/rgb/00000000.jpg', root / 'evaluation/rgb/00000000.jpg')
    for name, content in (('K', [np.eye(3).tolist()]), ('scale', [0.03])):
        (root / f'evaluation_{name}.json').write_text(json.dumps(content))
    splits = ('data.options.split=train', 'validation.options.split=evaluation')
    config = paper_run(root, mano_like, tmp_path / 'run', *splits)
    with pytest.raises(DatasetError, match=r'00000000.* has no mesh'):
        validation_samples(config, build_network(config), tmp_path)


def test_no_augmentation_of_photographs_is_possible(
    freihand: Path, mano_like: Path, tmp_path: Path
) -> None:
    config = paper_run(freihand, mano_like, tmp_path, 'data.options.augmentation=null')
    net = build_network(config)
    source = open_source(config, net.config, config.data.options, varied=True)
    assert source.augmentation is None


def test_validation_samples_of_a_renderer_of_ones_own_are_rendered_anew(
    tiny_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches: list[Path | None] = []
    monkeypatch.setattr(
        'handmesh_model.training.data.render_validation_set',
        lambda *arguments: caches.append(arguments[-1]) or {},
    )
    net = build_network(tiny_run())
    for renderer in ({}, {'renderer': 'my_hands:render'}):
        config = tiny_run(data={'kind': 'synthetic', **renderer})
        validation_samples(config, net, tmp_path)
    assert caches == [tmp_path / 'validation.npz', None]


def test_validation_without_a_sample_is_named(tiny_run: MakeRun) -> None:
    config = tiny_run(validation={'samples': 4, 'options': {'start': 16}})
    with pytest.raises(ConfigError, match=r"are \{'stop': 16, 'start': 16\}, which leave 0"):
        validation_samples(config, build_network(config), Path(config.output))
    config = tiny_run(validation={'samples': 4, 'options': {'start': 16, 'stop': None}})
    samples = validation_samples(config, build_network(config), Path(config.output))
    assert samples is not None
    assert len(samples['image']) == 4


@pytest.mark.parametrize(
    ('ours', 'theirs', 'told'),
    [
        ({'stop': 16}, {'start': 12, 'stop': None}, '12 to 19, of which 4 .* on, 0 to 15;'),
        ({'stop': 16}, {'start': 12}, '12 to 15, of which 4 '),
        ({}, {'start': 16}, '16 to 19, of which 4 .* on, 0 to 19;'),
        ({'start': 2, 'stop': 5}, {'start': None, 'stop': None}, '0 to 19, of which 3 '),
        # Whether these share samples only the file's number of them tells.
        ({'stop': 16}, {'start': -5, 'stop': None}, '15 to 19, of which 1 '),
        ({'start': -16}, {'start': 0, 'stop': 5}, '0 to 4, of which 1 '),
    ],
)
def test_validation_on_samples_to_train_on_is_refused(
    tiny_run: MakeRun, ours: dict[str, Any], theirs: dict[str, Any], told: str
) -> None:
    data = {'kind': 'samples', 'root': tiny_run().data.root, 'options': ours}
    config = tiny_run(data=data, validation={'samples': 2, 'options': theirs})
    with pytest.raises(ConfigError, match=f'choose samples {told}'):
        open_validation(config, build_network(config).config)


@pytest.mark.parametrize('way', ['{folder}/../{name}/{file}', '{link}/{file}'])
def test_one_place_by_two_paths_is_known(
    tiny_run: MakeRun, freihand: Path, tmp_path: Path, way: str
) -> None:
    def again(path: Path) -> str:
        folder = path.parent
        link = tmp_path / folder.name
        link.symlink_to(folder)
        return way.format(folder=folder, name=folder.name, file=path.name, link=link)

    file = Path(tiny_run().data.root)
    options = {'root': again(file), 'start': 12, 'stop': None}
    data = {'kind': 'samples', 'root': str(file), 'options': {'stop': 16}}
    config = tiny_run(data=data, validation={'samples': 2, 'options': options})
    with pytest.raises(ConfigError, match='choose samples 12 to 19, of which 4'):
        open_validation(config, build_network(config).config)
    data = {'kind': 'freihand', 'root': str(freihand)}
    options = {'root': again(freihand), 'split': 'alignment'}
    with pytest.raises(ConfigError, match='shares pictures'):
        check_apart(tiny_run(data=data, validation={'samples': 2, 'options': options}))


def test_samples_of_other_parts_or_files_are_told_apart(tiny_run: MakeRun, tmp_path: Path) -> None:
    root = tiny_run().data.root
    copy = shutil.copy(root, tmp_path / 'copy.npz')
    for ours, theirs, count in (
        ({'stop': 16}, {'start': -4, 'stop': None}, 4),
        ({'start': 8}, {'start': None, 'stop': 8}, 8),
        ({'start': 18, 'stop': 3}, {'start': 0, 'stop': None}, 20),
        ({}, {'root': str(copy)}, 20),
    ):
        data = {'kind': 'samples', 'root': root, 'options': ours}
        config = tiny_run(data=data, validation={'samples': 2, 'options': theirs})
        assert len(open_validation(config, build_network(config).config)) == count


def test_no_validation_is_possible(tiny_run: MakeRun) -> None:
    config = tiny_run(validation={'samples': 0})
    assert validation_samples(config, build_network(config), Path(config.output)) is None


@pytest.mark.parametrize(
    ('data', 'error', 'message'),
    [
        ({'options': {'split': 'all'}}, ConfigError, r"split is 'all', expected one of train"),
        ({'options': {'colour': 1}}, ConfigError, r"options of dataset 'freihand'.*colour"),
        (
            {'options': {'augmentation': {'turn': 1}}},
            ConfigError,
            r"unknown entry 'data\.options\.augmentation\.turn'; known are color",
        ),
        (
            {'options': {'augmentation': {'scale': 'big'}}},
            ConfigError,
            r"'data\.options\.augmentation\.scale' is 'big', expected float",
        ),
        (
            {'options': {'augmentation': 3}},
            ConfigError,
            r"'data\.options\.augmentation' is 3, expected a mapping, or null for none",
        ),
        ({'options': {'size': 64}}, ConfigError, r"'data\.options\.size' is 64, expected no such"),
        ({'options': {'seed': 5}}, ConfigError, r"'data\.options\.seed' is 5, expected no such"),
        ({'options': {'kind': 'obman'}}, ConfigError, r"'data\.options\.kind' is 'obman'"),
        ({'root': 'nowhere'}, DatasetError, "'nowhere' is no folder"),
    ],
)
def test_wrong_data_are_named(
    data: dict[str, Any],
    error: type[Exception],
    message: str,
    freihand: Path,
    mano_like: Path,
    tiny_run: MakeRun,
) -> None:
    values = {'kind': 'freihand', 'root': str(freihand), 'workers': 0, **data}
    config = tiny_run(topology=str(mano_like), data=values)
    with pytest.raises(error, match=message):
        build_stream(config, build_network(config), ALONE, 0)


def test_mesh_of_another_topology_is_named(freihand: Path, tiny_run: MakeRun) -> None:
    config = tiny_run(data={'kind': 'freihand', 'root': str(freihand), 'workers': 0})
    with pytest.raises(ConfigError, match="have 778 vertices, the topology 'skeleton' has 61"):
        build_stream(config, build_network(config), ALONE, 0)


def test_depth_along_another_axis_is_named(tiny_run: MakeRun) -> None:
    axis = {'depth_axis': 'camera'}
    config = tiny_run(network_options=axis, data={'kind': 'synthetic', 'workers': 1})
    with pytest.raises(ConfigError, match="has depth_axis 'camera', rendered samples have 'ray'"):
        build_stream(config, build_network(config), ALONE, 0)
    network = build_network(tiny_run()).config
    check_depth_axis('samples', None, network)
    check_depth_axis('samples', 'ray', network)
    with pytest.raises(ConfigError, match="has depth_axis 'ray', samples have 'camera'"):
        check_depth_axis('samples', 'camera', network)


def test_wrong_option_of_a_file_is_named(tiny_run: MakeRun) -> None:
    config = tiny_run()
    net = build_network(config)
    config.data.options['stop'] = 'abc'
    with pytest.raises(ConfigError, match=r"'data\.options\.stop' is 'abc', expected an integer"):
        build_stream(config, net, ALONE, 0)
    config.data.options['split'] = 'train'
    with pytest.raises(ConfigError, match=r"unknown entry 'data\.options\.split'"):
        build_stream(config, net, ALONE, 0)


def test_batch_too_small_for_so_many_ranks_is_named(tiny_run: MakeRun) -> None:
    config = tiny_run()
    with pytest.raises(ConfigError, match='batch_size is 8, of which each of 8 ranks'):
        build_stream(config, build_network(config), Ranks(0, 8, torch.device('cpu')), 0)
