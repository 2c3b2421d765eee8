"""
Completes a ROS 2 made of wheels in the virtual environment that runs this script.

Two things are missing after ``pip install '.[ros-wheels]'`` before messages can be built:

- the CMake files of the wheels name the include folders of the machine the wheels were made on;
- tf2_msgs, whose one message is all that a broadcaster of frames needs, is not among the wheels.

Run it again at any time: what is done is left alone.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import numpy as np

FOREIGN_NUMPY = re.compile(r'/opt/python/[^;"\s]*/site-packages/numpy/(?:_core|core)/include')
FOREIGN_PYTHON = re.compile(r'/opt/python/[^;"\s/]*/include/python3\.\d+')

TF_MESSAGE = 'geometry_msgs/TransformStamped[] transforms\n'
TF2_CMAKE = """\
cmake_minimum_required(VERSION 3.20)
project(tf2_msgs)
find_package(ament_cmake REQUIRED)
find_package(geometry_msgs REQUIRED)
find_package(rosidl_default_generators REQUIRED)
rosidl_generate_interfaces(tf2_msgs msg/TFMessage.msg DEPENDENCIES geometry_msgs)
ament_export_dependencies(rosidl_default_runtime)
ament_package()
"""
TF2_PACKAGE = """\
<?xml version="1.0"?>
<package format="3">
  <name>tf2_msgs</name>
  <version>0.0.1</version>
  <description>Stands in for tf2_msgs where ROS is made of wheels: TFMessage alone.</description>
  <maintainer email="maintainers@handmesh-ros.invalid">handmesh_ros maintainers</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>geometry_msgs</depend>
  <exec_depend>rosidl_default_runtime</exec_depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""


def localize_cmake(prefix: Path) -> int:
    """
    Point the wheels' CMake files to the include folders of this Python and this numpy.

    :param prefix: the virtual environment.
    :returns: how many files changed.
    """
    python_include = sysconfig.get_path('include')
    numpy_include = np.get_include()
    changed = 0
    for path in sorted((prefix / 'share').rglob('*.cmake')):
        text = path.read_text(encoding='utf-8')
        local = FOREIGN_NUMPY.sub(lambda _: numpy_include, text)
        local = FOREIGN_PYTHON.sub(lambda _: python_include, local)
        if local != text:
            path.write_text(local, encoding='utf-8')
            changed += 1
    return changed


def write_tf2_msgs(folder: Path) -> None:
    """
    Write the sources of the tf2_msgs stand-in.

    :param folder: where to; is created.
    """
    (folder / 'msg').mkdir(parents=True)
    (folder / 'msg' / 'TFMessage.msg').write_text(TF_MESSAGE, encoding='utf-8')
    (folder / 'CMakeLists.txt').write_text(TF2_CMAKE, encoding='utf-8')
    (folder / 'package.xml').write_text(TF2_PACKAGE, encoding='utf-8')


def build_tf2_msgs(prefix: Path) -> bool:
    """
    Build the tf2_msgs stand-in into the virtual environment, unless a tf2_msgs is there.

    :param prefix: the virtual environment, with the ROS wheels in it.
    :returns: whether it was built.
    :raises subprocess.CalledProcessError: if CMake or the compiler fails; their output is shown.
    """
    if (prefix / 'share' / 'tf2_msgs' / 'package.xml').exists():
        return False
    environment = os.environ | {
        'AMENT_PREFIX_PATH': str(prefix),
        'CMAKE_PREFIX_PATH': str(prefix),
        'PATH': f'{prefix / "bin"}{os.pathsep}{os.environ["PATH"]}',
        'VIRTUAL_ENV': str(prefix),
    }
    with tempfile.TemporaryDirectory() as scratch:
        source, build = Path(scratch, 'source'), Path(scratch, 'build')
        write_tf2_msgs(source)
        configure = [
            *('cmake', '-S', str(source), '-B', str(build), '-Wno-dev'),
            f'-DCMAKE_INSTALL_PREFIX={prefix}',
            f'-DPython3_EXECUTABLE={sys.executable}',
        ]
        install = ['cmake', '--build', str(build), '--target', 'install', '--parallel']
        for command in (configure, install):
            run = subprocess.run(command, env=environment, text=True, capture_output=True)
            if run.returncode:
                print(run.stdout, run.stderr, sep='\n', file=sys.stderr)
                run.check_returncode()
    return True


def main() -> int:
    """Complete the virtual environment of the running Python."""
    argparse.ArgumentParser(description=__doc__.split('\n\n')[0]).parse_args()
    prefix = Path(sys.prefix)
    if sys.prefix == sys.base_prefix:
        print(f'{prefix} is no virtual environment; run this with its Python', file=sys.stderr)
        return 2
    print(f'{localize_cmake(prefix)} CMake files made to fit this machine')
    print('tf2_msgs built' if build_tf2_msgs(prefix) else 'tf2_msgs is there')
    return 0


if __name__ == '__main__':
    sys.exit(main())
