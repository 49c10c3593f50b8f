"""What the loop's sock_ methods refuse; the socket is usable afterwards.

test_raw_sockets.py tests them with good arguments.
"""

import socket

import pytest


@pytest.fixture
def calls_of_everything(loop):
    """A function that returns calls of each method with this socket, by name."""

    def calls(sock):
        return {
            "sock_recv": lambda: loop.sock_recv(sock, 1),
            "sock_recv_into": lambda: loop.sock_recv_into(sock, bytearray(1)),
            "sock_recvfrom": lambda: loop.sock_recvfrom(sock, 1),
            "sock_recvfrom_into": lambda: loop.sock_recvfrom_into(sock, bytearray(1)),
            "sock_sendall": lambda: loop.sock_sendall(sock, b"x"),
            "sock_sendto": lambda: loop.sock_sendto(sock, b"x", ("127.0.0.1", 1)),
            "sock_connect": lambda: loop.sock_connect(sock, ("127.0.0.1", 1)),
            "sock_accept": lambda: loop.sock_accept(sock),
        }

    return calls


async def test_blocking_sockets_are_refused_in_debug_mode(loop, pair, calls_of_everything):
    loop.set_debug(True)
    pair[0].setblocking(True)
    for name, call in calls_of_everything(pair[0]).items():
        with pytest.raises(ValueError, match="must be non-blocking"):
            await call()
            pytest.fail(name)


async def test_wrapped_sockets_are_refused(pair, calls_of_everything, tls_contexts):
    wrapped = tls_contexts[1].wrap_socket(pair[0], server_hostname="localhost", do_handshake_on_connect=False)
    with wrapped:
        for name, call in calls_of_everything(wrapped).items():
            with pytest.raises(TypeError, match="SSLSocket"):
                await call()
                pytest.fail(name)


async def test_closed_sockets_raise_os_error(no_leaks, calls_of_everything):
    closed = socket.socket()
    closed.close()
    for name, call in calls_of_everything(closed).items():
        with pytest.raises(OSError):
            await call()
            pytest.fail(name)


@pytest.mark.parametrize(
    "name, arguments, errors",
    [
        ("sock_recv", [-1], ValueError),
        ("sock_recv", ["many"], TypeError),
        ("sock_recv", [None], TypeError),
        ("sock_recvfrom", [-1], ValueError),
        ("sock_recv_into", [b"read-only"], (TypeError, BufferError)),
        ("sock_recv_into", [5], TypeError),
        ("sock_sendall", ["text"], TypeError),
        ("sock_sendall", [None], TypeError),
        ("sock_sendto", ["text", ("127.0.0.1", 1)], TypeError),
        ("sock_connect", [None], (TypeError, OSError)),
    ],
)
async def test_wrong_arguments_raise_and_leave_the_socket_usable(loop, left, right, name, arguments, errors):
    with pytest.raises(errors):
        await getattr(loop, name)(left, *arguments)
    right.send(b"data")
    assert await loop.sock_recv(left, 100) == b"data"


@pytest.mark.parametrize("name", ["sock_recv", "sock_recvfrom", "sock_recvfrom_into"])
@pytest.mark.parametrize("size, error", [("many", TypeError), (1.5, TypeError), (2**100, OverflowError), (-(2**100), OverflowError)])
async def test_size_that_makes_no_sense_is_an_error_of_the_await(loop, left, name, size, error):
    coroutine = getattr(loop, name)(left, *[bytearray(9)] * name.endswith("_into"), size)
    with pytest.raises(error):
        await coroutine


async def test_receiving_no_bytes_returns_none_of_them(loop, left, right):
    right.send(b"data")
    assert await loop.sock_recv(left, 0) == b""
    assert await loop.sock_recv(left, 100) == b"data"


@pytest.mark.parametrize("missing", ["sock_recv", "sock_sendall", "sock_sendto", "sock_recv_into"])
def test_missing_arguments_raise_type_error_at_the_call(loop, pair, missing):
    with pytest.raises(TypeError):
        getattr(loop, missing)(pair[0])
