"""Parameters as a node has them, without one."""

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')

from rclpy.parameter import Parameter

from handmesh_ros.node_parameters import NodeParameters
from handmesh_ros.ros_parameters import ParameterServer


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
    guards, described = [], {}
    node = SimpleNamespace(
        _parameter_overrides={},
        declare_parameter=lambda name, value, about, **_: described.update({name: about}),
        add_on_set_parameters_callback=guards.append,
    )
    server = ParameterServer(node, NodeParameters, *life)
    (guard,) = guards
    result = guard([Parameter('device', value='cpu')])
    assert (result.successful, result.reason) == (not said, said)
    assert server.settings.device == ('auto' if said else 'cpu')
    moment = 'configures' if life else 'starts'
    assert described['device'].additional_constraints == f'read when the node {moment}'


def test_values_that_cannot_be_found_are_not_passed_over():
    """Where rclpy keeps what users give is its own affair, and may change."""
    node = SimpleNamespace(declare_parameter=lambda *_, **__: None)
    with pytest.raises(AttributeError, match='_parameter_overrides'):
        ParameterServer(node, NodeParameters)
