"""What of a value goes into a message."""

from handmesh_model.brief import brief


def test_small_values_are_as_they_are_and_large_ones_short():
    for value in ('box', 0.5, 10**9, [1, 2.5, 'x'], {'size': [1, 2]}, None):
        assert brief(value) == repr(value)
    assert len(brief('a' * 1000)) < 50
    value = ['x']
    for _ in range(30):
        value = [value] * 10
    assert len(brief({'size': value})) < 200
