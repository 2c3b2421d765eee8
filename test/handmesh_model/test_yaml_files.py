"""YAML files of users: read, bounded, and named where they are wrong."""

import time
import tracemalloc

import pytest

from handmesh_model.errors import ConfigError
from handmesh_model.yaml_files import MAX_CHARACTERS, read_yaml


def read(tmp_path, text):
    file = tmp_path / 'file.yaml'
    file.write_text(text)
    return read_yaml(file, 'things')


def nested(line, levels):
    """Each level holds the one below ten times."""
    rows = [line.format(i, ', '.join([f'*l{i - 1}'] * 10)) for i in range(1, levels)]
    return '\n'.join(['l0: &l0 {a: 1}', *rows])


def test_aliases_and_merge_keys_of_a_reasonable_file_are_understood(tmp_path):
    facts = read(tmp_path, 'red: &red {r: 1, g: 0}\nback: *red\nball: {<<: *red, g: 2}')
    assert facts == {'red': {'r': 1, 'g': 0}, 'back': {'r': 1, 'g': 0}, 'ball': {'r': 1, 'g': 2}}


@pytest.mark.parametrize('line', ['l{0}: &l{0} [{1}]', 'l{0}: &l{0} {{<<: [{1}]}}'])
def test_a_short_file_that_stands_for_a_huge_one_costs_nothing(tmp_path, line):
    text = nested(line, 9)
    assert len(text) < 1000
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(ConfigError, match=r"cannot read things '.*file\.yaml': more than 100000"):
        read(tmp_path, text)
    assert time.process_time() - start < 1
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_what_contains_itself_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='an alias stands within'):
        read(tmp_path, 'a: &a [*a]')


def test_a_large_file_is_refused_unread(tmp_path):
    with pytest.raises(ConfigError, match=f'more than {MAX_CHARACTERS} characters'):
        read(tmp_path, '#' * (MAX_CHARACTERS + 1))


@pytest.mark.parametrize('text', ['!!python/object/apply:os.system [echo]', ': [', '[' * 3000])
def test_what_is_no_plain_yaml_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match='cannot read things'):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ('value', 'tag'),
    [('maybe', 'bool'), ('', 'int'), ('x', 'timestamp'), ('', 'float'), ('a', 'int')],
)
def test_a_value_that_its_tag_does_not_fit_is_named(tmp_path, value, tag):
    with pytest.raises(ConfigError, match=rf"cannot read things '.*': '{value}' is no !!{tag}"):
        read(tmp_path, f'a: [!!{tag} "{value}"]')


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r'none\.yaml'):
        read_yaml(tmp_path / 'none.yaml', 'things')
