"""Wider networks that begin as narrower ones."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from handmesh_model.checkpoints import save_checkpoint
from handmesh_model.errors import CheckpointError
from handmesh_model.network import HandMeshNet, NetworkConfig
from handmesh_model.training.setup import build_network
from handmesh_model.training.widening import is_wider, widen

FULL = {
    'decoder_skips': True,
    'joint_maps': True,
    'presence': True,
    'side': True,
    'side_hidden': 8,
    'confidence': True,
    'local_features': ('image', 'stem', 'shared', 'mesh', 'decoded'),
}


def wider(config: NetworkConfig) -> NetworkConfig:
    return dataclasses.replace(
        config,
        width=config.width + 4,
        mesh_width=config.mesh_width + (4 if config.mesh_width == config.width else 2),
        decoder_channels=tuple(c + 3 for c in config.decoder_channels),
        mesh_decoder_channels=tuple(c + 1 for c in config.mesh_decoder_channels),
    )


@pytest.mark.parametrize('changes', [{}, FULL])
def test_a_widened_network_computes_what_the_narrow_one_does(
    tiny_config: Any, topology: Any, changes: dict[str, Any]
) -> None:
    torch.manual_seed(4)
    narrow = HandMeshNet(tiny_config(**changes), topology)
    for module in narrow.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.2, 0.2)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    wide = HandMeshNet(wider(narrow.config), topology)
    assert is_wider(wide.config, narrow.config)
    widen(wide, narrow)
    size = narrow.config.input_size
    crops = torch.rand(2, 3, size, size)
    with torch.no_grad():
        expected, given = narrow.eval()(crops, heads=True), wide.eval()(crops, heads=True)
    compared = 0
    for name, value in expected._asdict().items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(getattr(given, name), value, atol=1e-4, rtol=1e-4)
            compared += 1
    assert compared >= (8 if changes else 4)
    added = wide.mesh_stage.encoder.layer1[0].conv1.weight[narrow.config.mesh_width :]
    assert added.abs().min() > 0


def test_only_widths_may_differ_and_none_shrink(tiny_config: Any) -> None:
    config = tiny_config()
    assert not is_wider(config, config)
    assert not is_wider(config, wider(config))
    assert not is_wider(dataclasses.replace(wider(config), mesh_depth=18), config)
    assert is_wider(dataclasses.replace(wider(config), depth_axis='ray'), config)
    shortcut = dataclasses.replace(wider(config), mesh_width=config.mesh_width + 9)
    assert is_wider(shortcut, config) == (config.width != config.mesh_width)


def test_a_run_begins_with_the_weights_of_a_narrower_network(tiny_run: Any, tmp_path: Any) -> None:
    run = tiny_run()
    narrow = build_network(run)
    path = tmp_path / 'narrow.safetensors'
    save_checkpoint(path, narrow)
    widths = {name: getattr(narrow.config, name) + 8 for name in ('width', 'mesh_width')}
    wide = build_network(tiny_run(init_weights=str(path), network_options=widths))
    size = narrow.config.input_size
    crops = torch.rand(1, 3, size, size)
    with torch.no_grad():
        torch.testing.assert_close(
            wide.eval()(crops).vertices, narrow.eval()(crops).vertices, atol=1e-4, rtol=1e-4
        )
    save_checkpoint(path, wide)
    with pytest.raises(CheckpointError, match='misshapen'):
        build_network(tiny_run(init_weights=str(path)))
