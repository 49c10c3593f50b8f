"""asyncpg against a real PostgreSQL: over TCP, over TLS, and through the Unix socket.

asyncpg is a protocol in Cython that uses the loop's transports directly, starts TLS on a connection that is in use, and cancels a
query through a second connection. The tests wait for what the server says about itself (pg_stat_activity, pg_locks, pg_stat_ssl),
and compare with it.
"""

import asyncio
import contextlib
import hashlib
import io
import random

import pytest

from actors.coroutines import cancel

asyncpg = pytest.importorskip("asyncpg", reason="asyncpg is not installed (pip install asyncpg)")

pytestmark = pytest.mark.usefixtures("loop")

WAYS = ["TCP", "TLS", "Unix socket"]


def arguments_for(way, server):
    """Return what asyncpg.connect() needs to get to the server in this way."""
    arguments = {"user": server.user, "database": "postgres", "port": server.port}
    if way == "Unix socket":
        return {**arguments, "host": server.socket_directory, "ssl": False}
    tls = server.certificate.client_context() if way == "TLS" else False
    return {**arguments, "host": "127.0.0.1", "password": server.password, "ssl": tls}


@pytest.fixture(params=WAYS)
def address(request, postgresql):
    """Arguments for asyncpg.connect(): one way to the server."""
    return arguments_for(request.param, postgresql)


@pytest.fixture
def unix_address(postgresql):
    return arguments_for("Unix socket", postgresql)


@contextlib.asynccontextmanager
async def connected(address, count=1):
    """Open connections; give one or a list."""
    async with contextlib.AsyncExitStack() as stack:
        connections = []
        for _ in range(count):
            connections.append(await asyncpg.connect(**address))
            stack.push_async_callback(connections[-1].close)
        yield connections if count > 1 else connections[0]


async def wait_until_waiting_for_lock(observer, pid):
    """Ask the server until the query of this backend waits for an advisory lock."""
    while not await observer.fetchval("SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted", pid):
        pass


async def wait_until_idle(observer, pid):
    """Ask the server until this backend runs no query."""
    while await observer.fetchval("SELECT state FROM pg_stat_activity WHERE pid = $1", pid) != "idle":
        pass


# Queries


@pytest.mark.parametrize("way", WAYS)
async def test_connection_is_made_in_the_way_that_was_asked_for(postgresql, way):
    async with connected(arguments_for(way, postgresql)) as connection:
        is_tls = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        client_port = await connection.fetchval("SELECT client_port FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    assert (is_tls, client_port == -1) == (way == "TLS", way == "Unix socket")


async def test_wrong_password_is_refused(postgresql):
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(**{**arguments_for("TCP", postgresql), "password": "wrong"})


async def test_rows_come_back_with_every_value(address):
    async with connected(address) as connection:
        rows = await connection.fetch("SELECT n, repeat(n::text, n % 50), n / 2.0::float8 FROM generate_series(1, 5000) AS n")
        assert [tuple(row) for row in rows] == [(n, str(n) * (n % 50), n / 2) for n in range(1, 5001)]


async def test_prepared_statement_answers_many_executions(address):
    async with connected(address) as connection:
        statement = await connection.prepare("SELECT $1::int * $2::int AS product, $3::bytea AS data")
        for number in range(300):
            data = random.Random(number).randbytes(number * 13)
            assert tuple(await statement.fetchrow(number, 7, data)) == (number * 7, data)


async def test_values_of_every_size_come_back_byte_for_byte(address):
    async with connected(address) as connection:
        for size_bytes in (0, 1, 8191, 8192, 65536, 8 << 20):
            data = random.Random(size_bytes).randbytes(size_bytes)
            assert await connection.fetchval("SELECT $1::bytea", data) == data
            assert await connection.fetchval("SELECT md5($1::bytea)", data) == hashlib.md5(data).hexdigest()


async def test_error_of_a_query_is_raised_and_the_connection_goes_on(address):
    async with connected(address) as connection:
        for _ in range(3):
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetch("SELECT 1 / (n - 500) FROM generate_series(1, 1000) AS n")
            assert await connection.fetchval("SELECT 42") == 42


async def test_cursor_in_a_transaction_gives_every_row_once(unix_address):
    async with connected(unix_address) as connection, connection.transaction():
        rows = connection.cursor("SELECT generate_series(1, 3000)", prefetch=70)
        assert [row[0] async for row in rows] == list(range(1, 3001))


async def test_transaction_that_fails_leaves_nothing_in_the_table(unix_address):
    async with connected(unix_address) as connection:
        await connection.execute("CREATE TEMP TABLE kept (n int PRIMARY KEY)")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with connection.transaction():
                await connection.executemany("INSERT INTO kept VALUES ($1)", [(n,) for n in (1, 2, 3, 1)])
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0


# COPY


async def test_copied_records_are_copied_out_again_byte_for_byte(address):
    records = [(number, f"line {number} ä", random.Random(number).randbytes(number % 97)) for number in range(20_000)]
    expected = "".join(f"{number}\t{text}\t\\\\x{data.hex()}\n" for number, text, data in records).encode()
    async with connected(address) as connection:
        await connection.execute("CREATE TEMP TABLE copied (number int, line text, data bytea)")
        assert await connection.copy_records_to_table("copied", records=records) == "COPY 20000"
        out = io.BytesIO()
        assert await connection.copy_from_query("SELECT * FROM copied ORDER BY number", output=out) == "COPY 20000"
        assert out.getvalue() == expected


async def test_copy_from_an_asynchronous_source_arrives_byte_for_byte(address):
    data = random.Random(3).randbytes(3 << 20).hex().encode()
    text = b"\n".join(data[start : start + 5000] for start in range(0, len(data), 5000)) + b"\n"

    async def pieces():
        for start in range(0, len(text), 40_001):
            await asyncio.sleep(0)
            yield text[start : start + 40_001]

    async with connected(address) as connection:
        await connection.execute("CREATE TEMP TABLE copied (position serial, line text)")
        await connection.copy_to_table("copied", source=pieces(), columns=["line"])
        received = []

        async def receive(piece):
            await asyncio.sleep(0)
            received.append(bytes(piece))

        await connection.copy_from_query("SELECT line FROM copied ORDER BY position", output=receive)
        assert b"".join(received) == text


async def test_copy_whose_source_fails_is_given_up_and_the_connection_goes_on(unix_address):
    async def pieces():
        yield b"1\n2\n"
        raise LookupError("the source is broken")

    async with connected(unix_address) as connection:
        await connection.execute("CREATE TEMP TABLE copied (n int)")
        with pytest.raises(LookupError, match="the source is broken"):
            await connection.copy_to_table("copied", source=pieces())
        assert await connection.fetchval("SELECT count(*) FROM copied") == 0


# LISTEN and NOTIFY


async def test_listener_gets_every_notification_in_order(address):
    sent = [f"{number} " + "x" * (number * 11 % 7000) for number in range(500)]
    received = asyncio.Queue()
    async with connected(address, 2) as (listening, notifying):
        await listening.add_listener("news", lambda connection, pid, channel, payload: received.put_nowait((channel, payload)))
        await notifying.executemany("SELECT pg_notify('news', $1)", [(payload,) for payload in sent])
        assert [await received.get() for _ in sent] == [("news", payload) for payload in sent]
        await listening.reset()
        await notifying.execute("NOTIFY news, 'too late'")
        assert await listening.fetchval("SELECT 1") == 1
        assert received.empty()


# Cancellation


async def test_query_past_its_time_limit_is_cancelled_on_the_server(address):
    async with connected(address, 2) as (connection, observer):
        with pytest.raises(TimeoutError):
            await connection.execute("SELECT pg_sleep(600)", timeout=0.05)
        await wait_until_idle(observer, connection.get_server_pid())
        assert await connection.fetchval("SELECT 'usable'") == "usable"


async def test_cancelled_task_cancels_its_query_on_the_server(address):
    async with connected(address, 2) as (connection, observer):
        await observer.execute("SELECT pg_advisory_lock(1)")
        waiting = asyncio.create_task(connection.execute("SELECT pg_advisory_lock(1)"))
        await wait_until_waiting_for_lock(observer, connection.get_server_pid())
        await cancel(waiting)
        await wait_until_idle(observer, connection.get_server_pid())
        assert await connection.fetchval("SELECT 'usable'") == "usable"


async def test_query_blocked_by_another_goes_on_when_that_one_ends(address):
    async with connected(address, 2) as (connection, observer):
        await observer.execute("SELECT pg_advisory_lock(1)")
        waiting = asyncio.create_task(connection.fetchval("SELECT 'locked', pg_advisory_lock(1)"))
        await wait_until_waiting_for_lock(observer, connection.get_server_pid())
        await observer.execute("SELECT pg_advisory_unlock(1)")
        assert await waiting == "locked"


async def test_connection_that_the_server_terminates_fails_its_query_and_is_closed(address):
    async with connected(address, 2) as (connection, observer):
        terminated = asyncio.get_running_loop().create_future()
        connection.add_termination_listener(terminated.set_result)
        sleeping = asyncio.create_task(connection.execute("SELECT pg_sleep(600)"))
        active = "SELECT state FROM pg_stat_activity WHERE pid = $1"
        while await observer.fetchval(active, connection.get_server_pid()) != "active":
            pass
        await observer.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        with pytest.raises((asyncpg.AdminShutdownError, asyncpg.ConnectionDoesNotExistError)):
            await sleeping
        assert await terminated is connection
        assert connection.is_closed()


# Pools


async def test_many_tasks_share_a_pool_of_few_connections(address):
    async with asyncpg.create_pool(**address, min_size=2, max_size=10) as pool:
        pids = set()

        async def work(number):
            async with pool.acquire() as connection, connection.transaction():
                pids.add(connection.get_server_pid())
                assert len(await connection.fetch("SELECT generate_series(1, $1::int)", number)) == number
                return await connection.fetchval("SELECT $1::int * 2", number)

        assert await asyncio.gather(*map(work, range(300))) == [number * 2 for number in range(300)]
        assert 1 < len(pids) <= 10


async def test_tasks_cancelled_at_random_leave_the_pool_usable(unix_address):
    async with asyncpg.create_pool(**unix_address, min_size=5, max_size=5) as pool:
        choice = random.Random(4)
        for _ in range(10):
            tasks = [asyncio.create_task(pool.fetchval("SELECT $1::int + length(repeat('x', 20000))", n)) for n in range(20)]
            for _ in range(choice.randrange(12)):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert answers[1::2] == [20000 + number for number in range(1, 20, 2)]
        assert await asyncio.gather(*[pool.fetchval("SELECT $1::int", n) for n in range(50)]) == list(range(50))
