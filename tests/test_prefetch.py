"""Items made ahead in a thread: all of them, in order, few at a time, with errors and endings where they belong."""

import threading
import time
from collections.abc import Iterator

import pytest

from dancenow.prefetch import prefetch


def test_everything_comes_in_its_order() -> None:
    with prefetch(iter(range(50)), room=3) as items:
        assert list(items) == list(range(50))


def test_only_a_few_items_are_ever_made_before_they_are_taken() -> None:
    made: list[int] = []

    def count() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with prefetch(count(), room=2) as items:
        for taken, _ in zip(range(1, 11), items, strict=False):
            time.sleep(0.005)
            assert len(made) <= taken + 3  # two wait, and one is being handed over


def test_making_goes_on_while_an_item_is_used() -> None:
    begun = threading.Event()

    def pair() -> Iterator[int]:
        yield 1
        begun.set()
        yield 2

    with prefetch(pair()) as items:
        assert next(items) == 1
        assert begun.wait(10)


def test_an_error_is_raised_where_the_item_was_to_be_taken() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("the second is bad")

    with prefetch(broken()) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="the second is bad"):
            next(items)


def test_what_cannot_even_be_begun_raises_where_its_first_item_was_to_be_taken() -> None:
    class Closed:
        def __iter__(self) -> Iterator[int]:
            raise ValueError("it is closed")

    with prefetch(Closed()) as items, pytest.raises(ValueError, match="it is closed"):
        next(items)


def test_who_takes_after_the_end_of_the_thread_is_not_kept_waiting() -> None:
    with prefetch([1]) as items:
        assert next(items) == 1
    with prefetch(range(100), room=1) as items:
        pass
    with pytest.raises(RuntimeError, match="ended without a last one"):
        list(items)


def test_who_leaves_early_leaves_no_thread_and_closes_what_was_read() -> None:
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


def test_a_chain_that_breaks_at_its_head_ends_at_its_tail() -> None:
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


def _interrupted_in(items: Iterator[int]) -> None:
    with prefetch(items) as made:
        next(made)
        raise KeyboardInterrupt
