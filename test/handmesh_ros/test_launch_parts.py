"""What the launch files share, against stand-ins of launch."""

import subprocess
import sys

import pytest
from test_launch_files import ROOT, declared, load, start
from test_launch_files import stand_ins as stand_ins  # a fixture

from handmesh_ros import launch_parts
from handmesh_ros.launch_parts import Argument

SHARED = {part.name: part for part in vars(launch_parts).values() if isinstance(part, Argument)}
FILES = sorted(path.name for path in (ROOT / 'launch').glob('*.launch.py'))


def test_it_takes_python_alone():
    program = """
import sys
before = set(sys.modules)
import handmesh_ros.launch_parts
new = {name.partition('.')[0] for name in set(sys.modules) - before}
print(sorted(new - sys.stdlib_module_names))
"""
    run = subprocess.run(
        [sys.executable, '-c', program], cwd=ROOT, text=True, capture_output=True, check=True
    )
    assert run.stdout.strip() == "['handmesh_ros']"


@pytest.mark.parametrize('name', FILES)
def test_a_shared_argument_is_the_same_in_every_file(stand_ins, name):
    load(name).generate_launch_description()
    arguments = declared(stand_ins)
    assert 'log_level' in arguments
    for shared in SHARED.keys() & arguments.keys():
        _, default, description, choices = SHARED[shared]
        assert arguments[shared] == {
            'default_value': default,
            'description': description,
            'choices': choices,
        }


@pytest.mark.parametrize('name', FILES)
def test_own_nodes_are_in_the_namespace_with_the_log_level(stand_ins, name):
    stand_ins['launch.substitutions'].LaunchConfiguration.side_effect = lambda name: name
    nodes = start(stand_ins, name, namespace='namespace', log_level='log_level').values()
    own = [node for node in nodes if node['package'] == 'handmesh_ros']
    assert own
    for node in own:
        assert node['name'] == node['executable']
        assert node['namespace'] == 'namespace'
        assert node['ros_arguments'] == ['--log-level', 'log_level']
        assert node['output'] == 'screen'


def test_values_stand_for_the_arguments_until_they_are_known(stand_ins):
    stand_ins['launch.substitutions'].LaunchConfiguration.side_effect = lambda name: f'<{name}>'
    assert launch_parts.values([launch_parts.LOG_LEVEL]) == {'log_level': '<log_level>'}
