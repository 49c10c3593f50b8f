"""Unfinished asynchronous generators: the loop closes them, by itself or in shutdown_asyncgens()."""

import asyncio
import gc
import sys

import pytest


class Numbers:
    """An asynchronous generator that records that it is closed."""

    def __init__(self):
        self.events = []

    async def generate(self):
        try:
            for number in range(1000):
                yield number
        finally:
            await asyncio.sleep(0)
            self.events.append("closed")


async def take_one(generator):
    """Start generator inside the loop, which is when the loop gets to know it."""
    return await anext(generator)


def test_all_unfinished_generators_are_closed_by_shutdown_asyncgens(loop):
    many = [Numbers() for _ in range(20)]
    generators = [numbers.generate() for numbers in many]
    for generator in generators:
        assert loop.run_until_complete(take_one(generator)) == 0
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert [numbers.events for numbers in many] == [["closed"]] * 20


async def test_generator_that_is_freed_is_closed_by_the_running_loop(loop):
    numbers = Numbers()
    generator = numbers.generate()
    await anext(generator)
    del generator
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
    assert numbers.events == ["closed"]


def test_finished_generator_is_not_closed_again(loop):
    numbers = Numbers()

    async def main():
        return [number async for number in numbers.generate()]

    assert len(loop.run_until_complete(main())) == 1000
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert numbers.events == ["closed"]


def test_generator_that_fails_while_it_is_closed_is_reported(loop, reported):
    async def failing():
        try:
            yield 1
        finally:
            raise ZeroDivisionError

    generator = failing()
    loop.run_until_complete(take_one(generator))
    loop.run_until_complete(loop.shutdown_asyncgens())
    (context,) = reported
    assert isinstance(context["exception"], ZeroDivisionError)
    assert context["asyncgen"] is generator


async def test_generator_started_after_the_shutdown_warns(loop):
    await loop.shutdown_asyncgens()
    generator = Numbers().generate()
    with pytest.warns(ResourceWarning, match="after loop.shutdown_asyncgens"):
        await anext(generator)
    await generator.aclose()


def test_hooks_are_the_loops_while_it_runs_and_the_former_ones_after(loop):
    former = sys.get_asyncgen_hooks()

    async def main():
        return sys.get_asyncgen_hooks()

    hooks = loop.run_until_complete(main())
    assert hooks.firstiter is not None and hooks.finalizer is not None
    assert sys.get_asyncgen_hooks() == former


def test_shutdown_without_generators_does_nothing(loop):
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_asyncgens())
