"""A Python that was built without OpenSSL has no TLS, and all the rest."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.fastloop_only

PROGRAM = """
import sys
sys.modules["_ssl"] = None

import asyncio, fastloop

async def main():
    server = await fastloop.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    reader, writer = await fastloop.open_connection(*server.sockets[0].getsockname())
    print(await reader.read())
    try:
        await asyncio.get_running_loop().start_tls(writer.transport, asyncio.Protocol(), None)
    except RuntimeError as error:
        print(error)
    writer.close()
    server.close()

fastloop.run(main())
"""


def test_everything_but_tls_works():
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["b''", "Python ssl module is not available"]
