import os
import re
import subprocess
import sys
from pathlib import Path

from handmesh_ros.isolation import (
    HIGHEST_DOMAIN,
    USERS_DOMAIN,
    isolated_environment,
    own_domain,
)

ROOT = Path(__file__).parents[2]


def test_keeps_to_this_machine_in_a_usable_domain() -> None:
    base = {'PATH': '/bin', 'ROS_DOMAIN_ID': '0', 'ROS_STATIC_PEERS': '10.0.0.1'}
    isolated = isolated_environment(base | {'ROS_LOCALHOST_ONLY': '1'})
    assert isolated['PATH'] == '/bin'
    assert isolated['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert isolated['ROS_STATIC_PEERS'] == ''
    assert 'ROS_LOCALHOST_ONLY' not in isolated
    assert 1 <= int(isolated['ROS_DOMAIN_ID']) <= HIGHEST_DOMAIN
    assert base['ROS_DOMAIN_ID'] == '0'


def test_a_domain_is_given_to_one_process_at_a_time() -> None:
    # Alike in the number that the choice begins with; one after the other, the first has ended.
    program = f"""
import os
os.getpid = lambda: {os.getpid()}
from handmesh_ros.isolation import own_domain
print(own_domain(), own_domain())
"""
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, '-c', program], cwd=ROOT, text=True, capture_output=True, check=True
        )
        first, again = map(int, run.stdout.split())
        assert first == again != own_domain()


def test_nobody_is_given_the_domain_of_the_users() -> None:
    numbers = re.findall(r'ROS_DOMAIN_ID:-(\d+)', (ROOT / 'env.sh').read_text(encoding='utf-8'))
    assert numbers == [str(USERS_DOMAIN)]
    program = f"""
import os
from handmesh_ros import isolation
isolation.socket.socket.bind = lambda self, name: None
given = set()
for number in range({HIGHEST_DOMAIN}):
    os.getpid = lambda: number
    isolation.own_domain.cache_clear()
    given.add(isolation.own_domain())
assert given == set(range(1, {HIGHEST_DOMAIN} + 1)) - {{{USERS_DOMAIN}}}, given
"""
    subprocess.run([sys.executable, '-c', program], cwd=ROOT, check=True)


def test_all_tests_run_isolated() -> None:
    assert isolated_environment()['ROS_DOMAIN_ID'] == os.environ['ROS_DOMAIN_ID']
    assert os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
