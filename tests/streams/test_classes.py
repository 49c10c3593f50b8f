"""The classes: asyncio's in every respect, with subclasses, private attributes, weak references and reports."""

import asyncio
import gc
import inspect
import weakref

import pytest

from actors.failures import SomeError

CLASSES = ("StreamReader", "StreamWriter", "StreamReaderProtocol")
FUNCTIONS = ("open_connection", "start_server", "open_unix_connection", "start_unix_server")


class Transport:
    """What a reader or writer needs of one, which records the calls."""

    def __init__(self):
        self.calls, self.closing = [], False

    def is_closing(self):
        return self.closing

    def get_extra_info(self, name, default=None):
        return default

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args: self.calls.append((name, *args))


@pytest.fixture
def transport():
    return Transport()


@pytest.fixture
def protocol(streams, reader, loop):
    return streams.StreamReaderProtocol(reader, loop=loop)


@pytest.fixture
def writer(streams, transport, protocol, reader, loop):
    writer = streams.StreamWriter(transport, protocol, reader, loop)
    yield writer
    transport.closing = True


@pytest.mark.fastloop_only
def test_names_are_fastloops_own(streams):
    for name in CLASSES + FUNCTIONS:
        assert getattr(streams, name) is not getattr(asyncio, name)
        assert name in streams.__all__
    assert streams.streams is asyncio.streams


@pytest.mark.parametrize("name", CLASSES + FUNCTIONS)
def test_signature_is_that_of_asyncio(streams, name):
    own, theirs = getattr(streams, name), getattr(asyncio, name)
    if name in FUNCTIONS:
        assert str(inspect.signature(own)) == str(inspect.signature(theirs))
        return
    for method in [method for method in dir(theirs) if not method.startswith("_") and callable(getattr(theirs, method))]:
        own_parameters = list(inspect.signature(getattr(own, method)).parameters)
        assert own_parameters == list(inspect.signature(getattr(theirs, method)).parameters), method
        assert inspect.getdoc(getattr(own, method)) or not inspect.getdoc(getattr(theirs, method)), method


async def test_objects_are_instances_of_asyncios_classes(loop, reader, writer, protocol):
    for made, name in ((reader, "StreamReader"), (writer, "StreamWriter"), (protocol, "StreamReaderProtocol")):
        assert isinstance(made, getattr(asyncio, name))
        assert type(made).__name__ == name
        assert weakref.ref(made)() is made
        made.attribute = 1
        assert vars(made)["attribute"] == 1


async def test_reader_shows_its_state(loop, streams, reader, transport):
    assert repr(reader) == "<StreamReader>"
    reader = streams.StreamReader(limit=3, loop=loop)
    reader.set_transport(transport)
    reader.feed_data(b"1234567")
    reader.feed_eof()
    reader.set_exception(SomeError())
    assert repr(reader) == f"<StreamReader 7 bytes eof limit=3 exception=SomeError() transport={transport!r} paused>"


def test_reader_without_a_loop_takes_the_current_one(loop, streams):
    async def main():
        return streams.StreamReader()._loop

    assert loop.run_until_complete(main()) is loop


@pytest.mark.parametrize("limit", [0, -1])
async def test_limit_must_be_positive(loop, streams, limit):
    with pytest.raises(ValueError, match="Limit cannot be <= 0"):
        streams.StreamReader(limit=limit, loop=loop)


@pytest.mark.parametrize("limit", [2**80, 1e9, float("inf"), True])
async def test_any_number_may_be_the_limit(loop, streams, limit):
    reader = streams.StreamReader(limit=limit, loop=loop)
    reader.feed_data(b"a\n")
    assert await reader.readline() == b"a\n"
    assert reader._limit is limit


@pytest.mark.parametrize("size", [True, 2**80, 3.0, None, "3"])
async def test_unusual_sizes_do_what_they_do_in_asyncio(loop, reader, size):
    async def outcomes(reader):
        for method in (reader.read, reader.readexactly):
            reader.feed_data(b"hello")
            reader._eof = False
            loop.call_soon(reader.feed_eof)
            try:
                yield await method(size)
            except (TypeError, ValueError, asyncio.IncompleteReadError) as error:
                yield type(error), str(error)

    assert [outcome async for outcome in outcomes(reader)] == [outcome async for outcome in outcomes(asyncio.StreamReader(loop=loop))]


@pytest.mark.parametrize("data", [bytearray(b"ab"), memoryview(b"ab"), [97, 98], b""])
async def test_anything_that_extends_a_bytearray_may_be_fed(loop, reader, data):
    reader.feed_data(data)
    reader.feed_eof()
    assert await reader.read() == bytes(data)
    with pytest.raises(AssertionError, match="feed_data after feed_eof"):
        reader.feed_data(b"more")


async def test_private_attributes_can_be_read_and_set(loop, reader, writer, protocol, transport):
    for owner, names in (
        (reader, ("_limit", "_loop", "_eof", "_waiter", "_exception", "_transport", "_paused", "_source_traceback")),
        (writer, ("_transport", "_protocol", "_reader", "_loop")),
        (protocol, ("_stream_reader_wr", "_paused", "_connection_lost", "_loop", "_closed", "_over_ssl")),
    ):
        for name in names:
            value = getattr(owner, name)
            if name != "_source_traceback":
                setattr(owner, name, value)
            assert getattr(owner, name) is value
    assert writer._complete_fut.done()
    assert protocol._stream_reader is reader


async def test_buffer_of_the_reader_is_a_bytearray_that_may_be_changed(loop, reader):
    reader.feed_data(b"one\ntwo\n")
    reader._buffer[:3] = b"ONE"
    assert await reader.readline() == b"ONE\n"
    buffer = reader._buffer
    waiting = asyncio.ensure_future(reader.readexactly(9))
    await asyncio.sleep(0)
    reader.feed_data(b"three")
    assert await waiting == b"two\nthree"
    assert reader._buffer is buffer == b""
    reader._buffer = bytearray(b"new")
    reader.feed_eof()
    assert not reader.at_eof()
    assert await reader.read() == b"new"


# ---- subclasses and replaced methods ----


@pytest.mark.parametrize("name", ["feed_data", "readuntil", "_wait_for_data", "_maybe_resume_transport", "exception"])
async def test_method_of_a_subclass_is_called(loop, streams, transport, name):
    calls = []

    def method(self, *args):
        calls.append(name)
        return getattr(streams.StreamReader, name)(self, *args)

    reader = type("Reader", (streams.StreamReader,), {name: method})(loop=loop)
    protocol = streams.StreamReaderProtocol(reader, loop=loop)
    loop.call_soon(protocol.data_received, b"line\n")
    assert await reader.readline() == b"line\n"
    writer = streams.StreamWriter(transport, protocol, reader, loop)
    await writer.drain()
    transport.closing = True
    assert name in calls


async def test_method_that_is_replaced_on_the_object_is_called(loop, reader, streams, monkeypatch):
    fed = []
    reader.feed_data = fed.append
    streams.StreamReaderProtocol(reader, loop=loop).data_received(b"a")
    assert fed == [b"a"]


async def test_subclass_may_have_a_constructor_of_its_own(loop, streams):
    class Reader(streams.StreamReader):
        def __init__(self, name, **options):
            super().__init__(**options)
            self.name = name

    reader = Reader("some", limit=5, loop=loop)
    reader.feed_data(b"1234567\n")
    with pytest.raises(ValueError, match="chunk is longer than limit"):
        await reader.readline()
    assert (reader.name, await asyncio.wait_for(reader.read(0), 5)) == ("some", b"")


# ---- the transport's side ----


async def test_reading_is_paused_above_twice_the_limit_and_resumed_at_the_limit(loop, streams, transport):
    reader = streams.StreamReader(limit=3, loop=loop)
    reader.set_transport(transport)
    for _ in range(7):
        reader.feed_data(b"x")
    assert transport.calls == [("pause_reading",)]
    await reader.readexactly(3)
    assert transport.calls == [("pause_reading",)]
    await reader.readexactly(1)
    assert transport.calls == [("pause_reading",), ("resume_reading",)]
    with pytest.raises(AssertionError, match="Transport already set"):
        reader.set_transport(transport)


async def test_transport_that_cannot_be_paused_is_not_asked_again(loop, streams, transport):
    def pause_reading():
        transport.calls.append("asked")
        raise NotImplementedError

    transport.pause_reading = pause_reading
    reader = streams.StreamReader(limit=1, loop=loop)
    reader.set_transport(transport)
    reader.feed_data(b"four")
    reader.feed_data(b"more")
    assert transport.calls == ["asked"]


async def test_writer_passes_everything_on_to_its_transport(loop, writer, transport):
    writer.write(b"a")
    writer.writelines([b"b"])
    writer.write_eof()
    writer.can_write_eof()
    writer.close()
    assert transport.calls == [("write", b"a"), ("writelines", [b"b"]), ("write_eof",), ("can_write_eof",), ("close",)]
    assert writer.get_extra_info("socket", 5) == 5
    assert writer.transport is transport
    assert repr(writer) == f"<StreamWriter transport={transport!r} reader=<StreamReader>>"


async def test_drain_waits_while_the_protocol_is_paused(loop, writer, protocol):
    await writer.drain()
    protocol.pause_writing()
    waiting = [asyncio.ensure_future(writer.drain()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [True, False, False]
    protocol.resume_writing()
    await asyncio.gather(*waiting[1:])


async def test_drain_of_a_closing_transport_costs_a_turn(loop, writer, transport, protocol):
    transport.closing = True
    draining = writer.drain()
    assert draining.send(None) is None
    protocol.connection_lost(None)
    with pytest.raises(ConnectionResetError, match="Connection lost"):
        draining.send(None)


async def test_drain_raises_what_the_reader_has(loop, writer, reader):
    reader.set_exception(SomeError("lost"))
    with pytest.raises(SomeError, match="lost"):
        await writer.drain()


async def test_drain_calls_the_helper_of_a_subclass(loop, streams, reader, transport):
    class Protocol(streams.StreamReaderProtocol):
        async def _drain_helper(self):
            raise SomeError

    protocol = Protocol(reader, loop=loop)
    writer = streams.StreamWriter(transport, protocol, reader, loop)
    with pytest.raises(SomeError):
        await writer.drain()
    transport.closing = True


async def test_writer_needs_a_reader_of_the_right_class(loop, streams, transport, protocol):
    transport.closing = True
    with pytest.raises(AssertionError):
        streams.StreamWriter(transport, protocol, object(), loop)
    assert streams.StreamWriter(transport, protocol, None, loop)._reader is None


@pytest.mark.skipif(not hasattr(asyncio.StreamWriter, "__del__"), reason="this Python's writers say nothing")
async def test_writer_that_is_dropped_closes_its_transport_and_warns(loop, streams, transport, protocol, reader):
    with pytest.warns(ResourceWarning, match="unclosed <StreamWriter"):
        streams.StreamWriter(transport, protocol, reader, loop)
        gc.collect()
    assert ("close",) in transport.calls


async def test_data_for_a_reader_that_is_gone_is_dropped(loop, streams):
    reader = streams.StreamReader(loop=loop)
    protocol = streams.StreamReaderProtocol(reader, loop=loop)
    del reader
    gc.collect()
    protocol.data_received(b"a")
    assert protocol.eof_received() is True
    protocol.connection_lost(None)
