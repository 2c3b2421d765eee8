import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import yaml

from handmesh_model.errors import ConfigError
from handmesh_ros.ar_parameters import ArRecorderParameters
from handmesh_ros.camera_parameters import CameraParameters
from handmesh_ros.node_parameters import NodeParameters
from handmesh_ros.parameters import (
    RATE_RANGE,
    check_together,
    check_value,
    defaults,
    rows,
    settings_from,
)
from handmesh_ros.recorder_parameters import RecorderParameters

DOCS = Path(__file__).parents[2] / 'docs'
TABLES = (NodeParameters, CameraParameters, RecorderParameters)
FILMED = (RecorderParameters, ArRecorderParameters)


@pytest.mark.parametrize('table', TABLES)
def test_every_row_is_described_and_its_default_fits(table):
    for name, default in defaults(table).items():
        assert len(rows(table)[name].description) > 10
        assert check_value(table, name, default) == default
    check_together(table())


def test_the_documentation_has_every_parameter_as_it_is():
    text = (DOCS / 'parameters.md').read_text(encoding='utf-8')
    found = re.findall(r'^\| `(\w+)`( 🔒)? \| (?:`(.*?)`)? ?\| .*\| (.+) \|$', text, re.MULTILINE)
    listed = {
        name: (yaml.safe_load(default) if default else '', bool(lock), said)
        for name, lock, default, said in found
    }
    table = rows(NodeParameters)
    assert listed == {
        name: (default, table[name].read_only, table[name].description)
        for name, default in defaults(NodeParameters).items()
    }


@pytest.mark.parametrize('table', FILMED)
def test_both_recorders_film_at_the_rates_of_sources(table):
    row = rows(table)['rate']
    assert (row.low, row.high) == RATE_RANGE


def test_settings_are_frozen_and_complete():
    settings = settings_from(NodeParameters, {'max_hands': 1})
    assert settings.max_hands == 1
    assert settings.weights == 'auto'
    with pytest.raises(FrozenInstanceError):
        settings.max_hands = 2


@pytest.mark.parametrize(
    ('table', 'name', 'value'),
    [(NodeParameters, 'max_age', 1.0), (CameraParameters, 'source', '1')],
)
def test_whole_numbers_stand_for_what_yaml_makes_of_them(table, name, value):
    read = check_value(table, name, 1)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ('name', 'value', 'said'),
    [
        ('max_hands', 9, "'max_hands' is 9, expected 1 to 8"),
        ('max_hands', 1.5, "'max_hands' is 1.5, expected a whole number"),
        ('max_hands', True, "'max_hands' is True, expected a whole number"),
        ('backend', 'magic', "'backend' is 'magic', expected one of auto, eager"),
        ('hand_size', float('nan'), "'hand_size' is nan"),
        ('hand_size', -0.1, "'hand_size' is -0.1, expected 0.04 to 0.15 or 0"),
        ('wieghts', 'open', "unknown parameter 'wieghts'"),
    ],
)
def test_wrong_values_are_refused_with_the_reason(name, value, said):
    with pytest.raises(ConfigError) as caught:
        check_value(NodeParameters, name, value)
    assert said in str(caught.value)


def test_values_that_do_not_go_together_are_refused_with_both_names():
    check_together(NodeParameters(enter_presence=0.5, stay_presence=0.5))
    with pytest.raises(ConfigError) as caught:
        check_together(NodeParameters(enter_presence=0.4, stay_presence=0.6))
    assert str(caught.value) == (
        "parameter 'stay_presence' is 0.6, expected at most 'enter_presence', which is 0.4"
    )
