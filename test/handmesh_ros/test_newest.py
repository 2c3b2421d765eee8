import threading

from handmesh_ros.newest import NewestSlot


def test_newer_item_replaces_the_one_not_taken():
    slot = NewestSlot()
    assert slot.put(1) is False
    assert slot.put(2) is True
    assert slot.take() == 2
    assert slot.put(3) is False


def test_clear_tells_whether_something_was_there():
    slot = NewestSlot()
    assert slot.clear() is False
    slot.put(1)
    assert slot.clear() is True


def test_close_wakes_a_waiting_taker():
    slot = NewestSlot()
    assert not slot.is_closed
    taken = []
    thread = threading.Thread(target=lambda: taken.append(slot.take()))
    thread.start()
    slot.close()
    assert slot.is_closed
    thread.join(timeout=5)
    assert taken == [None]


def test_every_item_is_taken_or_counted_as_replaced():
    slot = NewestSlot()
    taken, replaced = [], 0

    def take():
        while (item := slot.take()) is not None:
            taken.append(item)
            if item == 500:
                return

    thread = threading.Thread(target=take)
    thread.start()
    for i in range(1, 501):
        replaced += slot.put(i)
    thread.join(timeout=5)
    assert len(taken) + replaced == 500
    assert taken == sorted(taken)
    assert taken[-1] == 500
