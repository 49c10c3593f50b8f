"""What can be patched in a transport: its methods on the object, and get_extra_info() in asyncio's classes."""

import asyncio
from unittest import mock

import pytest


@pytest.mark.parametrize("name", ["Transport", "BaseTransport"])
async def test_get_extra_info_can_be_patched_by_a_mock(connect, name):
    _, transport, _ = await connect()
    with mock.patch.object(getattr(asyncio, name), "get_extra_info", return_value=("host", 1)) as patched:
        assert transport.get_extra_info("peername") == ("host", 1)
        patched.assert_called_with("peername")
        assert transport.get_extra_info("name", 7) == ("host", 1)
        patched.assert_called_with("name", 7)
    assert patched.call_count == 2
    assert transport.get_extra_info("peername") != ("host", 1)


async def test_get_extra_info_can_be_patched_by_a_function(connect, monkeypatch):
    _, transport, _ = await connect()
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.Transport, "get_extra_info", lambda self, name, default=None: (self, name, default), raising=False)
        assert transport.get_extra_info("peername", 7) == (transport, "peername", 7)
    assert transport.get_extra_info("name", 7) == 7


async def test_methods_can_be_patched_on_the_transport(connect):
    _, transport, _ = await connect()
    with mock.patch.object(transport, "write") as write, mock.patch.object(transport, "get_extra_info", return_value=7):
        transport.write(b"data")
        assert transport.get_extra_info("peername") == 7
    write.assert_called_once_with(b"data")
    assert transport.get_write_buffer_size() == 0
