"""Images and hands find each other by their stamps, and nothing goes backwards."""

import pytest

from handmesh_ros.ar_pairing import MAX_BYTES, MAX_SECONDS, Pairing, Trouble

SECOND = 10**9
SILENCE = 0.5


def always(pair):
    return True


def play(rate, seconds, latency=None, stamped=True):
    """
    Show images to a pairing, and hands after a latency, if there are any.

    :returns: the troubles that were told; and of each image that is taken, its number, the number
        its hands are of, and when.
    """
    pairing, told, taken = Pairing(), [], []
    ticks = 1000
    for tick in range(int(seconds * ticks)):
        now = 100.0 + tick / ticks
        for kind, delay in (('image', 0.0), ('hands', latency)):
            number = None if delay is None else round((tick / ticks - delay) * rate)
            if number is None or number < 0 or round((number / rate + delay) * ticks) != tick:
                continue
            stamp = round((1000 + number / rate) * SECOND) if stamped else 0
            put = pairing.put_image if kind == 'image' else pairing.put_hands
            told.append(put(stamp, number, now))
        pair = pairing.take(now, SILENCE, always)
        if pair is not None:
            taken.append((pair.image, pair.hands, now - 100))
    return [trouble for trouble in told if trouble], taken


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
    pairing.put_image(2, 'again', 1.0)
    assert [pair.stamp for pair in pairing.waiting()] == [3]


@pytest.mark.parametrize('rate', [30, 60])
def test_without_hands_every_image_is_shown_at_once_after_the_silence(rate):
    troubles, taken = play(rate, 10.0)
    assert len(taken) >= (10.0 - SILENCE) * rate - 1
    assert all(hands is None for _, hands, _ in taken)
    # The first one waited for hands; none of the others does.
    assert all(now - image / rate < 0.002 for image, _, now in taken)
    assert not troubles


@pytest.mark.parametrize('rate', [30, 60])
@pytest.mark.parametrize('latency', [0.05, 0.45, 2.0])
def test_hands_that_come_late_are_waited_for(rate, latency):
    _, taken = play(rate, 10.0, latency)
    late = [(image, hands) for image, hands, now in taken if now > 2 * latency + SILENCE]
    assert len(late) >= (10.0 - 2 * latency - SILENCE) * rate - 2
    assert all(image == hands for image, hands in late)


def test_hands_that_fall_silent_are_not_waited_for_any_more():
    pairing = Pairing()
    for number in range(60):
        now = number / 30
        pairing.put_image(number + 1, number, now)
        if number < 15:
            pairing.put_hands(number + 1, 'hands', now)
        pair = pairing.take(now, SILENCE, always)
        is_shown = number < 15 or number > 15 + SILENCE * 30
        assert (pair is not None and pair.image == number) == is_shown, number


@pytest.mark.parametrize('latency', [0.7, 1.4])
def test_hands_that_take_longer_than_the_silence_are_waited_for_next_time(latency):
    """A slow network: it takes the newest image whenever it is done with the one before."""
    pairing, rate, answers, told, shown = Pairing(), 30, 0, [], []
    every = round(latency * rate)
    for number in range(20 * every):
        now = number / rate
        told.append(pairing.put_image(round((1000 + now) * SECOND), number, now))
        if number and number % every == 0:
            asked = number - every
            told.append(pairing.put_hands(round((1000 + asked / rate) * SECOND), asked, now))
            answers += 1
        pair = pairing.take(now, SILENCE, always)
        if pair is not None:
            shown.append((pair.image, pair.hands))
    with_hands = [pair for pair in shown if pair[1] is not None]
    assert all(image == hands for image, hands in with_hands)
    # Of the first two only comes out that they are slow.
    assert len(with_hands) >= answers - 2
    assert 1 <= told.count(Trouble.LATE) <= 2
    assert len(shown) < len(with_hands) + 2 * every


def test_once_slow_hands_are_fast_the_silence_is_short_again():
    pairing = Pairing()
    pairing.put_image(1, 'image', 0.0)
    pairing.put_hands(1, 'hands', 2.0)
    for number in range(2, 12):
        pairing.put_image(number, 'image', float(number))
        pairing.put_hands(number, 'hands', number + 0.1)
        pairing.take(number + 0.1, SILENCE, always)
    pairing.put_image(20, 'bare', 20.0)
    assert pairing.take(20.0 + SILENCE + 0.01, SILENCE, always).image == 'bare'


def test_a_pause_of_the_camera_is_no_silence_of_the_hands():
    pairing = Pairing()
    pairing.put_image(1, 'before', 0.0)
    pairing.put_hands(1, 'hands', 0.1)
    assert pairing.take(0.1, SILENCE, always).hands == 'hands'
    pairing.put_image(2, 'after', 60.0)
    assert pairing.take(60.0, SILENCE, always) is None
    pairing.put_hands(2, 'hands', 60.1)
    assert pairing.take(60.1, SILENCE, always).image == 'after'


def test_of_images_without_stamps_the_newest_meets_the_newest_hands():
    _, taken = play(30, 3.0, 0.05, stamped=False)
    assert len(taken) >= 3 * 30 - 3
    # 50 ms later the image after that of the hands is there.
    assert {image - hands for image, hands, _ in taken} == {1}
    _, taken = play(30, 3.0, None, stamped=False)
    assert len(taken) >= (3.0 - SILENCE) * 30 - 1


def test_memory_is_bounded():
    pairing, told = Pairing(), []
    for stamp in range(100):
        told.append(pairing.put_image(stamp, 'image', 0.0, MAX_BYTES // 12))
        told.append(pairing.put_hands(stamp + 10**6, 'hands', 0.0))
    assert len(pairing.waiting()) == 12
    assert told.count(Trouble.OVERDUE) == 88


def test_time_is_bounded():
    pairing = Pairing()
    for number in range(1000):
        now = number / 30
        pairing.put_hands(number + 10**6, 'hands', now)
    assert len(pairing._pairs) <= MAX_SECONDS * 30 + 1
    for number in range(1000):
        pairing.put_image(number + 1, 'image', now + number / 30)
    assert len(pairing._pairs) <= MAX_SECONDS * 30 + 1


def test_the_newest_image_stays_however_long_its_hands_take():
    pairing = Pairing()
    told = [
        pairing.put_image(1, 'older', 0.0),
        pairing.put_image(2, 'image', 0.1, 2 * MAX_BYTES),
        pairing.put_hands(2, 'hands', 10 * MAX_SECONDS),
    ]
    assert pairing.take(10 * MAX_SECONDS, 60.0, always).image == 'image'
    assert told == [None, Trouble.OVERDUE, None]


def test_time_that_jumps_back_starts_over():
    pairing = Pairing()
    pairing.put_image(100 * SECOND, 'old', 0.0)
    pairing.finish(pairing.waiting()[0])
    pairing.put_image(5 * SECOND, 'new', 1.0)
    assert [pair.image for pair in pairing.waiting()] == ['new']
