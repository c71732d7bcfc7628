"""Items computed ahead in a thread: all of them, in order, few at a time, and errors raised in the consumer."""

import threading
import time
from collections.abc import Iterator

import pytest

from dancenow.prefetch import map_in_order, prefetch


def test_items_keep_their_order() -> None:
    with prefetch(iter(range(50)), room=3) as items:
        assert list(items) == list(range(50))


def test_only_a_few_items_are_computed_ahead() -> None:
    computed: list[int] = []

    def count() -> Iterator[int]:
        for number in range(100):
            computed.append(number)
            yield number

    with prefetch(count(), room=2) as items:
        for taken, _ in zip(range(1, 11), items, strict=False):
            time.sleep(0.005)
            assert len(computed) <= taken + 3  # two wait, and one is being handed over


def test_the_next_item_is_computed_while_one_is_used() -> None:
    begun = threading.Event()

    def pair() -> Iterator[int]:
        yield 1
        begun.set()
        yield 2

    with prefetch(pair()) as items:
        assert next(items) == 1
        assert begun.wait(10)


def test_an_error_is_raised_where_the_item_is_requested() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("the second is bad")

    with prefetch(broken()) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="the second is bad"):
            next(items)


def test_an_error_of_iter_is_raised_where_the_first_item_is_requested() -> None:
    class Closed:
        def __iter__(self) -> Iterator[int]:
            raise ValueError("it is closed")

    with prefetch(Closed()) as items, pytest.raises(ValueError, match="it is closed"):
        next(items)


def test_a_consumer_does_not_wait_for_a_thread_that_has_ended() -> None:
    with prefetch([1]) as items:
        assert next(items) == 1
    with prefetch(range(100), room=1) as items:
        pass
    with pytest.raises(RuntimeError, match="ended without a last item"):
        list(items)


def test_leaving_early_ends_the_thread_and_closes_the_source() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        _interrupted_in(endless())
    assert closed.is_set()
    assert threading.active_count() == before


def test_stages_can_be_chained() -> None:
    with prefetch(range(20)) as numbers, prefetch(2 * n for n in numbers) as doubled:
        assert sum(doubled) == 380


def test_an_error_in_the_first_stage_reaches_the_last() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    with prefetch(broken()) as head, prefetch(n for n in head) as tail, pytest.raises(OSError, match="the disk is gone"):
        list(tail)


def test_a_chain_can_be_left_while_its_last_stage_waits_for_its_first() -> None:
    release = threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        release.wait(10)
        yield 2

    with prefetch(slow()) as head, prefetch(n for n in head) as tail:
        assert next(tail) == 1
        threading.Timer(0.2, release.set).start()
    assert release.is_set()


def test_items_changed_in_threads_come_in_order_and_few_are_held() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    def slow_if_even(number: int) -> int:
        time.sleep(0.002 * (number % 2 == 0))
        return number * number

    results = map_in_order(slow_if_even, numbers(), 3)
    assert next(results) == 0
    assert len(taken) <= 5
    assert list(results) == [number * number for number in range(1, 20)]


def _interrupted_in(items: Iterator[int]) -> None:
    with prefetch(items) as prefetched:
        next(prefetched)
        raise KeyboardInterrupt
