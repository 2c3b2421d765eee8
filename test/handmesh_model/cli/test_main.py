"""The dispatcher: help, unknown commands, errors as one line."""

import subprocess
import sys

import pytest

from handmesh_model.cli import main


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(['--help'])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for command in ('predict', 'train', 'import-handar', 'import-mano'):
        assert command in shown


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


def test_importing_the_package_imports_no_torch() -> None:
    code = 'import sys, handmesh_model, handmesh_model.cli; sys.exit("torch" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
