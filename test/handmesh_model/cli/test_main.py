"""The dispatcher: help, unknown commands, errors as one line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from handmesh_model.cli import COMMANDS, EXTRAS, USER_ERROR, import_mano, main

PYPROJECT = Path(__file__).parents[3] / 'pyproject.toml'


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(['--help'])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    words = ' '.join(shown.split())
    for command, purpose in COMMANDS.items():
        assert f' {command} {purpose}' in words


@pytest.mark.parametrize('command', COMMANDS)
def test_each_command_has_its_arguments(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, '--help'])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f'usage: handmesh {command} [-h] ')


@pytest.mark.parametrize('arguments', [[], ['fly'], ['predict']])
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert 'usage' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('more', 'text'),
    [
        (['--weights', '/no/weights'], '/no/weights'),
        (['--intrinsics', '0', '0', '0', '0'], 'focal'),
    ],
)
def test_user_errors_are_one_line_and_2(
    more: list[str],
    text: str,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path_factory.mktemp('out')
    assert main(['predict', 'x.png', '--out', str(out), *more]) == 2
    message = capsys.readouterr().err
    assert message.startswith('handmesh predict: ')
    assert text in message
    assert message.count('\n') == 1


def run_without(name: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command that imports a module which is not there."""

    def run(arguments: object) -> int:
        raise ModuleNotFoundError(f'No module named {name!r}', name=name)

    monkeypatch.setattr(import_mano, 'run', run)
    return main(['import-mano', 'x.pkl', '--out', 'x.npz'])


@pytest.mark.parametrize(
    ('name', 'told'),
    [
        ('matplotlib.backends', "the package matplotlib: pip install '.[train]'"),
        ('fast_simplification', "fast-simplification: pip install '.[template]'"),
    ],
)
def test_a_missing_extra_is_a_line_and_2(
    name: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_without(name, monkeypatch) == USER_ERROR
    message = capsys.readouterr().err
    assert message.startswith('handmesh import-mano needs the package ')
    assert told in message
    assert message.count('\n') == 1


@pytest.mark.parametrize('name', ['handmesh_model.nothing', 'strange', None])
def test_any_other_missing_module_is_a_bug(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModuleNotFoundError):
        run_without(name, monkeypatch)


@pytest.mark.parametrize('extra', EXTRAS)
def test_extras_hold_what_is_said_of_them(extra: str) -> None:
    # Read as text: tomllib is missing from Python 3.10.
    asked = re.search(rf'^{extra} = \[(.*?)\]$', PYPROJECT.read_text(), re.MULTILINE | re.DOTALL)
    assert asked
    declared = {name.replace('-', '_') for name in re.findall(r"'([\w-]+)[<>=]", asked[1])}
    assert set(EXTRAS[extra]) <= declared


def test_importing_the_package_imports_no_torch() -> None:
    code = 'import sys, handmesh_model, handmesh_model.cli; sys.exit("torch" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
