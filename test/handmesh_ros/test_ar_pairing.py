"""Images and hands find each other by their stamps, and nothing goes backwards."""

from handmesh_ros.ar_pairing import MAX_PENDING, Pairing

SECOND = 10**9


def test_pairs_in_either_order():
    pairing = Pairing()
    pairing.put_image(1, 'image', 0.0)
    pairing.put_hands(2, 'early hands', 0.1)
    pairing.put_hands(1, 'hands', 0.2)
    pairing.put_image(2, 'late image', 0.3)
    newest, oldest = pairing.waiting()
    assert (newest.image, newest.hands, newest.hands_since) == ('late image', 'early hands', 0.1)
    assert (oldest.image, oldest.hands) == ('image', 'hands')


def test_taking_a_pair_gives_up_the_older_ones():
    pairing = Pairing()
    for stamp in (1, 2, 3):
        pairing.put_image(stamp, stamp, 0.0)
    pairing.finish(pairing.waiting()[1])
    assert [pair.stamp for pair in pairing.waiting()] == [3]
    assert pairing.dropped == 1
    pairing.put_image(2, 'again', 1.0)
    assert [pair.stamp for pair in pairing.waiting()] == [3]


def test_memory_is_bounded():
    pairing = Pairing()
    for stamp in range(100):
        pairing.put_image(stamp, 'image', 0.0)
        pairing.put_hands(stamp + 10**6, 'hands', 0.0)
    assert len(pairing.waiting()) <= MAX_PENDING


def test_time_that_jumps_back_starts_over():
    pairing = Pairing()
    pairing.put_image(100 * SECOND, 'old', 0.0)
    pairing.finish(pairing.waiting()[0])
    pairing.put_image(5 * SECOND, 'new', 1.0)
    assert [pair.image for pair in pairing.waiting()] == ['new']
