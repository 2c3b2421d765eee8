"""YAML that users write, read within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from handmesh_model.errors import ConfigError

MAX_CHARACTERS = 1 << 20
_MAX_NODES = 100_000
_UNFIT = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What PyYAML raises where a value is none of those that its tag stands for."""


def read_yaml(path: Path, what: str) -> Any:
    """
    What a YAML file holds, see :func:`parse_yaml`.

    :param what: what the file is for, named in errors.
    :raises ConfigError: if it cannot be read, is too large or is no YAML.
    """
    try:
        with path.open(encoding='utf-8') as file:
            text = file.read(MAX_CHARACTERS + 1)
        facts = parse_yaml(text) if len(text) <= MAX_CHARACTERS else None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read {what} '{path}': {error}") from error
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"{what} '{path}' has more than {MAX_CHARACTERS} characters")
    return facts


def parse_yaml(text: str) -> Any:
    """
    What YAML says; tags that would make objects are refused.

    Some lines of aliases or merge keys can stand for more than fits into memory: what a text would
    hold with all of them written out is bounded, too.

    :raises YAMLError: if it is none.
    """
    try:
        # A subclass of the safe loader.
        return yaml.load(text, _Loader)
    except RecursionError as error:
        raise yaml.YAMLError('values lie too deep within each other') from error


class _Loader(yaml.SafeLoader):
    """Looks how much there is before anything is made of it."""

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None and _size(node, {}) > _MAX_NODES:
            raise yaml.YAMLError(
                f'more than {_MAX_NODES} values, with aliases and merge keys written out'
            )
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except _UNFIT as error:
            kind = node.tag.replace('tag:yaml.org,2002:', '!!')
            problem = f'{node.value!r:.80} is no {kind}'
            raise yaml.constructor.ConstructorError(
                None, None, problem, node.start_mark
            ) from error


def _size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """
    How many nodes there are below one, itself included, had each alias a copy of its own.

    :param sizes: by the id of nodes that are known.
    :raises YAMLError: if a node is below itself.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1
    size = sizes.get(id(node))
    if size == 0:
        raise yaml.YAMLError('an alias stands within what it stands for')
    if size is None:
        sizes[id(node)] = 0
        pairs = isinstance(node, yaml.MappingNode)
        parts = [part for pair in node.value for part in pair] if pairs else node.value
        size = sizes[id(node)] = 1 + sum(_size(part, sizes) for part in parts)
    return size
