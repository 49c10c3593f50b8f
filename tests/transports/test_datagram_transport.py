"""How a datagram transport receives, in which order, and how it ends.

test_datagram_endpoints.py has the kinds of sockets, test_datagram_sending.py what is sent.
"""

import asyncio
import contextvars
import errno
import gc
import os
import signal
import socket
import sys
import warnings
import weakref

import pytest

import fastloop
from actors.kernel import settle, until
from actors.leftovers import unclosed_expected
from actors.protocols import RecordingDatagramProtocol

ANY = ("127.0.0.1", 0)


@pytest.fixture
def receiver(endpoint, udp_peer):
    """A coroutine function that makes an endpoint, and a function that sends to it. Returns (transport, protocol, send)."""

    async def create(**hooks):
        transport, protocol = await endpoint(hooks, local_addr=ANY)
        address = transport.get_extra_info("sockname")
        return transport, protocol, lambda data: udp_peer.sendto(data, address)

    return create


# Receiving


async def test_datagrams_arrive_whole_and_in_order(receiver, udp_peer):
    _, protocol, send = await receiver()
    sizes = [0, 1, 1472, 9000, 65507, 0, 3]
    for number, size in enumerate(sizes):
        send(bytes([number]) * size)
    assert await protocol.until_datagrams(len(sizes)) == [bytes([number]) * size for number, size in enumerate(sizes)]
    assert {address for _, address in protocol.datagrams} == {udp_peer.getsockname()}


async def test_one_datagram_is_delivered_in_a_turn(loop, receiver):
    order = []

    def note(protocol, data, address):
        order.append(data)
        loop.call_soon(order.append, b"after " + data)

    _, protocol, send = await receiver(datagram_received=note)
    for number in range(5):
        send(b"%d" % number)
    await until(lambda: len(order) == 10)
    assert order == [part for number in range(5) for part in (b"%d" % number, b"after %d" % number)]


async def test_other_descriptors_have_their_turn_between_two_datagrams(loop, receiver, udp_peer):
    order = []
    left, right = socket.socketpair()
    _, protocol, send = await receiver(datagram_received=lambda protocol, data, address: (order.append("datagram"), right.send(b"x")))
    with left, right:
        loop.add_reader(left, lambda: (order.append("byte"), left.recv(1)))
        for _ in range(10):
            send(b"")
        await until(lambda: len(order) == 20)
        loop.remove_reader(left)
    assert all(0 <= order[:end].count("datagram") - order[:end].count("byte") <= 2 for end in range(20))


async def test_many_senders_are_told_apart(endpoint, udp_peer):
    transport, protocol = await endpoint(local_addr=ANY)
    address = transport.get_extra_info("sockname")
    senders = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(200)]
    names = []
    for sender in senders:
        sender.connect(address)
        names.append(sender.getsockname())
    for turn in range(2):
        for number, sender in enumerate(senders):
            sender.send(b"%d" % number)
            await protocol.until_datagrams(turn * len(senders) + number + 1)
    assert protocol.datagrams == [(b"%d" % number, name) for number, name in enumerate(names)] * 2
    # The answers reach them, though most were not the last that was heard of.
    for number, name in enumerate(names):
        transport.sendto(b"for %d" % number, name)
    for number, sender in enumerate(senders):
        assert sender.recv(100) == b"for %d" % number
        sender.close()


async def test_longest_datagram_is_that_of_the_kernel(endpoint, unix_datagram_pair):
    left, right = unix_datagram_pair
    right.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 400_000)
    _, protocol = await endpoint(sock=left)
    data = bytes(range(256)) * 800
    right.send(data)
    assert await protocol.until_datagrams() == [data]


async def test_longer_datagrams_than_max_size_are_cut(receiver):
    transport, protocol, send = await receiver()
    assert transport.max_size == 256 * 1024
    transport.max_size = 10
    send(b"0123456789 and more")
    send(b"short")
    assert await protocol.until_datagrams(2) == [b"0123456789", b"short"]


@pytest.mark.parametrize("size, error", [(-1, ValueError), (sys.maxsize, (MemoryError, OverflowError))])
async def test_max_size_that_makes_no_sense_ends_the_transport(receiver, reported, size, error):
    transport, protocol, send = await receiver()
    transport.max_size = size
    send(b"lost")
    assert isinstance(await protocol.until_lost(), error)
    assert [context["message"] for context in reported] == ["Fatal read error on datagram transport"]


async def test_refused_datagram_is_an_error_and_the_transport_lives(endpoint, udp_peer):
    address = udp_peer.getsockname()
    transport, protocol = await endpoint(remote_addr=address)
    udp_peer.close()
    transport.sendto(b"nobody")
    await protocol.until_called("error_received")
    assert [type(error) for error in protocol.errors] == [ConnectionRefusedError]
    with socket.socket(type=socket.SOCK_DGRAM) as again:
        again.bind(address)
        again.settimeout(20)
        transport.sendto(b"somebody")
        assert again.recv(100) == b"somebody"
    assert protocol.lost == []


async def test_paused_reading_delivers_nothing_until_resumed(receiver):
    transport, protocol, send = await receiver()
    assert transport.is_reading()
    transport.pause_reading()
    transport.pause_reading()
    assert not transport.is_reading()
    send(b"later")
    await settle()
    assert protocol.datagrams == []
    transport.resume_reading()
    transport.resume_reading()
    assert await protocol.until_datagrams() == [b"later"]
    transport.close()
    transport.resume_reading()
    assert not transport.is_reading()


async def test_pause_in_a_datagram_holds_the_next_one(receiver):
    transport, protocol, send = await receiver(datagram_received=lambda protocol, data, address: protocol.transport.pause_reading())
    for data in b"one", b"two":
        send(data)
    await protocol.until_datagrams()
    await settle()
    assert len(protocol.datagrams) == 1
    transport.resume_reading()
    assert await protocol.until_datagrams(2) == [b"one", b"two"]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_protocol_that_ends_in_a_datagram_gets_no_more(receiver, end):
    transport, protocol, send = await receiver(datagram_received=lambda protocol, data, address: getattr(protocol.transport, end)())
    for _ in range(5):
        send(b"data")
    await protocol.until_lost()
    assert len(protocol.datagrams) == 1
    assert protocol.calls == ["connection_made", "datagram_received", "connection_lost"]


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_end_in_connection_made(loop, end):
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: RecordingDatagramProtocol(connection_made=lambda protocol, transport: getattr(transport, end)()), local_addr=ANY
    )
    assert await protocol.until_lost() is None
    assert protocol.calls == ["connection_made", "connection_lost"]


async def test_end_in_error_received_and_in_connection_lost(endpoint, udp_peer):
    address = udp_peer.getsockname()
    udp_peer.close()
    hooks = {
        "error_received": lambda protocol, error: protocol.transport.close(),
        "connection_lost": lambda protocol, error: (protocol.transport.close(), protocol.transport.abort()),
    }
    transport, protocol = await endpoint(hooks, remote_addr=address)
    transport.sendto(b"nobody")
    assert await protocol.until_lost() is None
    assert protocol.calls == ["connection_made", "error_received", "connection_lost"]


async def test_exceptions_of_callbacks_are_reported_and_the_transport_lives(receiver, reported):
    def fail(protocol, data, address):
        raise ZeroDivisionError

    transport, protocol, send = await receiver(datagram_received=fail)
    for _ in range(3):
        send(b"data")
    await protocol.until_datagrams(3)
    await settle()
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError] * 3
    assert not transport.is_closing()


async def test_exception_in_connection_made_is_reported_and_reading_begins(receiver, reported):
    def fail(protocol, transport):
        raise ZeroDivisionError

    _, protocol, send = await receiver(connection_made=fail)
    send(b"data")
    assert await protocol.until_datagrams() == [b"data"]
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]


async def test_exception_in_connection_lost_is_reported(receiver, reported):
    def fail(protocol, error):
        raise ZeroDivisionError

    transport, protocol, _ = await receiver(connection_lost=fail)
    transport.close()
    await protocol.until_lost()
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]
    assert transport._sock is None


async def test_another_protocol_gets_the_next_datagram(receiver):
    second = RecordingDatagramProtocol()
    transport, first, send = await receiver(datagram_received=lambda protocol, data, address: protocol.transport.set_protocol(second))
    for data in b"one", b"two":
        send(data)
    assert await second.until_datagrams() == [b"two"]
    assert transport.get_protocol() is second
    assert [data for data, _ in first.datagrams] == [b"one"]
    transport.close()
    await second.until_lost()
    assert first.lost == []


async def test_protocol_without_the_method_is_reported(receiver, reported):
    transport, _, send = await receiver()
    transport.set_protocol(object())
    send(b"data")
    await until(lambda: reported)
    assert isinstance(reported[0]["exception"], AttributeError)
    transport.set_protocol(asyncio.DatagramProtocol())


async def test_what_is_no_protocol_is_refused(loop, no_leaks):
    with unclosed_expected():
        with pytest.raises(AttributeError):
            await loop.create_datagram_endpoint(object, local_addr=ANY)


async def test_callbacks_run_in_the_context_of_the_endpoint(receiver):
    variable = contextvars.ContextVar("variable")
    seen = []

    def count(protocol, data, address):
        seen.append(variable.get())
        variable.set(variable.get() + 1)

    variable.set(1)
    _, protocol, send = await receiver(datagram_received=count)
    variable.set(100)
    for _ in range(3):
        send(b"")
    await protocol.until_datagrams(3)
    assert seen == [1, 2, 3]


# The end


async def test_close_and_abort_lose_the_connection_once_and_later(receiver):
    for first in "close", "abort":
        for second in "close", "abort":
            transport, protocol, send = await receiver()
            getattr(transport, first)()
            getattr(transport, second)()
            assert transport.is_closing() and protocol.lost == []
            send(b"too late")
            assert await protocol.until_lost() is None
            getattr(transport, second)()
            await settle()
            assert protocol.calls == ["connection_made", "connection_lost"]


async def test_cancelled_creation_closes_the_socket(loop, no_leaks):
    for turns in range(6):
        task = loop.create_task(loop.create_datagram_endpoint(RecordingDatagramProtocol, local_addr=ANY))
        for _ in range(turns):
            await asyncio.sleep(0)
        if not task.cancel():
            transport, protocol = await task
            await protocol.close()
            break
        with pytest.raises(asyncio.CancelledError):
            await task
        await settle()


async def test_socket_that_somebody_closed_is_an_error(endpoint):
    transport, protocol = await endpoint(local_addr=ANY)
    transport.pause_reading()
    transport._sock.close()
    transport.sendto(b"data", ANY)
    assert [error.errno for error in protocol.errors] == [9]
    transport.abort()
    await protocol.until_lost()


async def test_forked_child_that_ends_harms_no_endpoint(receiver, udp_peer):
    transport, protocol, send = await receiver()
    with warnings.catch_warnings():
        # pytest's own watchdog is a thread, too.
        warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
        child = os.fork()
    if child == 0:
        # The child's copies of the descriptors close with it.
        os._exit(0)
    os.waitpid(child, 0)
    send(b"still here")
    await protocol.until_datagrams()
    transport.sendto(b"here too", udp_peer.getsockname())
    assert udp_peer.recv(100) == b"here too"


async def test_unclosed_transport_is_reported(loop):
    transport, protocol = await loop.create_datagram_endpoint(RecordingDatagramProtocol, local_addr=ANY)
    transport.pause_reading()
    text = repr(transport)
    protocol.transport = None
    with pytest.warns(ResourceWarning, match="unclosed transport") as caught:
        del transport, protocol
        gc.collect()
    assert any(text in str(warning.message) for warning in caught)


async def test_ended_transport_and_its_protocol_are_collected(loop):
    transport, protocol = await loop.create_datagram_endpoint(RecordingDatagramProtocol, local_addr=ANY)
    protocol.itself = protocol
    references = [weakref.ref(protocol)]
    await protocol.close()
    del transport, protocol
    gc.collect()
    assert [reference() for reference in references] == [None]


async def test_repr_tells_the_state(endpoint):
    transport, protocol = await endpoint(local_addr=ANY)
    assert f"fd={transport._sock_fd} read=polling write=<idle, bufsize=0>>" in repr(transport)
    transport.pause_reading()
    assert "read=idle" in repr(transport)
    transport.close()
    assert "closing" in repr(transport)
    await protocol.until_lost()
    assert "closed" in repr(transport)


def test_keyboard_interrupt_in_a_datagram_ends_the_run_and_loses_nothing(loop, endpoint, udp_peer):
    def interrupt(protocol, data, address):
        if data == b"1":
            signal.raise_signal(signal.SIGINT)

    transport, protocol = loop.run_until_complete(endpoint({"datagram_received": interrupt}, local_addr=ANY))
    for number in range(4):
        udp_peer.sendto(b"%d" % number, transport.get_extra_info("sockname"))
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(protocol.until_datagrams(4))
    assert loop.run_until_complete(protocol.until_datagrams(4)) == [b"0", b"1", b"2", b"3"]


@pytest.mark.parametrize("is_debug", [False, True])
def test_turns_without_a_report_end_with_the_run(loop, endpoint, udp_peer, is_debug, run_turn):
    # After many datagrams in a row, the next one is read without asking the kernel.
    loop.set_debug(is_debug)
    transport, protocol = loop.run_until_complete(endpoint(local_addr=ANY))
    for count in 40, 41:
        for _ in range(40):
            udp_peer.sendto(b"data", transport.get_extra_info("sockname"))
        for _ in range(count):
            run_turn()
    run_turn(3)
    assert len(protocol.datagrams) == 80
    loop.run_until_complete(asyncio.sleep(0))
    udp_peer.sendto(b"last", transport.get_extra_info("sockname"))
    assert loop.run_until_complete(protocol.until_datagrams(81))[-1] == b"last"


def test_socket_that_the_program_closes_in_a_datagram_is_not_read_again(loop, endpoint, udp_peer, run_turn):
    """epoll reports nothing of it, and poll(2) once, if it is asked before the next read."""

    def close(protocol, data, address):
        transport._sock.close()

    transport, protocol = loop.run_until_complete(endpoint({"datagram_received": close}, local_addr=ANY))
    for _ in range(2):
        udp_peer.sendto(b"data", transport.get_extra_info("sockname"))
    run_turn(4)
    assert len(protocol.datagrams) == 1
    may_be_reported = "FASTLOOP_FORCE_POLL" in os.environ and isinstance(loop, fastloop.EventLoop)
    assert [error.errno for error in protocol.errors] in ([], [errno.EBADF] * may_be_reported)
