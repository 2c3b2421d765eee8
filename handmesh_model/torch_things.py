"""Records of what a pickle of ``torch.save`` makes, with how much is in each."""

from __future__ import annotations

import pickle
import reprlib
from dataclasses import dataclass, field
from typing import Any

MOST_THINGS = 1_000_000
"""In one thing, with all that is in the things in it, as often as they are."""
DEEPEST = 100
"""Things in each other. Of a run's state, those are some ten."""
MOST_SIDES = 64
"""Of a tensor, as torch has it."""
_KEY_LIMIT = 2**63
"""Larger numbers can be chosen so that a dict of them takes for ever."""
_ORDERED = 'collections.OrderedDict'


@dataclass(eq=False, slots=True)
class Thing:
    """
    Stands for something that torch would make.

    :param kind: 'dict', 'list', 'tuple', 'number', 'text', 'name', 'storage', 'tensor' or 'value'.
    :param value: of a number, a text or a name; how many numbers a storage holds.
    :param items: of a list or tuple.
    :param item_bytes: of each number of a storage.
    :param tensor_bytes: of all tensors in it, as often as it holds them.
    :param size: it and all that it holds, as often as it holds that.
    :param depth: of things in each other.
    :param is_held: whether something holds it. It grows no more then, else sizes would be wrong;
        picklers finish things first, but for those that hold themselves.
    """

    kind: str
    value: Any = None
    items: list[Thing] = field(default_factory=list)
    item_bytes: int = 0
    tensor_bytes: int = 0
    size: int = 1
    depth: int = 0
    is_held: bool = False


def tuple_of(items: list[Thing]) -> Thing:
    """A tuple. The errors are those of :func:`grow`."""
    made = Thing('tuple', items=items)
    _hold(made, items)
    return made


def dict_of(name: str, arguments: Thing) -> Thing:
    """
    An ordered dict or a counter: empty, with the items of a dict, or with the pairs of a list.

    :param name: of the class.
    :param arguments: a tuple.
    :raises pickle.UnpicklingError: if it is made of something else.
    """
    sources = arguments.items
    if len(sources) == 1 and sources[0].kind == 'list' and name == _ORDERED:
        # By Python 2.
        for pair in sources[0].items:
            if pair.kind != 'list' or len(pair.items) != 2:
                raise pickle.UnpicklingError(f'a {pair.kind}, expected a list of key and value')
            _check_key(pair.items[0])
    elif [source.kind for source in sources] not in ([], ['dict']):
        raise pickle.UnpicklingError(f'{name} of a {sources[0].kind}, expected of a dict')
    return Thing(
        'dict',
        tensor_bytes=arguments.tensor_bytes,
        size=arguments.size,
        depth=arguments.depth,
    )


def extend(container: Thing, items: list[Thing]) -> None:
    """Put items at the end of a list. The errors are those of :func:`grow`."""
    grow(container, items, 'list')
    container.items.extend(items)


def update(container: Thing, items: list[Thing]) -> None:
    """
    Put items into a dict.

    :param items: keys and values in turns.
    :raises pickle.UnpicklingError: see :func:`grow`; or if a key is no text or small number.
    """
    if len(items) % 2:
        raise pickle.UnpicklingError('a key without a value')
    for key in items[::2]:
        _check_key(key)
    grow(container, items, 'dict')


def grow(container: Thing, items: list[Thing], kind: str) -> None:
    """
    Let something hold more.

    :param kind: that it is meant to be of.
    :raises pickle.UnpicklingError: if it is of another one, is held by something itself, or then
        holds too much.
    """
    _hold(container, items)
    if container.kind != kind or container.is_held:
        raise pickle.UnpicklingError(
            f'it adds to a {container.kind}, expected a {kind} that nothing holds yet'
        )


def counts(thing: Thing) -> list[int]:
    """
    The numbers of a shape, or of strides.

    :raises pickle.UnpicklingError: if it is no tuple of a few numbers, 0 or more.
    """
    numbers = [item.value for item in thing.items if item.kind == 'number']
    is_tuple = thing.kind == 'tuple' and len(numbers) == len(thing.items) <= MOST_SIDES
    if not is_tuple or min(numbers, default=0) < 0:
        raise pickle.UnpicklingError(f'a shape or strides of {reprlib.repr(numbers)}')
    return numbers


def _check_key(key: Thing) -> None:
    # Others, as tuples, can be chosen so that finding their hashes, or telling those apart that
    # have the same one, takes for ever.
    is_number = key.kind == 'number' and abs(key.value) < _KEY_LIMIT
    if key.kind != 'text' and not is_number:
        raise pickle.UnpicklingError(
            f'a {key.kind} as the key of a dict, expected text or a number of 64 bits'
        )


def _hold(container: Thing, items: list[Thing]) -> None:
    for item in items:
        item.is_held = True
        container.size += item.size
        container.tensor_bytes += item.tensor_bytes
        container.depth = max(container.depth, item.depth + 1)
    if container.size > MOST_THINGS:
        raise pickle.UnpicklingError(f'a {container.kind} of more than {MOST_THINGS} things')
    if container.depth > DEEPEST:
        raise pickle.UnpicklingError(f'more than {DEEPEST} things in each other')
