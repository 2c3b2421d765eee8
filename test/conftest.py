"""
Keeps every test's nodes on this machine and in a domain of their own, one a test process, and says
how a test process ended that ended too early.
"""

import os
from typing import Any

import pytest

from handmesh_ros.isolation import isolated_environment

os.environ.update(isolated_environment())
os.environ.pop('ROS_LOCALHOST_ONLY', None)
# Say how the user likes the logs of ROS; tests read them on stderr, in the form of old.
for name in [name for name in os.environ if name.startswith('RCUTILS_')]:
    del os.environ[name]


@pytest.fixture(scope='session', autouse=True)
def _compiled_networks_in_scratch(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What an earlier state of the code has compiled is no test of this one."""
    os.environ['HANDMESH_CACHE'] = str(tmp_path_factory.mktemp('compiled'))


@pytest.fixture(scope='session', autouse=True)
def _ros_logs_in_scratch(tmp_path_factory: pytest.TempPathFactory) -> None:
    """ROS writes a log file for each process that starts a node; the home is no place for them."""
    os.environ['ROS_LOG_DIR'] = str(tmp_path_factory.mktemp('ros_logs'))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Name what a worker of pytest-xdist died of, which xdist does not."""
    if error is None:
        return
    status = node.gateway._io.popen.wait(timeout=30)
    node.config.get_terminal_writer().line(
        f'{node.gateway.id} ended with status {status} (a signal where negative)'
    )
