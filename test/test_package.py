"""What the files around the code say, held to what the code is."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
ROS_MODULES = re.compile(
    r'(rclpy|rcl_interfaces|cv_bridge|launch(_\w+)?|ament_\w+|sensor_msgs_py|tf2_\w+|rosidl_\w+'
    r'|message_filters|\w+_(msgs|srvs)|builtin_interfaces)'
)
# Used where they are and done without where not, so that a full ROS need not have them; MediaPipe
# by a script for an interpreter of its own.
PIP_STAND_INS = {'rosbags', 'mediapipe'}
DISTRIBUTIONS = {'cv2': 'opencv-python-headless', 'yaml': 'pyyaml'}


def imported_modules(*folders: str) -> dict[str, set[str]]:
    """Full names of absolute imports -> files that import them, whatever the place in the file."""
    found: dict[str, set[str]] = {}
    for folder in folders:
        for path in (ROOT / folder).rglob('*.py'):
            for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                    names = [node.module]
                for name in names:
                    found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return found


def third_party(*folders: str) -> dict[str, set[str]]:
    """The same for top-level modules that are neither Python's nor the project's own."""
    found: dict[str, set[str]] = {}
    for name, files in imported_modules(*folders).items():
        top = name.partition('.')[0]
        if top not in sys.stdlib_module_names and top not in {'handmesh_model', 'handmesh_ros'}:
            found.setdefault(top, set()).update(files)
    return found


def manifest() -> ElementTree.Element:
    return ElementTree.parse(ROOT / 'package.xml').getroot()


def pyproject_text() -> str:
    # Read as text: tomllib is missing from Python 3.10.
    return (ROOT / 'pyproject.toml').read_text(encoding='utf-8')


def declared_distributions() -> set[str]:
    """Names, in one spelling, of everything that pyproject.toml asks for in any extra."""
    names = re.findall(r"'([A-Za-z][\w.-]*)(?:\[[\w,]+\])?[<>=~!][^']*'", pyproject_text())
    return {re.sub(r'[-_.]+', '-', name).lower() for name in names}


def test_manifest_is_valid() -> None:
    catkin_package = pytest.importorskip('catkin_pkg.package')
    package = catkin_package.parse_package(str(ROOT / 'package.xml'))
    package.validate()
    assert package.name == 'handmesh_ros'
    assert package.get_build_type() == 'ament_cmake'


def test_manifest_declares_every_ros_package_in_use() -> None:
    tags = {'depend', 'build_depend', 'exec_depend', 'buildtool_depend'}
    declared = {element.text for element in manifest() if element.tag in tags}
    used = {
        name: files
        for name, files in third_party('handmesh_ros', 'launch').items()
        if ROS_MODULES.fullmatch(name)
    }
    assert 'rclpy' in used
    missing = {name: files for name, files in used.items() if name not in declared}
    assert missing == {}


def test_manifest_declares_every_package_that_only_tests_need() -> None:
    """Or colcon's tests lack it, where rosdep and the README have installed all."""
    own = {path.stem for path in (ROOT / 'test').rglob('*.py')} | {'tools'}
    known = set(third_party('handmesh_model', 'handmesh_ros', 'launch')) | own
    declared = {element.text for element in manifest() if element.tag.endswith('depend')}
    needed = {
        name if ROS_MODULES.fullmatch(name) else f'python3-{name}': files
        for name, files in third_party('test').items()
        if name not in known
    }
    assert {'python3-hypothesis', 'python3-pytest', 'rosgraph_msgs'} <= set(needed)
    missing = {name: files for name, files in needed.items() if name not in declared}
    assert missing == {}


def test_pyproject_declares_every_python_package_in_use() -> None:
    declared = declared_distributions()
    missing = {}
    for name, files in third_party('handmesh_model', 'handmesh_ros').items():
        distribution = re.sub(r'[-_.]+', '-', DISTRIBUTIONS.get(name, name)).lower()
        known = distribution in declared or name in PIP_STAND_INS or ROS_MODULES.fullmatch(name)
        if not known:
            missing[name] = files
    assert missing == {}


def test_versions_agree() -> None:
    version = manifest().findtext('version')
    assert f"\nversion = '{version}'\n" in pyproject_text()
    changelog = (ROOT / 'CHANGELOG.rst').read_text(encoding='utf-8')
    assert re.search(rf'^{re.escape(str(version))} \(', changelog, re.MULTILINE)


def test_every_message_is_built() -> None:
    cmake = (ROOT / 'CMakeLists.txt').read_text(encoding='utf-8')
    built = re.findall(r'^\s+(msg/\w+\.msg)$', cmake, re.MULTILINE)
    assert sorted(built) == sorted(f'msg/{path.name}' for path in (ROOT / 'msg').iterdir())


def test_every_executable_has_a_main() -> None:
    cmake = (ROOT / 'CMakeLists.txt').read_text(encoding='utf-8')
    names = re.search(r'^foreach\(name (.*)\)$', cmake, re.MULTILINE)
    assert names
    for name in names[1].split():
        source = (ROOT / 'handmesh_ros' / f'{name}.py').read_text(encoding='utf-8')
        functions = {n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)}
        assert 'main' in functions, f'{name}.py has no main()'


def test_model_depends_on_nothing_of_ros() -> None:
    wrong = {
        name: files
        for name, files in imported_modules('handmesh_model').items()
        if name.startswith('handmesh_ros') or ROS_MODULES.fullmatch(name.partition('.')[0])
    }
    assert wrong == {}


def run_without(pattern: str, program: str) -> subprocess.CompletedProcess[str]:
    """
    Run a program that cannot import some modules, in a fresh process: this one may have done so.

    :param pattern: of the modules' names.
    """
    block = f"""
import re, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if re.fullmatch(r'({pattern})(\\..*)?', name):
            raise ModuleNotFoundError(name + ' is blocked', name=name)

sys.meta_path.insert(0, Blocked())
"""
    command = [sys.executable, '-c', block + program]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)


def run_without_ros(program: str, *names: str) -> subprocess.CompletedProcess[str]:
    """
    Run a program that cannot import ROS.

    :param names: of more modules that it cannot import.
    """
    check = """
try:
    import rclpy
except ImportError:
    pass
else:
    sys.exit('the block does not hold')
"""
    return run_without('|'.join([ROS_MODULES.pattern, *map(re.escape, names)]), check + program)


def test_model_imports_with_ros_blocked() -> None:
    program = """
from handmesh_model import HandMeshPredictor
assert not any(name.startswith('rclpy') for name in sys.modules)
print(HandMeshPredictor.__name__)
"""
    run = run_without_ros(program, 'handmesh_ros')
    assert (run.returncode, run.stdout.strip()) == (0, 'HandMeshPredictor'), run.stderr


def test_tests_are_found_with_ros_blocked() -> None:
    """What needs ROS says so itself, or is named in the conftest.py beside it."""
    program = """
import pytest
words = ['--collect-only', '-q', '-p', 'no:cacheprovider', 'test/handmesh_ros']
sys.exit(pytest.main(words))
"""
    run = run_without_ros(program, 'handmesh_ros.msg', 'handmesh_ros.srv')
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr
    assert 'test_processes.py::' in run.stdout
    assert 'test_node.py::' not in run.stdout


def test_what_needs_hypothesis_is_skipped_by_name_without_it() -> None:
    pytest.importorskip('rclpy')
    pytest.importorskip('handmesh_ros.msg')
    program = """
import pytest
words = ['-q', '-rs', '-p', 'no:cacheprovider', '-p', 'no:hypothesispytest']
sys.exit(pytest.main([*words, 'test/handmesh_ros/test_fuzz.py']))
"""
    run = run_without('hypothesis', program)
    assert run.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, run.stdout[-4000:] + run.stderr
    assert "could not import 'hypothesis'" in run.stdout


def test_tests_that_are_named_as_those_of_ros_are_there() -> None:
    folder = ROOT / 'test' / 'handmesh_ros'
    tree = ast.parse((folder / 'conftest.py').read_text(encoding='utf-8'))
    (names,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'NEEDS_ROS'
    ]
    assert [name for name in names if not (folder / f'{name}.py').is_file()] == []
    assert len(set(names)) == len(names)
