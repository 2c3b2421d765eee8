"""Configuration files: what they may say, and what is said of those that say something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from handmesh_model.errors import ConfigError
from handmesh_model.topology import HandTopology
from handmesh_model.training.config import TrainingConfig, load_training_config
from handmesh_model.training.config_files import from_mapping, to_mapping
from handmesh_model.training.setup import (
    build_network,
    fastest_layout,
    load_topology,
    loss_weights,
)

CONFIG = Path(__file__).parents[3] / 'config'
SMALLEST = {'network': 'net.yaml', 'output': 'out'}


def write(path: Path, **values: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize('path', sorted(CONFIG.glob('train_*.yaml')), ids=lambda path: path.stem)
def test_shipped_files_are_valid(path: Path) -> None:
    config = load_training_config(path)
    assert Path(config.network).is_file()
    assert loss_weights(config).mesh > 0


def test_paper_is_trained_in_float32() -> None:
    assert not load_training_config(CONFIG / 'train_paper.yaml').mixed_precision


def test_values_survive_the_way_to_plain_ones_and_back() -> None:
    config = load_training_config(CONFIG / 'train_open.yaml')
    assert from_mapping(TrainingConfig, to_mapping(config)) == config
    assert from_mapping(TrainingConfig, yaml.safe_load(yaml.safe_dump(to_mapping(config)))) == (
        config
    )


def test_extended_file_holds_where_this_one_says_nothing(tmp_path: Path) -> None:
    write(
        tmp_path / 'base/base.yaml',
        network='net.yaml',
        output='runs/base',
        batch_size=16,
        data={'kind': 'freihand', 'root': 'data', 'workers': 3},
    )
    top = write(
        tmp_path / 'top.yaml',
        extends='base/base.yaml',
        batch_size=8,
        data={'workers': 5},
        topology='mano.npz',
    )
    config = load_training_config(top, ['data.workers=7', 'losses.mesh=2'])
    # Paths belong to the file that they stand in.
    assert config.network == str(tmp_path / 'base/net.yaml')
    assert config.data.root == str(tmp_path / 'base/data')
    assert config.topology == str(tmp_path / 'mano.npz')
    assert (config.batch_size, config.data.workers, config.losses) == (8, 7, {'mesh': 2.0})
    assert config.output == 'runs/base'


def test_paths_on_the_command_line_belong_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / 'config/run.yaml', **SMALLEST)
    config = load_training_config(path, ['data.kind=samples', 'data.root=samples.npz'])
    assert config.data.root == str(tmp_path / 'samples.npz')
    assert load_training_config(path, ['topology=open']).topology == 'open'


def test_an_empty_mapping_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    base = write(
        tmp_path / 'base.yaml',
        **SMALLEST,
        losses={'mesh': 2.0, 'edge': 3.0},
        loss_ramps={'mesh': [0, 1]},
    )
    config = load_training_config(base, ['loss_ramps={}', 'losses={}', 'losses.edge=4'])
    assert config.loss_ramps == {}
    assert config.losses == {'edge': 4.0}
    top = write(tmp_path / 'top.yaml', extends='base.yaml', loss_ramps={})
    assert load_training_config(top).loss_ramps == {}


def test_numbers_that_yaml_takes_for_words_are_read(tmp_path: Path) -> None:
    path = tmp_path / 'run.yaml'
    more = 'total_samples: 1e6\noptimizer: {learning_rate: 9e-4, weight_decay: 1.5E1}\n'
    path.write_text(yaml.safe_dump(SMALLEST) + more)
    config = load_training_config(path, ['losses.mesh=2e0'])
    assert (config.total_samples, config.losses) == (1_000_000, {'mesh': 2.0})
    assert config.optimizer.learning_rate == 9e-4
    assert config.optimizer.weight_decay == 15


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'batch': 8}, "unknown entry 'batch'; known are augmentation, batch_size"),
        ({'data': {'worker': 8}}, r"unknown entry 'data\.worker'"),
        ({'data': 3}, "'data' is 3, expected a mapping"),
        ({'batch_size': '8'}, "'batch_size' is '8', expected int"),
        ({'batch_size': 8.5}, r"'batch_size' is 8\.5, expected int"),
        ({'batch_size': True}, "'batch_size' is True, expected int"),
        ({'batch_size': 0}, 'batch_size is 0, expected at least 1'),
        ({'seed': -1}, 'seed is -1, expected 0 to'),
        ({'validation': {'seed': -3}}, r'validation\.seed is -3, expected 0 to'),
        ({'batch_size': 1}, 'batch_size is 1, .* joint stage on 1, expected at least 2'),
        ({'batch_size': 4, 'ranks': 4}, 'batch_size is 4, of which each of 4 ranks'),
        ({'batch_size': 2, 'mesh_share': 0.5}, r'stage on 1 \(mesh_share 0\.5\), the'),
        ({'refine_share': 0}, 'refine_share is 0, expected more than 0'),
        ({'refine_share': 1.5}, r'refine_share is 1\.5, expected 0 to 1'),
        ({'batch_size': 4, 'refine_share': 0.25}, r'refine stage on 1 \(refine_share 0\.25\)'),
        ({'batch_size': 9, 'ranks': 2}, 'batch_size is 9, expected a multiple of ranks = 2'),
        ({'total_samples': float('inf')}, "'total_samples' is inf, expected a finite number"),
        ({'total_samples': float('nan')}, "'total_samples' is nan, expected a finite number"),
        ({'loss_ramps': {'mesh': [0, float('nan')]}}, r"'loss_ramps\.mesh\[1\]' is nan"),
        ({'batch_size': '8e400'}, "'batch_size' is inf, expected a finite number"),
        ({'batch_size': '15e-1'}, r"'batch_size' is 1\.5, expected int"),
        ({'total_samples': -5}, 'total_samples is -5, expected at least 1'),
        (
            {'optimizer': {'name': 'sgd'}},
            "optimizer.name is 'sgd', expected one of adam, adamw, muon",
        ),
        ({'optimizer': {'learning_rate': -1}}, r'optimizer\.learning_rate is -1'),
        ({'optimizer': {'beta2': 1.5}}, r'optimizer\.beta2 is 1\.5, expected 0 to 1'),
        ({'optimizer': {'beta1': 1}}, r'optimizer\.beta1 is 1, expected less than 1'),
        ({'schedule': {'kind': 'linear'}}, "schedule.kind is 'linear', expected one of cosine"),
        ({'schedule': {'milestones': 3}}, r"'schedule\.milestones' is 3, expected a list"),
        ({'schedule': {'milestones': [0.5, 2]}}, r'schedule\.milestones\[1\] is 2'),
        ({'schedule': {'milestones': ['a']}}, r"'schedule\.milestones\[0\]' is 'a'"),
        ({'data': {'kind': 'ego'}}, "data.kind is 'ego', expected one of synthetic, freihand"),
        ({'data': {'kind': 'freihand'}}, r"data\.root is '', expected where the freihand data"),
        ({'data': {'reuse': 0}}, r'data\.reuse is 0, expected at least'),
        ({'augmentation': {'blur': -2}}, r'augmentation\.blur is -2'),
        ({'augmentation': {'mirror': 1.5}}, r'augmentation\.mirror is 1\.5, expected 0 to 1'),
        ({'augmentation': {'grey': 3}}, r'augmentation\.grey is 3, expected 0 to 1'),
        ({'augmentation': {'erase': 2}}, r'augmentation\.erase is 2, expected 0 to 1'),
        (
            {'augmentation': {'mirror': 0.3}, 'data': {'kind': 'freihand', 'root': 'somewhere'}},
            r'augmentation\.mirror is 0\.3, expected none .* which data\.options\.augmentation',
        ),
        ({'validation': {'every_samples': 0}}, r'validation\.every_samples is 0'),
        ({'losses': {'mesh': 'much'}}, r"'losses\.mesh' is 'much', expected float"),
        ({'loss_ramps': {'edge': [1]}}, r'loss_ramps\.edge is \[1\.0\]'),
        ({'loss_ramps': {'edge': [9, 0, 1, 1]}}, r'rising samples'),
        ({'network': None}, "'network' is None, expected str"),
    ],
)
def test_wrong_entries_are_named_with_their_value(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / 'run.yaml', **{**SMALLEST, **values})
    with pytest.raises(ConfigError, match=message):
        load_training_config(path)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'losses': {'meshes': 1.0}}, r"unknown entry 'losses\.meshes'; known are edge"),
        ({'losses': {'mesh': -1.0}}, r'losses\.mesh is -1, expected at least 0'),
        ({'loss_ramps': {'meshes': [0, 1]}}, r"unknown entry 'loss_ramps\.meshes'"),
    ],
)
def test_wrong_losses_are_named(
    tiny_run: Callable[..., TrainingConfig], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        loss_weights(tiny_run(**changes))


def test_wrong_network_is_named(tiny_run: Callable[..., TrainingConfig], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='input_size is 50, expected a multiple of 32'):
        build_network(tiny_run(network_options={'input_size': 50}))
    with pytest.raises(ConfigError, match='mesh_width is 4, expected at least 8 for training'):
        fastest_layout(build_network(tiny_run(network_options={'mesh_width': 4})))
    with pytest.raises(ConfigError, match=r"cannot read network '.*none\.yaml'"):
        build_network(tiny_run(network=str(tmp_path / 'none.yaml')))


def test_entries_that_have_no_default_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="entry 'network' is missing"):
        load_training_config(write(tmp_path / 'run.yaml', output='out'))


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read configuration '.*none\.yaml'"):
        load_training_config(tmp_path / 'none.yaml')
    broken = tmp_path / 'broken.yaml'
    broken.write_text('a: [1')
    with pytest.raises(ConfigError, match=r'broken\.yaml'):
        load_training_config(broken)
    broken.write_text('just words')
    with pytest.raises(ConfigError, match="holds 'just words', expected a mapping"):
        load_training_config(broken)
    circle = write(tmp_path / 'circle.yaml', extends='circle.yaml')
    with pytest.raises(ConfigError, match=r"circle\.yaml' extends itself"):
        load_training_config(circle)
    with pytest.raises(ConfigError, match=r'extends in .* is 3'):
        load_training_config(write(tmp_path / 'three.yaml', extends=3))


@pytest.mark.parametrize('override', ['batch_size', '=3', 'losses.mesh=[1', 'seed=!!int ""'])
def test_wrong_overrides_are_named(tmp_path: Path, override: str) -> None:
    path = write(tmp_path / 'run.yaml', **SMALLEST)
    with pytest.raises(ConfigError, match=r"override '.*'"):
        load_training_config(path, [override])


def test_open_topology_goes_by_its_name() -> None:
    assert load_topology('open') is HandTopology.open_hand()


def test_refined_are_a_share_of_those_with_a_mesh() -> None:
    config = TrainingConfig(**SMALLEST, batch_size=24, mesh_share=0.5, refine_share=0.4)
    assert (config.mesh_count(24), config.refine_count(24)) == (12, 5)
    assert TrainingConfig(**SMALLEST, mesh_share=0.5).refine_count(24) == 12
