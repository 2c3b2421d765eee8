from pathlib import Path

import pytest
import yaml

from handmesh_ros.camera_parameters import CameraParameters
from handmesh_ros.node_parameters import NodeParameters
from handmesh_ros.parameters import defaults, rows, settings_from

FILE = Path(__file__).parents[2] / 'config' / 'handmesh.yaml'


@pytest.fixture(scope='module')
def sections():
    return yaml.safe_load(FILE.read_text())


@pytest.mark.parametrize(
    ('node', 'table'),
    [('handmesh_node', NodeParameters), ('folder_camera', CameraParameters)],
)
def test_file_lists_every_parameter_with_its_default(sections, node, table):
    listed = sections[f'/**/{node}']['ros__parameters']
    assert listed == defaults(table)
    assert settings_from(table, listed) == table()


def test_comments_are_the_descriptions():
    text = FILE.read_text()
    for table in (NodeParameters, CameraParameters):
        for name, row in rows(table).items():
            assert row.description in text, name
