"""What Unix sockets alone have: their names, their files, and descriptors that travel through them.

Writing and reading, which TCP and Unix sockets share, are tested in test_transport_writing.py and test_transport_reading.py.
"""

import array
import errno
import os
import pathlib
import socket
import sys

import pytest

from actors.kernel import settle
from actors.protocols import RecordingBufferedProtocol, RecordingProtocol

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract names")
NAME_KINDS = ["text", "bytes", "path", pytest.param("abstract text", marks=on_linux), pytest.param("abstract bytes", marks=on_linux)]


@pytest.fixture
def name_of_kind(short_folder):
    """A function that makes a name for a Unix socket."""

    def make(kind):
        name = os.path.join(short_folder, "server")
        if kind.startswith("abstract"):
            name = "\0" + name
        return {"text": str, "path": pathlib.Path, "bytes": os.fsencode}[kind.split()[-1]](name)

    return make


@pytest.fixture
def path(short_folder):
    """The name of a socket that does not exist yet."""
    return os.path.join(short_folder, "server")


@pytest.mark.parametrize("kind", NAME_KINDS)
async def test_client_and_server_meet_at_a_name_which_is_their_address(loop, name_of_kind, kind):
    accepted, made = RecordingProtocol(), RecordingProtocol()
    name = name_of_kind(kind)
    server = await loop.create_unix_server(lambda: accepted, name)
    transport, protocol = await loop.create_unix_connection(lambda: made, name)
    assert protocol is made
    await accepted.until_connected()
    # The kernel's answer: bytes for an abstract name, text for a path.
    address = os.fsencode(name) if "abstract" in kind else os.fsdecode(name)
    assert server.sockets[0].getsockname() == address
    assert (transport.get_extra_info("sockname"), transport.get_extra_info("peername")) == ("", address)
    assert accepted.transport.get_extra_info("sockname") == address
    assert accepted.transport.get_extra_info("peername") in ("", None)
    transport.write(b"question")
    assert await accepted.until_received(8) == b"question"
    accepted.transport.write(b"answer")
    assert await made.until_received(6) == b"answer"
    transport.close()
    await accepted.until_lost()
    assert transport.get_extra_info("peername") == address
    server.close()


async def test_address_of_a_client_that_has_a_name_is_that_name(loop, path, short_folder):
    protocol = RecordingProtocol()
    server = await loop.create_unix_server(lambda: protocol, path)
    with socket.socket(socket.AF_UNIX) as client:
        client.bind(os.path.join(short_folder, "client"))
        client.connect(path)
        await protocol.until_connected()
        assert protocol.transport.get_extra_info("peername") == os.path.join(short_folder, "client")
    await protocol.until_lost()
    server.close()


async def test_ends_of_a_socket_pair_have_no_addresses(loop):
    left, right = socket.socketpair()
    transport, protocol = await loop.create_unix_connection(RecordingProtocol, sock=left)
    assert (transport.get_extra_info("sockname"), transport.get_extra_info("peername")) == ("", "")
    assert transport.get_extra_info("socket").family == socket.AF_UNIX
    right.close()
    await protocol.until_lost()


# The server's file


async def test_file_of_a_closed_server_is_removed_since_python_3_13(loop, path):
    server = await loop.create_unix_server(RecordingProtocol, path)
    assert os.path.exists(path)
    server.close()
    await server.wait_closed()
    assert os.path.exists(path) is (sys.version_info < (3, 13))


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")
async def test_file_of_a_closed_server_stays_if_cleanup_is_refused(loop, path):
    server = await loop.create_unix_server(RecordingProtocol, path, cleanup_socket=False)
    server.close()
    assert os.path.exists(path)


async def test_file_that_is_not_the_servers_any_more_stays(loop, path):
    first = await loop.create_unix_server(RecordingProtocol, path)
    os.rename(path, path + ".old")
    pathlib.Path(path).write_text("somebody else's")
    first.close()
    assert pathlib.Path(path).read_text() == "somebody else's"


async def test_server_that_is_closed_after_its_file_was_removed_does_not_mind(loop, path):
    server = await loop.create_unix_server(RecordingProtocol, path)
    os.remove(path)
    server.close()
    await server.wait_closed()


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")
async def test_file_of_a_socket_that_was_passed_in_is_removed(loop, path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    server = await loop.create_unix_server(RecordingProtocol, sock=listener)
    server.close()
    assert not os.path.exists(path)


async def test_stale_file_is_replaced(loop, path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    with pytest.raises(ConnectionRefusedError):
        await loop.create_unix_connection(RecordingProtocol, path)
    protocol = RecordingProtocol()
    server = await loop.create_unix_server(lambda: protocol, path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        await protocol.until_connected()
    await protocol.until_lost()
    server.close()


async def test_file_that_is_no_socket_is_left_alone(loop, path):
    pathlib.Path(path).write_text("precious")
    with pytest.raises(OSError, match="is already in use") as caught:
        await loop.create_unix_server(RecordingProtocol, path)
    assert caught.value.errno == errno.EADDRINUSE
    assert pathlib.Path(path).read_text() == "precious"


# Refusals


async def test_connecting_to_nothing_raises_file_not_found_error(loop, path):
    with pytest.raises(FileNotFoundError):
        await loop.create_unix_connection(RecordingProtocol, path)


async def test_name_that_is_too_long_raises_os_error(loop, path):
    with pytest.raises(OSError):
        await loop.create_unix_connection(RecordingProtocol, path * 20)
    with pytest.raises(OSError):
        await loop.create_unix_server(RecordingProtocol, path * 20)


async def test_arguments_that_contradict_each_other_are_refused(loop, path):
    unix, tcp, datagram = socket.socket(socket.AF_UNIX), socket.socket(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with unix, tcp, datagram:
        for create in (loop.create_unix_connection, loop.create_unix_server):
            with pytest.raises(ValueError, match="can not be specified at the same time"):
                await create(RecordingProtocol, path, sock=unix)
            with pytest.raises(ValueError, match="no(t specified, and no)? (path|sock)"):
                await create(RecordingProtocol)
            for wrong in (tcp, datagram):
                with pytest.raises(ValueError, match="UNIX Domain Stream Socket was expected"):
                    await create(RecordingProtocol, sock=wrong)
            with pytest.raises(ValueError, match="only meaningful with ssl"):
                await create(RecordingProtocol, path, ssl_handshake_timeout=1)
        with pytest.raises(ValueError, match="server_hostname is only meaningful with ssl"):
            await loop.create_unix_connection(RecordingProtocol, path, server_hostname="localhost")
        with pytest.raises(TypeError):
            await loop.create_unix_server(RecordingProtocol, path, ssl=True)


# Descriptors that travel


def send_with_descriptors(sock, data, descriptors):
    return sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])


@pytest.mark.parametrize("descriptor_count", [1, 3, 60])
@pytest.mark.parametrize("buffered", [False, True])
async def test_descriptors_sent_along_neither_stall_the_data_nor_stay_open(connections, descriptor_count, buffered):
    protocol = RecordingBufferedProtocol() if buffered else RecordingProtocol()
    _, _, peer = await connections.unix(protocol)
    with open(os.devnull, "rb") as file:
        for number in range(20):
            send_with_descriptors(peer.sock, b"with %02d" % number, [file.fileno()] * descriptor_count)
            await peer.send(b"without")
            await protocol.until_received(14 * (number + 1))
    assert protocol.received == b"".join(b"with %02dwithout" % number for number in range(20))
    peer.close()
    assert await protocol.until_lost() is None


async def test_descriptors_that_arrive_before_reading_begins_do_not_stall_the_data(connections):
    protocol, transport, peer = await connections.unix(connection_made=lambda protocol, transport: transport.pause_reading())
    with open(os.devnull, "rb") as file:
        for _ in range(5):
            send_with_descriptors(peer.sock, b"x", [file.fileno()])
    peer.close()
    await settle()
    transport.resume_reading()
    assert await protocol.until_lost() is None
    assert protocol.received == b"xxxxx"


# The peer's end


async def test_peer_that_leaves_without_reading_is_one_loss(connections):
    protocol, transport, peer = await connections.unix()
    transport.write(b"never read")
    await settle()
    peer.close()
    # Linux calls it a reset, other systems an end.
    assert isinstance(await protocol.until_lost(), ConnectionError | None)
    await settle()
    assert len(protocol.lost) == 1
