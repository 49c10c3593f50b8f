"""asyncssh's client and server on one loop: processes, redirection, files, forwarded ports.

It reads and writes pipes through the loop's pipe transports, multiplexes many channels on one connection with its own flow control,
and relies on a few turns of the loop to order what a redirected pipe still holds.
"""

import asyncio
import contextlib
import os
import pty
import random
import socket

import pytest

asyncssh = pytest.importorskip("asyncssh", reason="asyncssh is not installed (pip install asyncssh)")

pytestmark = pytest.mark.usefixtures("loop")

LARGE_BYTES = 1 << 20


class OpenServer(asyncssh.SSHServer):
    """Lets every user in, and forwards every port."""

    def begin_auth(self, username):
        return False

    def connection_requested(self, *addresses):
        return True

    def server_requested(self, *address):
        return True


@pytest.fixture(scope="module")
def host_key():
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
def connected(host_key):
    """A function that serves and gives a client's connection: an asynchronous context manager.

    handle(process): what the server does with each session; arguments go to asyncssh.listen().
    """

    @contextlib.asynccontextmanager
    async def connected(handle=None, **arguments):
        known_hosts = asyncssh.import_known_hosts(f"* {host_key.export_public_key().decode()}")
        server = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=OpenServer, server_host_keys=[host_key], process_factory=handle, encoding=None, **arguments
        )
        # Nothing of the account that runs the tests: no configuration, no keys, no agent.
        options = {"config": None, "client_keys": None, "agent_path": None, "username": "ann", "known_hosts": known_hosts}
        async with server, asyncssh.connect("127.0.0.1", server.get_port(), **options) as connection:
            yield connection

    return connected


async def copy(process):
    """What cat does, line by line."""
    async for piece in process.stdin:
        process.stdout.write(piece)
        await process.stdout.drain()
    process.exit(0)


def random_lines(seed, size):
    return random.Random(seed).randbytes(size // 2).hex(sep="\n", bytes_per_sep=40).encode() + b"\n"


# Processes


async def test_process_gives_back_what_it_is_sent(connected):
    data = random_lines(1, LARGE_BYTES)
    async with connected(copy) as connection:
        completed = await connection.run("copy", input=data, encoding=None, check=True)
    assert completed.stdout == data


async def test_many_processes_share_a_connection(connected):
    async def answer(process):
        process.stdout.write(process.command.encode()[::-1])
        process.stderr.write(b"to %s" % process.command.encode())
        process.exit(len(process.command))

    async with connected(answer) as connection:
        # More at once than the server lets wait: each is a channel of the one connection.
        completed = await asyncio.gather(*[connection.run("x" * number + "y", encoding=None) for number in range(50)])
    for number, process in enumerate(completed):
        command = b"x" * number + b"y"
        assert (process.stdout, process.stderr, process.exit_status) == (command[::-1], b"to " + command, number + 1)


async def test_process_that_is_interrupted_ends_with_the_signal(connected):
    async def wait(process):
        process.stdout.write(b"ready\n")
        try:
            await process.stdin.read()
        except asyncssh.SignalReceived as signal:
            process.exit_with_signal(signal.signal)

    async with connected(wait) as connection, connection.create_process("wait", encoding=None) as process:
        assert await process.stdout.readline() == b"ready\n"
        process.terminate()
        assert (await process.wait()).exit_signal[0] == "TERM"


async def test_waiting_process_is_told_when_the_connection_breaks(connected):
    async def wait_for_the_end(process):
        await process.stdin.read()

    async with connected(wait_for_the_end) as connection:
        process = await connection.create_process("wait", encoding=None)
        connection.abort()
        assert (await process.wait()).exit_status is None
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.create_process("wait")


# Redirection


def pipe_with(data):
    """Return the reading end of a pipe that holds all of data; the writing end is closed."""
    reading, writing = os.pipe()
    with open(writing, "wb") as file:
        file.write(data)
    return reading


@pytest.mark.parametrize("size", [1, 10_000, 60_000])
async def test_redirected_pipe_loses_nothing_of_what_it_holds(connected, size):
    data = random_lines(size, size)
    async with connected(copy) as connection:
        for _ in range(10):
            completed = await connection.run("copy", stdin=pipe_with(data), encoding=None, check=True)
            assert completed.stdout == data


async def test_input_redirected_to_another_socket_loses_nothing_of_what_either_holds(connected):
    async with connected(copy) as connection:
        for _ in range(20):
            (first, first_peer), (second, second_peer) = socket.socketpair(), socket.socketpair()
            with first_peer, second_peer:
                first_peer.send(b"first\n")
                second_peer.send(b"second\n")
                process = await connection.create_process("copy", stdin=first, encoding=None)
                assert await process.stdout.readline() == b"first\n"
                await process.redirect_stdin(second)
            # Both ends come at once, and the data of the second with them.
            assert (await process.wait()).stdout == b"second\n"


async def test_output_into_a_pipe_arrives_whole_and_in_order(connected):
    data = random_lines(1, LARGE_BYTES)
    reading, writing = os.pipe()

    def read():
        with open(reading, "rb") as file:
            return file.read()

    async with connected(copy) as connection:
        received, _ = await asyncio.gather(
            asyncio.to_thread(read), connection.run("copy", input=data, stdout=writing, encoding=None, check=True)
        )
    assert received == data


async def test_server_redirects_a_program_of_the_system_and_nothing_is_lost(connected):
    async def run_cat(process):
        program = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        await process.redirect(stdin=program.stdin, stdout=program.stdout)
        await process.stdout.drain()
        process.exit(await program.wait())
        await process.wait_closed()

    async with connected(run_cat) as connection:
        for size in (0, 1, 1000, 100_000, 1_000_000):
            data = random_lines(size, size)
            completed = await connection.run("cat", input=data, encoding=None, check=True)
            assert completed.stdout == data


async def test_shell_on_a_terminal_of_the_server(connected):
    async def run_shell(process):
        controller, terminal = pty.openpty()
        shell = await asyncio.create_subprocess_exec(
            "/bin/sh", stdin=terminal, stdout=terminal, stderr=terminal, env={"PS1": "", "PATH": os.environ["PATH"]}, start_new_session=True
        )
        os.close(terminal)
        # Both ways over one terminal, each with a descriptor of its own.
        await process.redirect(stdin=os.dup(controller), stdout=controller)
        process.exit(await shell.wait())
        await process.wait_closed()

    async with connected(run_shell) as connection:
        process = await connection.create_process(encoding=None)
        process.stdin.write(b"stty -echo; for i in $(seq 1000); do echo line $i; done; echo o''ver\n")
        output = await process.stdout.readuntil(b"over\r\n")
        # Not before: the server ends the session when the shell has ended, without what the terminal still holds.
        process.stdin.write(b"exit 7\n")
        lines = b"".join(b"line %d\r\n" % number for number in range(1, 1001))
        assert output.endswith(lines + b"over\r\n")
        assert (await process.wait()).exit_status == 7


async def test_output_of_one_process_is_the_input_of_another(connected):
    data = random_lines(1, LARGE_BYTES)
    async with connected(copy) as connection:
        first = await connection.create_process("copy", encoding=None)
        second = connection.run("copy", stdin=first.stdout, encoding=None, check=True)
        first.stdin.write(data)
        first.stdin.write_eof()
        assert (await second).stdout == data
        await first.wait_closed()


# Files and ports


async def test_files_come_back_byte_for_byte_by_sftp(connected, tmp_path):
    data = {f"file {number}": random_lines(number, number**3 * 1000) for number in range(1, 12)}
    for folder in ("local", "remote", "back"):
        (tmp_path / folder).mkdir()
    for name, content in data.items():
        (tmp_path / "local" / name).write_bytes(content)
    serve_files = {"sftp_factory": lambda channel: asyncssh.SFTPServer(channel, chroot=str(tmp_path / "remote"))}
    async with connected(**serve_files) as connection, connection.start_sftp_client() as sftp:
        await sftp.mput(str(tmp_path / "local" / "*"), "/")
        assert sorted(name for name in await sftp.listdir("/") if not name.startswith(".")) == sorted(data)
        await sftp.mget("/*", str(tmp_path / "back"))
    for folder in ("remote", "back"):
        assert {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()} == data


@pytest.mark.parametrize("direction", ["local", "remote"])
async def test_forwarded_port_carries_many_connections(connected, direction):
    async def echo(reader, writer):
        with contextlib.closing(writer):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()

    async def talk(port, number):
        data = random_lines(number, 1000 + number * 50_000)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            writer.write(data)
            writer.write_eof()
            assert await reader.read() == data
        await writer.wait_closed()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as target, connected() as connection:
        target_port = target.sockets[0].getsockname()[1]
        forward = connection.forward_local_port if direction == "local" else connection.forward_remote_port
        async with await forward("127.0.0.1", 0, "127.0.0.1", target_port) as listener:
            await asyncio.gather(*[talk(listener.get_port(), number) for number in range(20)])
