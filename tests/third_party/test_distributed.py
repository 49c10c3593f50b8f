"""dask.distributed: a scheduler, workers and clients that exchange tasks and data over tornado's streams on the loop under test.

Tornado runs on asyncio: its streams watch their sockets by add_reader() and add_writer(), its timers are call_at(), and distributed's
functions run in executors. Nothing leaves the loopback interface, and the dashboard stays off.
"""

import asyncio
import operator
import sys

import pytest

distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed (pip install distributed)")

QUIET = {"dashboard_address": None, "silence_logs": 50}
LOOPBACK = {"protocol": "tcp://", "host": "127.0.0.1"}


def square(number):
    return number * number


def reverse(data):
    return data[::-1]


async def fail_later(message):
    await asyncio.sleep(0)
    raise ValueError(message)


@pytest.fixture(params=["inproc", "tcp"])
def cluster(request):
    """A function that makes a cluster of two workers in this process; they talk through queues, or by TCP."""

    def make():
        where = LOOPBACK if request.param == "tcp" else {"protocol": "inproc://"}
        return distributed.LocalCluster(processes=False, n_workers=2, threads_per_worker=1, asynchronous=True, **where, **QUIET)

    return make


def test_maps_and_gathers_have_their_results_in_order(run, cluster):
    async def main():
        async with cluster() as running, distributed.Client(running, asynchronous=True) as client:
            squares = client.map(square, range(200))
            total = client.submit(sum, squares)
            assert await client.gather(squares) == [number * number for number in range(200)]
            assert await total == sum(number * number for number in range(200))
            added = client.map(operator.add, squares, squares)
            assert await client.gather(added) == [2 * number * number for number in range(200)]

    run(main())


def test_large_data_comes_back_byte_for_byte(run, cluster):
    data = bytes(range(256)) * 20_000

    async def main():
        async with cluster() as running, distributed.Client(running, asynchronous=True) as client:
            scattered = await client.scatter(data, broadcast=True)
            assert await client.submit(reverse, scattered) == data[::-1]

    run(main())


def test_exception_of_a_task_is_raised_where_it_is_awaited(run, cluster):
    async def main():
        async with cluster() as running, distributed.Client(running, asynchronous=True) as client:
            with pytest.raises(ValueError, match="in the worker"):
                await client.submit(fail_later, "in the worker")
            assert await client.submit(square, 3) == 9

    run(main())


def test_several_clients_share_variables_locks_and_queues(run, cluster):
    async def count(client, name):
        async with distributed.Lock("lock", client=client):
            variable = distributed.Variable(name, client=client)
            await variable.set(await variable.get(timeout=10) + 1)

    async def main():
        async with cluster() as running, distributed.Client(running, asynchronous=True) as first:
            async with distributed.Client(running, asynchronous=True) as second:
                await distributed.Variable("counter", client=first).set(0)
                await asyncio.gather(*[count(client, "counter") for client in (first, second) * 5])
                assert await distributed.Variable("counter", client=second).get() == 10

    run(main())


def test_a_worker_in_a_process_of_its_own(run):
    async def main():
        options = {"processes": True, "n_workers": 1, "threads_per_worker": 1, "asynchronous": True}
        async with distributed.LocalCluster(**options, **LOOPBACK, **QUIET) as running, distributed.Client(running, asynchronous=True) as client:
            assert await client.gather(client.map(square, range(50))) == [number * number for number in range(50)]
            assert await client.submit(lambda: sys.version_info[:2]) == sys.version_info[:2]

    run(main())
