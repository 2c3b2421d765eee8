"""What of a value goes into a message."""

from handmesh_model.brief import brief, without_numbers


def test_small_values_are_as_they_are_and_large_ones_short():
    for value in ('box', 0.5, 10**9, [1, 2.5, 'x'], {'size': [1, 2]}, None):
        assert brief(value) == repr(value)
    assert len(brief('a' * 1000)) < 50
    value = ['x']
    for _ in range(30):
        value = [value] * 10
    assert len(brief({'size': value})) < 200


def test_messages_that_differ_in_numbers_alone_say_the_same():
    assert without_numbers('is -0.213 s old, at 3e-05 of 12') == 'is # s old, at # of #'
    assert without_numbers('depth nan, in nanoseconds') == 'depth #, in nanoseconds'
