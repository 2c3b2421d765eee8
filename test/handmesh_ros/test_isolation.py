import os

from handmesh_ros.isolation import HIGHEST_DOMAIN, isolated_environment


def test_keeps_to_this_machine_in_a_usable_domain() -> None:
    base = {'PATH': '/bin', 'ROS_DOMAIN_ID': '0', 'ROS_STATIC_PEERS': '10.0.0.1'}
    isolated = isolated_environment(base | {'ROS_LOCALHOST_ONLY': '1'})
    assert isolated['PATH'] == '/bin'
    assert isolated['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert isolated['ROS_STATIC_PEERS'] == ''
    assert 'ROS_LOCALHOST_ONLY' not in isolated
    assert 1 <= int(isolated['ROS_DOMAIN_ID']) <= HIGHEST_DOMAIN
    assert base['ROS_DOMAIN_ID'] == '0'


def test_all_tests_run_isolated() -> None:
    assert isolated_environment()['ROS_DOMAIN_ID'] == os.environ['ROS_DOMAIN_ID']
    assert os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
