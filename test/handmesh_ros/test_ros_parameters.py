"""Parameters as a node has them, without one."""

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')

from rclpy.parameter import Parameter

from handmesh_model.errors import ConfigError
from handmesh_ros.node_parameters import NodeParameters
from handmesh_ros.ros_parameters import ParameterServer


def served(life=(), **overrides):
    """A server, what it guards changes with, and how it describes each parameter."""
    guards, described = [], {}
    node = SimpleNamespace(
        _parameter_overrides={n: Parameter(n, value=v) for n, v in overrides.items()},
        declare_parameter=lambda name, value, about, **_: described.update({name: about}),
        add_on_set_parameters_callback=guards.append,
    )
    server = ParameterServer(node, NodeParameters, *life)
    (guard,) = guards
    return server, guard, described


@pytest.mark.parametrize(
    ('life', 'said'),
    [
        ([], "parameter 'device' is read when the node starts; start it anew to change it"),
        (
            [lambda: True],
            "parameter 'device' is read when the node configures; "
            'clean the node up before changing it',
        ),
        ([lambda: False], ''),
    ],
)
def test_what_is_read_once_is_refused_with_what_helps(life, said):
    server, guard, described = served(life)
    result = guard([Parameter('device', value='cpu')])
    assert (result.successful, result.reason) == (not said, said)
    assert server.settings.device == ('auto' if said else 'cpu')
    moment = 'configures' if life else 'starts'
    assert described['device'].additional_constraints == f'read when the node {moment}'


@pytest.mark.parametrize('life', [[], [lambda: True]])
def test_what_is_read_once_can_be_set_to_what_it_is(life):
    """As a file that `ros2 param dump` wrote does."""
    server, guard, _ = served(life, device='cpu', max_hands=1)
    # YAML makes a whole number of it.
    same = [Parameter('device', value='cpu'), Parameter('diagnostics_period', value=1)]
    assert guard([*same, Parameter('max_hands', value=1)]).successful
    result = guard([*same, Parameter('max_hands', value=2)])
    assert not result.successful
    assert result.reason.startswith("parameter 'max_hands' is read when the node")
    assert guard([*same, Parameter('lazy', value=False)]).successful
    settings = server.settings
    assert (settings.device, settings.max_hands, settings.lazy) == ('cpu', 1, False)


def test_values_that_do_not_go_together_are_refused_until_they_do():
    said = "parameter 'stay_presence' is 0.6, expected at most 'enter_presence', which is 0.5"
    server, guard, described = served(stay_presence=0.6)
    assert described['stay_presence'].additional_constraints == 'at most enter_presence'
    with pytest.raises(ConfigError) as caught:
        server.check()
    assert str(caught.value) == said
    # What has nothing to do with it can be set meanwhile.
    assert guard([Parameter('hold_time', value=0.5)]).successful
    assert not guard([Parameter('enter_presence', value=0.55)]).successful
    assert guard([Parameter('stay_presence', value=0.4)]).successful
    assert server.check().stay_presence == 0.4

    result = guard([Parameter('stay_presence', value=0.6), Parameter('lazy', value=False)])
    assert (result.successful, result.reason) == (False, said)
    assert not guard([Parameter('enter_presence', value=0.3)]).successful
    settings = server.check()
    assert (settings.stay_presence, settings.enter_presence, settings.lazy) == (0.4, 0.5, True)
    both = [Parameter('stay_presence', value=0.6), Parameter('enter_presence', value=0.7)]
    assert guard(both).successful
    assert server.check().enter_presence == 0.7


def test_values_that_cannot_be_found_are_not_passed_over():
    """Where rclpy keeps what users give is its own affair, and may change."""
    node = SimpleNamespace(declare_parameter=lambda *_, **__: None)
    with pytest.raises(AttributeError, match='_parameter_overrides'):
        ParameterServer(node, NodeParameters)
