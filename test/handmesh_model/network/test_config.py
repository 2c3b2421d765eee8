from pathlib import Path

import pytest
import yaml

from handmesh_model.checkpoints import blank_network
from handmesh_model.errors import ConfigError
from handmesh_model.joints import JOINT_NAMES
from handmesh_model.network import NetworkConfig
from handmesh_model.network.config import _RANGES, MOST_CHANNELS

CONFIG_FOLDER = Path(__file__).parents[3] / 'config'


def read(name: str) -> dict:
    return yaml.safe_load((CONFIG_FOLDER / name).read_text())


def test_paper_file_spells_out_the_defaults():
    assert read('network_paper.yaml') == NetworkConfig().to_dict()


def test_compact_file_sets_every_key():
    values = read('network_compact.yaml')
    assert list(values) == list(NetworkConfig().to_dict())
    assert NetworkConfig.from_dict(values).to_dict() == values


def test_lists_of_yaml_become_tuples():
    config = NetworkConfig.from_dict({'decoder_channels': [8, 8, 8]})
    assert config.decoder_channels == (8, 8, 8)
    assert hash(config) == hash(NetworkConfig(decoder_channels=(8, 8, 8)))


def test_the_largest_network_is_built_without_storage_at_once(topology):
    largest = {name: most for name, (_, most) in _RANGES.items()}
    channels = (MOST_CHANNELS,) * 3
    config = NetworkConfig(
        **largest,
        heatmap_size=largest['input_size'] // 4,
        decoder_channels=channels,
        mesh_decoder_channels=channels,
        side=True,
    )
    net = blank_network(config, topology)
    assert all(parameter.is_meta for parameter in net.parameters())


def test_no_local_features_at_all_are_allowed():
    assert NetworkConfig.from_dict({'local_features': []}).local_features == ()


def test_joints_are_those_of_the_project():
    assert NetworkConfig().joint_count == len(JOINT_NAMES)


@pytest.mark.parametrize(
    ('values', 'told'),
    [
        ({'colour': 'blue'}, 'colour'),
        ({'input_size': 250}, '250'),
        ({'heatmap_size': 32}, '64'),
        ({'depth': 101}, '101'),
        ({'width': 0}, 'width is 0'),
        ({'width': 64.0}, '64.0'),
        ({'width': True}, 'True'),
        ({'decoder_channels': [8, 8]}, '3 positive'),
        ({'decoder_channels': [8, 8, 'x']}, 'decoder_channels'),
        ({'local_features': ['colour']}, 'colour'),
        ({'local_features': 'image'}, 'image'),
        ({'joints_from': 'middle'}, 'middle'),
        ({'segmentation': 'yes'}, 'yes'),
        ({'segmentation_levels': 5}, '5'),
        ({'segmentation_kernel': 2}, '2'),
        ({'global_channels': -1}, '-1'),
        ({'side_hidden': -1}, 'side_hidden'),
        ({'confidence_spread': 0}, 'confidence_spread'),
        ({'confidence_spread': float('nan')}, r'spread is nan, expected 0\.001 to 1000'),
        ({'confidence_spread': float('inf')}, 'confidence_spread is inf'),
        ({'confidence_spread': 1e-200}, 'confidence_spread is 1e-200'),
        ({'confidence_spread': 10**400}, 'confidence_spread is 10+, expected a value like 2'),
        ({'input_size': None}, 'None'),
        ({'input_size': -32}, 'input_size is -32, expected 32 to 2048'),
        ({'input_size': 4096, 'heatmap_size': 1024}, 'input_size is 4096'),
        ({'joint_count': 10**9}, 'joint_count is 1000000000, expected 21'),
        ({'joint_count': 22}, 'joint_count is 22, expected 21'),
        ({'joint_count': 1}, 'joint_count is 1, expected 21'),
        ({'joint_count': 0}, 'joint_count is 0, expected 21'),
        ({'width': 10**6}, 'width is 1000000, expected 1 to 512'),
        ({'mesh_width': 10**30}, 'mesh_width is 10+, expected 1 to 512'),
        ({'graph_blocks': 30000}, 'graph_blocks is 30000, expected 0 to 64'),
        ({'side_hidden': 10**6}, 'side_hidden is 1000000, expected 0 to 4096'),
        ({'decoder_channels': [8, 8, 10**9]}, 'up to 4096'),
        ({'mesh_decoder_channels': [8, 0, 8]}, '3 positive'),
    ],
)
def test_wrong_values_are_named(values, told):
    with pytest.raises(ConfigError, match=told):
        NetworkConfig.from_dict(values)


NUMBERS = {
    name: value
    for name, value in NetworkConfig().to_dict().items()
    if name != 'local_features' and not isinstance(value, bool | str)
}


@pytest.mark.parametrize('name', NUMBERS)
def test_nan_is_no_number_of_a_network(name):
    """Every comparison with NaN is false: none may be what lets a value through."""
    several = isinstance(NUMBERS[name], list)
    with pytest.raises(ConfigError, match='nan'):
        NetworkConfig(**{name: (float('nan'), 8, 8) if several else float('nan')})
