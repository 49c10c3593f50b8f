"""redis-py's asyncio client against a real redis-server: over TCP and through its Unix socket, with both versions of the protocol.

redis-py reads and writes through asyncio's streams, so what is checked here is that no byte is lost, doubled or reordered by
them, and that a connection that is given up in the middle of a command is closed and never used again.
"""

import asyncio
import contextlib
import random

import pytest

from actors.coroutines import cancel

redis_asyncio = pytest.importorskip("redis.asyncio", reason="redis-py is not installed (pip install redis)")
redis_retry = pytest.importorskip("redis.asyncio.retry")
redis_backoff = pytest.importorskip("redis.backoff")
redis_exceptions = pytest.importorskip("redis.exceptions")

pytestmark = pytest.mark.usefixtures("loop")


@pytest.fixture(params=["TCP, RESP2", "Unix socket, RESP3"])
def address(request, redis_server):
    """Arguments for the client: each way to the server with one of the versions of the protocol."""
    if request.param == "TCP, RESP2":
        return {"host": "127.0.0.1", "port": redis_server.port, "protocol": 2}
    return {"unix_socket_path": redis_server.socket_path, "protocol": 3}


@pytest.fixture
def tcp_address(redis_server):
    return {"host": "127.0.0.1", "port": redis_server.port}


@contextlib.asynccontextmanager
async def client_of_empty_server(address, **arguments):
    """Connect to a server without data; blocking commands have no time limit."""
    async with redis_asyncio.Redis(socket_timeout=None, **address, **arguments) as client:
        await client.flushall()
        yield client


async def wait_for_blocked_clients(client, count):
    """Ask the server until so many of its clients wait in a blocking command."""
    while (await client.info("clients"))["blocked_clients"] != count:
        pass


# Commands


async def test_values_come_back_byte_for_byte(address):
    async with client_of_empty_server(address) as client:
        values = {f"key {size}": random.Random(size).randbytes(size) for size in (0, 1, 2, 1000, 65535, 65536, 65537)}
        values["key of protocol"] = b"\r\n$-1\r\n*3\r\n+OK\r\n\0\xff"
        for key, value in values.items():
            assert await client.set(key, value)
        assert {key: await client.get(key) for key in values} == values
        assert await client.mget(list(values)) == list(values.values())
        assert await client.get("no such key") is None


async def test_value_of_many_megabytes_comes_back_byte_for_byte(address):
    value = random.Random(1).randbytes(24 << 20)
    async with client_of_empty_server(address) as client:
        assert await client.set("large", value)
        assert await client.strlen("large") == len(value)
        assert await client.get("large") == value
        assert await client.getrange("large", 1_000_000, 1_000_099) == value[1_000_000:1_000_100]


async def test_structures_come_back_as_they_were_stored(address):
    async with client_of_empty_server(address, decode_responses=True) as client:
        fields = {f"field {number}": f"välue {number}" for number in range(2000)}
        await client.hset("hash", mapping=fields)
        assert await client.hgetall("hash") == fields
        await client.rpush("list", *range(5000))
        assert await client.lrange("list", 0, -1) == [str(number) for number in range(5000)]
        assert [key async for key in client.scan_iter(count=1)] != []


async def test_error_of_the_server_is_raised_and_the_connection_goes_on(address):
    async with client_of_empty_server(address) as client:
        await client.set("text", "no number")
        for _ in range(3):
            with pytest.raises(redis_exceptions.ResponseError, match="not an integer"):
                await client.incr("text")
            assert await client.get("text") == b"no number"


# Pipelines


@pytest.mark.parametrize("is_transaction", [False, True], ids=["plain", "transaction"])
async def test_pipeline_of_ten_thousand_commands_answers_each_in_its_place(address, is_transaction):
    async with client_of_empty_server(address) as client, client.pipeline(transaction=is_transaction) as pipeline:
        for number in range(5000):
            pipeline.set(f"key {number}", f"value {number}" * 5)
            pipeline.get(f"key {number}")
        answers = await pipeline.execute()
        assert answers[0::2] == [True] * 5000
        assert answers[1::2] == [f"value {number}".encode() * 5 for number in range(5000)]


async def test_transaction_on_a_changed_key_raises_watch_error(tcp_address):
    async with client_of_empty_server(tcp_address) as client, client.pipeline() as pipeline:
        await client.set("watched", 1)
        await pipeline.watch("watched")
        await client.set("watched", 2)
        pipeline.multi()
        pipeline.set("watched", 3)
        with pytest.raises(redis_exceptions.WatchError):
            await pipeline.execute()
        assert await client.get("watched") == b"2"


# Publish and subscribe


async def test_subscriber_gets_every_message_in_order(address):
    sent = [f"message {number} ".encode() + bytes([number % 256]) * (number * 7 % 3000) for number in range(2000)]

    async def receive(subscription):
        received = []
        async for message in subscription.listen():
            if message["type"] == "message":
                received.append(message["data"])
            if len(received) == len(sent):
                return received

    async with client_of_empty_server(address) as client, client.pubsub() as subscription, client.pubsub() as other:
        for one in subscription, other:
            await one.subscribe("channel")
        receiving = [asyncio.create_task(receive(one)) for one in (subscription, other)]
        # The server counts a subscription once it has read it.
        while (await client.pubsub_numsub("channel"))[0][1] != 2:
            pass
        for start in range(0, len(sent), 100):
            async with client.pipeline(transaction=False) as pipeline:
                for data in sent[start : start + 100]:
                    pipeline.publish("channel", data)
                assert await pipeline.execute() == [2] * 100
        assert await asyncio.gather(*receiving) == [sent, sent]


async def test_pattern_subscriber_that_is_cancelled_while_waiting_leaves_the_server(address):
    async with client_of_empty_server(address) as client:
        async with client.pubsub() as subscription:
            await subscription.psubscribe("news.*")

            async def wait_for_more():
                return [message async for message in subscription.listen()]

            waiting = asyncio.create_task(wait_for_more())
            while await client.publish("news.weather", "rain") != 1:
                pass
            await cancel(waiting)
        while await client.publish("news.weather", "sun") != 0:
            pass


# Blocking commands and cancellation


async def test_blocked_pop_gets_what_is_pushed_later(address):
    async with client_of_empty_server(address) as client:
        popping = asyncio.create_task(client.blpop(["first", "second"], timeout=0))
        await wait_for_blocked_clients(client, 1)
        await client.rpush("second", "pushed")
        assert tuple(await popping) == (b"second", b"pushed")


async def test_cancelled_blocking_pop_takes_nothing(address):
    async with client_of_empty_server(address) as client:
        popping = [asyncio.create_task(client.blpop("queue", timeout=0)) for _ in range(10)]
        await wait_for_blocked_clients(client, 10)
        for task in popping:
            task.cancel()
        ended = await asyncio.gather(*popping, return_exceptions=True)
        assert [type(end) for end in ended] == [asyncio.CancelledError] * 10
        await wait_for_blocked_clients(client, 0)
        await client.rpush("queue", "one", "two")
        assert await client.lrange("queue", 0, -1) == [b"one", b"two"]
        assert tuple(await client.blpop("queue", timeout=0)) == (b"queue", b"one")


async def test_blocking_pop_past_its_time_limit_is_cancelled_and_its_answer_goes_to_nobody_else(address):
    async with client_of_empty_server(address) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.blpop("queue", timeout=0), 0.02)
        await wait_for_blocked_clients(client, 0)
        assert await client.set("key", "value")
        assert await client.get("key") == b"value"


async def test_commands_cancelled_at_random_never_get_each_others_answers(tcp_address):
    async with client_of_empty_server(tcp_address, max_connections=100) as client:
        value = {number: f"{number}:".encode() * 2000 for number in range(50)}
        for number, data in value.items():
            await client.set(f"key {number}", data)
        choice = random.Random(2)
        for _ in range(20):
            tasks = [asyncio.create_task(client.get(f"key {number}")) for number in value]
            for _ in range(choice.randrange(8)):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert [answer for answer in answers[1::2]] == [value[number] for number in list(value)[1::2]]
            assert all(isinstance(answer, asyncio.CancelledError) or answer in value.values() for answer in answers[::2])
        assert await client.ping()


# Many connections


async def test_many_tasks_share_a_bounded_pool(address):
    async with client_of_empty_server(address) as observer:
        kind = redis_asyncio.UnixDomainSocketConnection if "unix_socket_path" in address else redis_asyncio.Connection
        arguments = {"path" if name == "unix_socket_path" else name: value for name, value in address.items()}
        pool = redis_asyncio.BlockingConnectionPool(connection_class=kind, max_connections=20, timeout=60, **arguments)

        async def count(client):
            return [await client.incr("counter") for _ in range(10)]

        async with redis_asyncio.Redis.from_pool(pool) as client:
            counted = await asyncio.gather(*[count(client) for _ in range(200)])
            assert (await observer.info("clients"))["connected_clients"] <= 21
        assert sorted(number for numbers in counted for number in numbers) == list(range(1, 2001))
        # The server sees every connection of the pool end.
        while (await observer.info("clients"))["connected_clients"] != 1:
            pass


async def test_connection_killed_by_the_server_ends_the_blocked_command_and_the_next_one_reconnects(address):
    async with client_of_empty_server(address) as observer:
        never = redis_retry.Retry(redis_backoff.NoBackoff(), 0)
        async with redis_asyncio.Redis(socket_timeout=None, client_name="victim", retry=never, **address) as client:
            popping = asyncio.create_task(client.blpop("queue", timeout=0))
            await wait_for_blocked_clients(observer, 1)
            victim = next(one for one in await observer.client_list() if one["name"] == "victim")
            assert await observer.client_kill_filter(_id=victim["id"])
            with pytest.raises(redis_exceptions.ConnectionError):
                await popping
            assert await client.ping()
