"""Keeps every test's nodes on this machine and in a domain of their own, one a test process."""

import os

import pytest

from handmesh_ros.isolation import isolated_environment

os.environ.update(isolated_environment())
os.environ.pop('ROS_LOCALHOST_ONLY', None)


@pytest.fixture(scope='session', autouse=True)
def _compiled_networks_in_scratch(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What an earlier state of the code has compiled is no test of this one."""
    os.environ['HANDMESH_CACHE'] = str(tmp_path_factory.mktemp('compiled'))


@pytest.fixture(scope='session', autouse=True)
def _ros_logs_in_scratch(tmp_path_factory: pytest.TempPathFactory) -> None:
    """ROS writes a log file for each process that starts a node; the home is no place for them."""
    os.environ['ROS_LOG_DIR'] = str(tmp_path_factory.mktemp('ros_logs'))
