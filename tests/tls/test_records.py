"""Records that are neither data nor the end: new keys, tickets, renegotiation."""

import asyncio
import shutil
import subprocess

import pytest

from actors.authority import with_version
from actors.files import pattern
from actors.protocols import RecordingProtocol, echo
from actors.tls import environment_of_others


@pytest.fixture
def s_client(tls, loop, authority):
    """A coroutine function that starts `openssl s_client` against a server; gives the process."""
    processes = []

    async def start(server, *options):
        if shutil.which("openssl") is None:
            pytest.skip("the command openssl is not installed")
        port = server.sockets[0].getsockname()[1]
        command = [
            "openssl",
            "s_client",
            "-connect",
            f"127.0.0.1:{port}",
            "-servername",
            "localhost",
            "-CAfile",
            authority.certificate_path,
        ]
        pipes = {name: asyncio.subprocess.PIPE for name in ("stdin", "stdout")}
        processes.append(
            await asyncio.create_subprocess_exec(
                *map(str, [*command, "-verify_return_error", *options]), **pipes, stderr=subprocess.STDOUT, env=environment_of_others()
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
            loop.run_until_complete(process.communicate())


async def say(process, line, expected):
    """Write a line, and read until what is expected was printed."""
    process.stdin.write(line)
    printed = b""
    while expected not in printed:
        piece = await process.stdout.read(65536)
        assert piece, printed.decode()
        printed += piece
    return printed


async def end(process, protocol):
    process.stdin.close()
    while await process.stdout.read(65536):
        pass
    await process.wait()
    await protocol.until_lost()


async def test_s_client_is_served(tls, s_client, version):
    protocol = RecordingProtocol(data_received=echo)
    server = await tls.server(lambda: protocol)
    process = await s_client(server, f"-{version.lower().replace('v', '').replace('.', '_')}")
    await say(process, b"hello\n", b"hello\n")
    await end(process, protocol)
    assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]


@pytest.mark.parametrize("command", [b"K", b"k"], ids=["both ways", "one way"])
async def test_new_keys_may_be_used_at_any_time(tls, s_client, command):
    """s_client's command K asks for new keys of both ends, and k uses new keys itself."""
    protocol = RecordingProtocol(data_received=echo)
    server = await tls.server(lambda: protocol)
    process = await s_client(server, "-tls1_3")
    await say(process, b"before\n", b"before\n")
    for number in range(3):
        await say(process, command + b"\n", b"KEYUPDATE")
        line = b"after %d\n" % number
        await say(process, line, line)
    protocol.transport.write(b"x" * 100_000 + b"end\n")
    await say(process, b"", b"end\n")
    await end(process, protocol)
    assert protocol.received == b"before\nafter 0\nafter 1\nafter 2\n"
    assert protocol.lost == [None]


async def test_renegotiation_is_refused(tls, s_client, reported):
    """s_client's command R asks for it."""
    protocol = RecordingProtocol(data_received=echo)
    server = await tls.server(lambda: protocol)
    process = await s_client(server, "-tls1_2")
    await say(process, b"before\n", b"before\n")
    process.stdin.write(b"R\n")
    # It ends the connection itself, or speaks on.
    printed = b""
    while b"no renegotiation" not in printed and (piece := await process.stdout.read(65536)):
        printed += piece
    assert b"RENEGOTIATING" in printed and b"no renegotiation" in printed
    await end(process, protocol)
    assert protocol.calls.count("connection_made") == protocol.calls.count("connection_lost") == 1
    assert protocol.received == b"before\n"
    assert [context for context in reported if not isinstance(context.get("exception"), OSError)] == []


async def test_tickets_are_no_data(tls, loop):
    """With TLS 1.3 a server sends them after its handshake, and may send many."""
    with_version(tls.contexts[0], "TLSv1.3").num_tickets = 10
    protocol, transport, peer = await tls.connected(data_received=echo)
    await peer.check_echo()
    assert protocol.calls == ["connection_made", "data_received"]
    assert transport.get_extra_info("ssl_object").session.has_ticket


async def test_data_is_not_changed_by_a_context_that_changes(connect, tls):
    """The contexts are for new connections."""
    protocol, transport, peer = await connect(data_received=echo)
    for context in tls.contexts:
        with_version(context, "TLSv1.2")
        context.set_alpn_protocols(["other"])
    data = pattern(100_000)
    _, received = await asyncio.gather(peer.send(data), peer.receive(100_000))
    assert received == data
