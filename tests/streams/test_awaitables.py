"""What read*() and drain() return: coroutines in every respect, which do not suspend the task without a need."""

import asyncio
import collections.abc
import gc
import warnings

import pytest

from actors.cases import Cases
from actors.coroutines import cancel
from actors.failures import SomeError
from actors.kernel import start

read = Cases()
read.calls(
    read=lambda reader: reader.read(5),
    read_all=lambda reader: reader.read(),
    readexactly=lambda reader: reader.readexactly(5),
    readuntil=lambda reader: reader.readuntil(b"o"),
    readline=lambda reader: reader.readline(),
    anext=lambda reader: reader.__anext__(),
)


@pytest.fixture(params=read)
def call(request, reader):
    """A function that calls a method of the reader."""
    return lambda: read[request.param](reader)


@pytest.fixture
def feed(reader):
    """A function with which every read has all it wants."""

    def feed():
        reader.feed_data(b"hello")
        reader.feed_eof()

    return feed


async def test_it_is_a_coroutine(loop, call):
    coroutine = call()
    assert asyncio.iscoroutine(coroutine)
    assert isinstance(coroutine, collections.abc.Coroutine)
    coroutine.close()


async def test_data_that_is_there_is_returned_without_a_wait(loop, call, feed):
    feed()
    with pytest.raises(StopIteration) as stopped:
        call().send(None)
    assert stopped.value.value == b"hello"


async def test_each_end_is_an_exception_of_its_own(loop, reader):
    """For those who drive it by hand; await takes the value and drops the exception."""
    reader.feed_data(b"first\nsecond\nthird\n")
    ends = []
    for _ in range(2):
        with pytest.raises(StopIteration) as stopped:
            next(reader.readline().__await__())
        ends.append(stopped.value)
    assert await reader.readline() == b"third\n"
    assert [(end.value, end.args) for end in ends] == [(b"first\n", (b"first\n",)), (b"second\n", (b"second\n",))]


async def test_next_may_be_called_by_its_name(loop, call, feed):
    feed()
    with pytest.raises(StopIteration, match="hello"):
        call().__await__().__next__()


async def test_nothing_happens_before_it_is_awaited(loop, reader, call, feed):
    coroutine = call()
    feed()
    assert not reader.at_eof()
    assert await coroutine == b"hello"
    assert reader.at_eof()


async def test_it_cannot_be_awaited_twice(loop, call, feed):
    feed()
    coroutine = call()
    await coroutine
    for again in (lambda: coroutine.send(None), lambda: coroutine.throw(SomeError)):
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            again()
    coroutine.close()


async def test_two_tasks_that_await_one_coroutine_do_not_disturb_its_wait(loop, call, feed):
    coroutine = call()
    tasks = [asyncio.ensure_future(coroutine) for _ in range(2)]
    await asyncio.sleep(0)
    feed()
    first, second = await asyncio.gather(*tasks, return_exceptions=True)
    assert first == b"hello"
    assert "cannot reuse" in str(second)


async def test_stop_iteration_that_is_thrown_into_the_wait_ends_it(loop, reader, call):
    outcomes = []
    coroutine = call()
    coroutine.send(None)
    try:
        # Some look at what is there, and some wait again.
        outcomes.append(type(coroutine.throw(StopIteration(b"ignored"))).__name__)
        assert reader._waiter is not None
        coroutine.close()
    except StopIteration as stopped:
        outcomes.append(stopped.value)
    assert outcomes == ([b""] if coroutine.__name__ == "read" else ["Future"])
    assert reader._waiter is None


async def test_it_warns_if_it_is_never_awaited(loop, reader, call):
    with pytest.warns(RuntimeWarning, match=r"coroutine 'StreamReader\.\w+' was never awaited"):
        call()
        gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call().close()


async def test_the_first_value_that_is_sent_must_be_none(loop, call):
    coroutine = call()
    with pytest.raises(TypeError, match="can't send non-None value to a just-started coroutine"):
        coroutine.send(1)
    coroutine.close()


async def test_an_exception_may_be_thrown_before_it_begins(loop, call, feed):
    feed()
    with pytest.raises(SomeError):
        call().throw(SomeError)


@pytest.mark.parametrize("error", [SomeError, KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
async def test_an_exception_that_is_thrown_into_the_wait_ends_it(loop, reader, call, error):
    coroutine = call()
    assert coroutine.send(None) is reader._waiter
    with pytest.raises(error):
        coroutine.throw(error)
    assert reader._waiter is None
    with pytest.raises(RuntimeError, match="cannot reuse"):
        coroutine.send(None)


async def test_closing_it_ends_the_wait(loop, reader, call, feed):
    coroutine = call()
    coroutine.send(None)
    coroutine.close()
    assert reader._waiter is None
    feed()
    assert await call() == b"hello"


async def test_it_cannot_continue_before_its_future_is_done(loop, call):
    coroutine = call()
    coroutine.send(None)
    with pytest.raises(RuntimeError, match="await wasn't used with future"):
        coroutine.send(None)


async def test_a_task_is_made_of_it(loop, call, feed):
    task = await start(call())
    feed()
    assert await task == b"hello"


async def test_a_task_of_asyncio_is_made_of_it(loop, call, feed):
    task = asyncio.Task(call(), loop=loop)
    loop.call_soon(feed)
    assert await task == b"hello"


async def test_it_is_waited_for_with_a_limit_and_gathered(loop, call, feed):
    loop.call_soon(feed)
    assert await asyncio.gather(asyncio.wait_for(call(), 10)) == [b"hello"]


async def test_cancelled_read_leaves_everything_for_the_next(loop, reader, call, feed):
    await cancel(await start(call()))
    assert reader._waiter is None
    feed()
    assert await call() == b"hello"


async def test_only_one_read_may_wait(loop, reader, call):
    waiting = await start(call())
    with pytest.raises(RuntimeError, match="called while another coroutine is already waiting for incoming data"):
        await call()
    await cancel(waiting)


async def test_exception_of_the_reader_ends_the_wait_and_all_later_reads(loop, reader, call):
    waiting = await start(call())
    reader.set_exception(SomeError("lost"))
    for reading in (waiting, call()):
        with pytest.raises(SomeError, match="lost"):
            await reading
    assert reader.exception().args == ("lost",)


async def test_it_is_collected_with_the_cycle_that_it_is_in(loop, reader, call):
    coroutine = call()
    coroutine.send(None)
    reader._waiter.cycle = coroutine
    del coroutine
    gc.collect()
    # The collector has closed it, and nobody waits any more, or the future has kept it.
    assert not any(isinstance(found, SomeError) for found in gc.garbage)


async def test_dropping_it_in_its_wait_lets_others_wait(loop, reader, call, feed):
    coroutine = call()
    coroutine.send(None)
    del coroutine
    gc.collect()
    assert reader._waiter is None
    feed()
    assert await call() == b"hello"


@pytest.mark.parametrize("again", ["send", "throw", "close"])
async def test_a_step_that_runs_is_not_entered_again(loop, reader, again):
    """Resuming the transport is a call into the program."""
    errors = []

    class Transport:
        def pause_reading(self):
            pass

        def resume_reading(self):
            arguments = {"send": (None,), "throw": (SomeError(),), "close": ()}[again]
            with pytest.raises(ValueError, match="coroutine already executing") as raised:
                getattr(coroutine, again)(*arguments)
            errors.append(raised.value)

    reader.set_transport(Transport())
    # The data is in a bytearray, which the step must put back.
    assert reader._buffer == b""
    reader.feed_data(b"x" * (2 * reader._limit + 1))
    coroutine = reader.readexactly(2 * reader._limit + 1)
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert len(errors) == 1


async def test_nobody_else_makes_one(loop, call):
    coroutine = call()
    with pytest.raises(TypeError, match="cannot create"):
        type(coroutine)()
    coroutine.close()


async def test_transport_that_looks_into_the_buffer_loses_nothing(loop, reader):
    class Transport:
        def pause_reading(self):
            pass

        def resume_reading(self):
            reader._buffer.extend(b"late")

    reader.set_transport(Transport())
    assert reader._buffer == b""
    reader.feed_data(b"x" * (2 * reader._limit + 1))
    assert len(await reader.readexactly(2 * reader._limit)) == 2 * reader._limit
    assert reader._buffer == b"xlate"


@pytest.mark.parametrize("unread_size", [9, 10, 25, 40])
async def test_read_of_all_gets_the_rest_from_a_transport_that_looks_into_the_buffer(loop, streams, unread_size):
    reader = streams.StreamReader(limit=4)
    looks = []

    class Transport:
        def pause_reading(self):
            pass

        def resume_reading(self):
            looks.append(bytes(reader._buffer))

    reader.set_transport(Transport())
    reader.feed_data(b"x" * unread_size)
    reader.feed_eof()
    assert await reader.read() == b"x" * unread_size
    assert looks == [b"x" * (unread_size % 4 or 4)]
    assert reader.at_eof()


async def test_failed_read_of_a_buffer_that_somebody_views_loses_nothing(loop, call, reader):
    """A bytearray that is viewed cannot change its size."""
    paused = []

    class Transport:
        def pause_reading(self):
            paused.append(True)

        def resume_reading(self):
            paused.pop()

    reader._limit = 4
    reader.set_transport(Transport())
    reader.feed_data(b"hello, hello, hello")
    reader.feed_eof()
    reader._limit = 30
    with memoryview(reader._buffer), pytest.raises(BufferError):
        await call()
    assert paused
    assert reader._buffer == b"hello, hello, hello"
