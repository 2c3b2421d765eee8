import sysconfig
from pathlib import Path

import numpy as np

from tools.ros_from_wheels import localize_cmake, write_tf2_msgs

FOREIGN = '/opt/python/cp311-cp311'


def test_foreign_include_folders_become_local_ones(tmp_path: Path) -> None:
    share = tmp_path / 'share' / 'a_msgs' / 'cmake'
    share.mkdir(parents=True)
    exported = share / 'export_a_msgs.cmake'
    other = share / 'other.cmake'
    other.write_text('set(x /opt/python_tools/include)')
    for numpy_core in ('_core', 'core'):
        exported.write_text(
            'INTERFACE_INCLUDE_DIRECTORIES "${_IMPORT_PREFIX}/include;'
            f'{FOREIGN}/include/python3.11;'
            f'{FOREIGN}/lib/python3.11/site-packages/numpy/{numpy_core}/include"'
        )
        assert localize_cmake(tmp_path) == 1
        assert exported.read_text() == (
            'INTERFACE_INCLUDE_DIRECTORIES "${_IMPORT_PREFIX}/include;'
            f'{sysconfig.get_path("include")};{np.get_include()}"'
        )
    assert localize_cmake(tmp_path) == 0
    assert other.read_text() == 'set(x /opt/python_tools/include)'


def test_tf2_msgs_sources_name_one_message(tmp_path: Path) -> None:
    write_tf2_msgs(tmp_path / 'tf2_msgs')
    message = tmp_path / 'tf2_msgs' / 'msg' / 'TFMessage.msg'
    assert message.read_text() == 'geometry_msgs/TransformStamped[] transforms\n'
    assert 'msg/TFMessage.msg' in (tmp_path / 'tf2_msgs' / 'CMakeLists.txt').read_text()
