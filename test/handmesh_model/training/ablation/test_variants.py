"""The variants of the paper's Table 3 and the runs made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from handmesh_model.errors import ConfigError
from handmesh_model.losses import HandMeshLoss
from handmesh_model.network import HandMeshNet
from handmesh_model.training.ablation.variants import (
    ORDER,
    Cell,
    choose_variants,
    find_variants,
    make_cells,
)
from handmesh_model.training.config import load_training_config
from handmesh_model.training.config_files import to_mapping
from handmesh_model.training.setup import build_network, loss_weights, network_config

CONFIG = Path(__file__).parents[4] / 'config'


@pytest.fixture
def base(tiny_values: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / 'base.yaml'
    path.write_text(yaml.safe_dump({**tiny_values, 'losses': {'render': 1.0}, 'ranks': 2}))
    return path


def by_variant(cells: list[Cell]) -> dict[str, Cell]:
    return {cell.variant: cell for cell in cells if cell.seed == 1}


def test_the_eight_rows_are_there_in_their_order() -> None:
    assert tuple(find_variants(CONFIG)) == ORDER


def test_variants_by_themselves_extend_the_paper_s_training() -> None:
    paper = load_training_config(CONFIG / 'train_paper.yaml')
    configs = {name: load_training_config(path) for name, path in find_variants(CONFIG).items()}
    assert configs['full'] == paper
    for name, config in configs.items():
        changed = {k for k, v in to_mapping(config).items() if v != to_mapping(paper)[k]}
        assert changed <= {'network_options', 'losses'}, name
        assert bool(changed) == (name != 'full')


@pytest.mark.parametrize(
    ('override', 'message'),
    [
        ('validation.samples=0', r'validation\.samples is 0, expected at least 1'),
        ('validation.options={}', r'validation\.options is \{\}, expected what tells'),
    ],
)
def test_runs_that_could_not_be_measured_are_refused(
    base: Path, tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        make_cells(base, find_variants(CONFIG), 1, tmp_path, [override])


def test_runs_that_would_be_measured_on_what_they_trained_on_are_refused(tmp_path: Path) -> None:
    paper, overrides = CONFIG / 'train_paper.yaml', ['data.options.split=train']
    with pytest.raises(ConfigError, match=r"split 'alignment', which shares pictures"):
        make_cells(paper, find_variants(CONFIG), 1, tmp_path, overrides)


def test_each_variant_lacks_what_its_name_says(base: Path, tmp_path: Path) -> None:
    cells = by_variant(make_cells(base, find_variants(CONFIG), 1, tmp_path))
    nets: dict[str, HandMeshNet] = {k: build_network(cell.config) for k, cell in cells.items()}
    full = nets['full']
    assert nets['without_joint_stage'].joint_stage is None
    assert nets['without_refine_stage'].refine_stage is None
    assert full.joint_stage is not None
    assert full.refine_stage is not None
    width = full.refine_stage.head.nn[0].in_features
    local = nets['without_local'].refine_stage
    shared = nets['without_global'].refine_stage
    assert local is not None
    assert shared is not None
    # Image 3, stem 8, shared feature 8 and mesh encoder 8; global feature 8.
    assert local.head.nn[0].in_features == width - 27
    assert shared.head.nn[0].in_features == width - 8
    assert shared.global_feature is None
    offset = nets['without_offset'].refine_stage
    assert offset is not None
    assert not offset.offset
    without = nets['without_segmentation'].joint_stage
    assert without is not None
    assert without.segmentation is None
    weights = {name: loss_weights(cell.config) for name, cell in cells.items()}
    assert weights['without_segmentation'].segmentation == 0
    assert weights['without_render_loss'].render == 0
    assert weights['full'].render == 1
    assert weights['full'].segmentation == 1


@pytest.mark.parametrize('variant', ORDER)
def test_every_variant_can_be_trained(
    variant: str, base: Path, tmp_path: Path, topology: Any
) -> None:
    cell = by_variant(make_cells(base, find_variants(CONFIG), 1, tmp_path))[variant]
    net = build_network(cell.config)
    batch = {
        'vertices': torch.rand(2, topology.vertex_count, 3) * 16,
        'joints': torch.rand(2, 21, 3) * 15,
        'mask': torch.zeros(2, 32, 32, dtype=torch.uint8),
        'mesh_valid': torch.ones(2, dtype=torch.bool),
        'presence': torch.ones(2),
        'side': torch.ones(2),
    }
    terms = HandMeshLoss(loss_weights(cell.config), topology)(
        net(torch.rand(2, 3, 64, 64), heads=True), batch
    )
    terms['total'].backward()
    assert torch.isfinite(terms['total'])
    assert ('render' in terms) == (variant != 'without_render_loss')
    assert ('segmentation' in terms) == (
        variant not in ('without_segmentation', 'without_joint_stage')
    )
    assert ('stage_joints' in terms) == (variant != 'without_joint_stage')


def test_cells_differ_in_variant_and_seed_alone(base: Path, tmp_path: Path) -> None:
    chosen = choose_variants(find_variants(CONFIG), ['without_local', 'full'])
    cells = make_cells(base, chosen, 2, tmp_path / 'out', ['batch_size=4'])
    assert [(c.variant, c.seed) for c in cells] == [
        ('full', 1), ('without_local', 1), ('full', 2), ('without_local', 2)
    ]  # fmt: skip
    assert {c.config.batch_size for c in cells} == {4}
    assert {c.config.ranks for c in cells} == {1}
    assert cells[3].folder == tmp_path / 'out/without_local/seed2'
    assert cells[3].title == 'without local, seed 2'
    first, second = cells[0].description(), cells[2].description()
    assert {k for k in first if first[k] != second[k]} == {'seed'}


def test_shipped_small_base_goes_with_all_variants(tmp_path: Path) -> None:
    cells = make_cells(CONFIG / 'train_ablation_small.yaml', find_variants(CONFIG), 3, tmp_path)
    assert len(cells) == 24
    assert {network_config(cell.config).input_size for cell in cells} == {64}


def test_variants_that_are_the_same_are_named(tiny_values: dict[str, Any], tmp_path: Path) -> None:
    base = tmp_path / 'base.yaml'
    base.write_text(yaml.safe_dump({**tiny_values, 'losses': {'render': 0.0}}))
    with pytest.raises(ConfigError, match="'full' and 'without_render_loss' are the same"):
        make_cells(base, find_variants(CONFIG), 1, tmp_path)


def test_wrong_wishes_are_named(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="variant is 'without_all', expected some of full"):
        choose_variants(find_variants(CONFIG), ['without_all'])
    with pytest.raises(ConfigError, match=r'holds no ablation_\*\.yaml'):
        find_variants(tmp_path)
    with pytest.raises(ConfigError, match='seeds is 0, expected at least 1'):
        make_cells(base, find_variants(CONFIG), 0, tmp_path)
