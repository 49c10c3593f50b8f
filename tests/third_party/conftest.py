"""Fixtures of the tests with other people's libraries: the servers that they talk to, and the check that they leave nothing behind.

PostgreSQL and Redis are the real ones, from Debian's packages. The first test that needs one starts it on a free port and in its own
folder. It ends with the session, or with the test process if that is killed. A test is skipped, with a reason, where the server or the
Python library is not installed. Nothing leaves the loopback interface.
"""

import asyncio
import contextlib
import dataclasses
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from actors.descriptors import open_descriptors
from actors.tls import Certificate, environment_of_others

# Far longer than any test takes: it turns what would hang into a failure with a traceback.
TIME_LIMIT_S = 60
# What a library closes in the background after its last call has this long to close.
CLOSING_LIMIT_S = 10
STARTING_LIMIT_S = 60


# Running on the loop under test


@pytest.fixture
def run(loop):
    """A function that runs a coroutine on the loop under test and waits until no task and no descriptor of it is left.

    The loop is still open then: what is left would stay until the loop of a server ends.
    """

    def left_behind(descriptors_before):
        tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
        return sorted(map(repr, tasks)) + sorted(map(repr, open_descriptors().items() - descriptors_before.items()))

    async def wait_until_nothing_is_left(descriptors_before):
        give_up_at = loop.time() + CLOSING_LIMIT_S
        while left_behind(descriptors_before) and loop.time() < give_up_at:
            await asyncio.sleep(0.001)
        assert left_behind(descriptors_before) == []

    def run(coroutine):
        # What the loop opens for itself is open after one turn.
        loop.run_until_complete(asyncio.sleep(0))
        descriptors_before = open_descriptors()
        result = loop.run_until_complete(asyncio.wait_for(coroutine, TIME_LIMIT_S))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(wait_until_nothing_is_left(descriptors_before))
        return result

    return run


# Servers in processes of their own


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


@contextlib.contextmanager
def server_process(command_for_port, is_ready, log_path, stop_signal, **popen_arguments):
    """Run a server until the block ends; gives its port.

    command_for_port(port): its command line. is_ready(port): whether it answers; asked until it does.
    """
    for is_last_attempt in (False, False, True):
        port = free_port()
        with open(log_path, "w") as log:
            command = [*map(str, command_for_port(port))]
            # The kernel stops the server if the test process is killed and cannot.
            if shutil.which("setpriv"):
                command = ["setpriv", "--pdeathsig", stop_signal.name, "--", *command]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment_of_others(), **popen_arguments
            )
        try:
            give_up_at = time.monotonic() + STARTING_LIMIT_S
            while process.poll() is None and not is_ready(port):
                if time.monotonic() > give_up_at:
                    pytest.fail(f"{command} does not answer:\n{Path(log_path).read_text()}")
                time.sleep(0.01)
            if process.poll() is None:
                yield port
                return
        finally:
            if process.poll() is None:
                process.send_signal(stop_signal)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
            process.wait()
        # It ended by itself: somebody else may have taken the port in the meantime.
        if is_last_attempt:
            pytest.fail(f"{command} does not start:\n{Path(log_path).read_text()}")


@dataclasses.dataclass(frozen=True)
class PostgresqlServer:
    """A running PostgreSQL: a password over TCP, with or without TLS, and none through the Unix socket."""

    port: int
    socket_directory: str
    user: str
    password: str
    certificate: Certificate


def postgresql_binaries():
    """Return the folder of initdb and postgres of the newest PostgreSQL, or None."""
    # Debian keeps them off PATH.
    folders = [Path(path).parent for path in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    if folders:
        return max(folders, key=lambda folder: float(folder.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def unprivileged_account():
    """Arguments for Popen that drop root's rights, which PostgreSQL refuses to have."""
    if os.geteuid() != 0:
        return {}
    names = {account.pw_name: account for account in pwd.getpwall()}
    account = names.get("postgres") or names["nobody"]
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgresql(request):
    binaries = postgresql_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian package: postgresql)")
    certificate = request.getfixturevalue("certificate")
    # Not pytest's folder for temporary files, which other accounts cannot enter.
    with tempfile.TemporaryDirectory(prefix="fastloop-postgresql-") as folder:
        account = unprivileged_account()
        data, log_path = os.path.join(folder, "data"), os.path.join(folder, "log")
        server_certificate, key, password_file = (os.path.join(folder, name) for name in ("certificate.pem", "key.pem", "password"))
        shutil.copyfile(certificate.certificate_path, server_certificate)
        shutil.copyfile(certificate.key_path, key)
        Path(password_file).write_text("correct horse")
        for path in (folder, server_certificate, key, password_file):
            os.chmod(path, 0o700 if path == folder else 0o600)
            if account:
                os.chown(path, account["user"], account["group"])
        initdb = [binaries / "initdb", "-D", data, "-U", "fastloop", "--encoding=UTF8", "--locale=C", "--no-sync"]
        initdb += ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password_file}"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, env=environment_of_others(), **account)
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": folder,
            "ssl": "on",
            "ssl_cert_file": server_certificate,
            "ssl_key_file": key,
            "max_connections": 60,
            "shared_buffers": "16MB",
            "fsync": "off",
        }

        def command_for_port(port):
            options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
            return [binaries / "postgres", "-D", data, "-p", str(port), *options]

        def is_ready(port):
            asked = [binaries / "pg_isready", "-q", "-h", folder, "-p", str(port)]
            return subprocess.run(asked, capture_output=True, cwd=folder, env=environment_of_others()).returncode == 0

        # SIGINT is its fast shutdown, which does not wait for clients.
        with server_process(command_for_port, is_ready, log_path, signal.SIGINT, cwd=folder, **account) as port:
            yield PostgresqlServer(port, folder, "fastloop", "correct horse", certificate)


@dataclasses.dataclass(frozen=True)
class RedisServer:
    """A running Redis that keeps its data in memory only."""

    port: int
    socket_path: str


@contextlib.contextmanager
def running_redis(arguments_for_port, connect):
    """Run a Redis until the block ends; connect(port) gives a socket to it."""
    if shutil.which("redis-server") is None:
        pytest.skip("Redis is not installed (Debian package: redis-server)")
    with tempfile.TemporaryDirectory(prefix="fastloop-redis-") as folder:
        socket_path = os.path.join(folder, "socket")

        def command_for_port(port):
            where = ["--bind", "127.0.0.1", *arguments_for_port(port), "--unixsocket", socket_path, "--dir", folder]
            return ["redis-server", *where, "--save", "", "--appendonly", "no", "--daemonize", "no"]

        def is_ready(port):
            with contextlib.suppress(OSError), connect(port) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
            return False

        with server_process(command_for_port, is_ready, os.path.join(folder, "log"), signal.SIGTERM) as port:
            yield RedisServer(port, socket_path)


def connect_in_clear(port):
    return socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.fixture(scope="session")
def redis_server():
    with running_redis(lambda port: ["--port", port], connect_in_clear) as server:
        yield server


@pytest.fixture(scope="session")
def redis_tls_server(certificate):
    """A Redis that speaks nothing but TLS."""

    def arguments_for_port(port):
        files = {"cert": certificate.certificate_path, "key": certificate.key_path, "ca-cert": certificate.certificate_path}
        options = [text for name, path in files.items() for text in (f"--tls-{name}-file", path)]
        return ["--port", 0, "--tls-port", port, "--tls-auth-clients", "no", *options]

    def connect(port):
        return certificate.client_context().wrap_socket(connect_in_clear(port), server_hostname="localhost")

    with running_redis(arguments_for_port, connect) as server:
        yield server


# An ASGI server in this process


@pytest.fixture
def serve_asgi():
    """A function that serves an ASGI application with uvicorn: an asynchronous context manager that gives the server and its port.

    configuration: what uvicorn.Config takes, here with lifespan events and the headers that change with time switched off.
    """
    uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed (pip install uvicorn)")

    @contextlib.asynccontextmanager
    async def serve(application, **configuration):
        # With the protocol's number, which accepted sockets inherit: asyncio sets TCP_NODELAY only where it sees it.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.bind(("127.0.0.1", 0))
        # Clients need not wait for uvicorn to be ready.
        listening.listen(1000)
        port = listening.getsockname()[1]
        defaults = {"loop": "none", "lifespan": "off", "log_config": None, "date_header": False, "server_header": False}
        server = uvicorn.Server(uvicorn.Config(application, **{**defaults, **configuration}))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield server, port
        finally:
            server.should_exit = True
            await serving

    return serve
