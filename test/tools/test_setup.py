"""tools/setup.sh where something is set up, with a Python that only notes what it is for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / 'tools' / 'setup.sh'
NOTING = """#!/bin/sh
echo "$@" >>"$NOTES"
case "$2" in
    *sys.executable*) echo "$0" ;;
    *%d.%d*) echo 3.11 ;;
esac
"""
CPU = 'https://download.pytorch.org/whl/cpu'


def noting(program: Path, version: str = '3.11') -> Path:
    """A program that notes what it is for, and says that it is this Python."""
    program.write_text(NOTING.replace('3.11', version))
    program.chmod(0o755)
    return program


class Checkout:
    """
    A checkout with an environment in ``.venv`` and PyTorch in that; the rest is to be set up.

    :param root: folder to make it in.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.notes = root, root.parent / 'notes'
        for folder in (
            'tools',
            'handmesh_model',
            'handmesh_ros',
            'launch',
            'config',
            'msg',
            'srv',
        ):
            (root / folder).mkdir(parents=True)
        files = ('Makefile', 'pyproject.toml', 'CMakeLists.txt', 'package.xml', 'msg/Hand.msg')
        for name in (*files, 'srv/Set.srv', 'tools/ros_from_wheels.py', 'tools/executable.py.in'):
            (root / name).touch()
        shutil.copy(SETUP, root / 'tools')
        (root / '.venv' / 'bin').mkdir(parents=True)
        for name in ('python', 'colcon'):
            noting(root / '.venv' / 'bin' / name)
        (root / '.venv' / 'pyvenv.cfg').write_text('home = /usr/bin\nversion = 3.11.2\n')
        (root / '.venv' / '.handmesh').mkdir()
        for name, content in (('mode', 'wheels'), ('root', str(root)), ('torch', '2.13.0')):
            (root / '.venv' / '.handmesh' / name).write_text(content)
        (root / 'install').mkdir()
        (root / 'install' / 'setup.sh').touch()

    def set_up(self, root: Path | None = None, **more: str) -> list[str]:
        """Run it; what was installed and built by that."""
        self.notes.write_text('')
        unwanted = ('ROS_DISTRO', 'TORCH_INDEX')
        environment = {name: v for name, v in os.environ.items() if name not in unwanted}
        subprocess.run(
            ['bash', (root or self.root) / 'tools' / 'setup.sh'],
            check=True,
            capture_output=True,
            text=True,
            env={**environment, 'NOTES': str(self.notes), **more},
        )
        return [line for line in self.notes.read_text().splitlines() if line[:2] != '-c']


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / 'checkout')


def test_what_is_set_up_is_left_alone(checkout: Checkout) -> None:
    done = checkout.set_up()
    assert [words for words in done if words.startswith('build')]
    assert not [words for words in done if 'torch==' in words]
    assert checkout.set_up() == []


def test_a_moved_or_copied_checkout_is_told(checkout: Checkout, tmp_path: Path) -> None:
    checkout.set_up()
    link, copy = tmp_path / 'link', tmp_path / 'copy'
    link.symlink_to(checkout.root)
    checkout.set_up(link)
    shutil.copytree(checkout.root, copy)
    moved = checkout.root.rename(tmp_path / 'moved')
    for place in (copy, moved):
        with pytest.raises(subprocess.CalledProcessError) as caught:
            checkout.set_up(place)
        assert f'was set up as {checkout.root}/.venv and only works there' in caught.value.stderr
        assert checkout.notes.read_text() == ''


def test_pytorch_comes_from_another_index_once_it_is_named(checkout: Checkout) -> None:
    checkout.set_up()
    first, second = checkout.set_up(TORCH_INDEX=CPU)
    assert f'--index-url {CPU} --no-deps --force-reinstall torch==2.13.0' in first
    assert second.endswith(f'--index-url {CPU} torch==2.13.0')
    assert checkout.set_up(TORCH_INDEX=CPU) == []
    assert checkout.set_up() == [], 'it stays where it was taken from'


def test_another_python_than_the_one_it_was_set_up_with_is_told(
    checkout: Checkout, tmp_path: Path
) -> None:
    checkout.set_up()
    same = noting(tmp_path / 'python3.11')
    assert checkout.set_up(PYTHON=str(same)) == []
    other = noting(tmp_path / 'python3.13', '3.13')
    python = checkout.root / '.venv' / 'bin' / 'python'
    expected = f'{checkout.root}/.venv was set up with Python 3.11, '
    with pytest.raises(subprocess.CalledProcessError) as caught:
        checkout.set_up(PYTHON=str(other))
    assert f"{expected}{other} is 3.13; 'make clean' removes" in caught.value.stderr
    # As after an upgrade of the system.
    noting(python, '3.13')
    with pytest.raises(subprocess.CalledProcessError) as caught:
        checkout.set_up()
    assert f"{expected}{python} is 3.13; 'make clean' removes" in caught.value.stderr


def test_what_a_python_that_is_gone_has_left_is_made_anew(
    checkout: Checkout, tmp_path: Path
) -> None:
    checkout.set_up()
    python = checkout.root / '.venv' / 'bin' / 'python'
    python.unlink()
    python.symlink_to(tmp_path / 'gone')
    done = checkout.set_up(PYTHON=str(noting(tmp_path / 'python3.13', '3.13')))
    assert f'-m venv --clear {checkout.root}/.venv' in done
    assert not (checkout.root / 'install').exists()
