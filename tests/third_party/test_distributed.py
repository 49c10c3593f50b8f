"""dask.distributed: a scheduler, workers and clients that exchange tasks and data over tornado's streams on the loop under test.

Tornado runs on asyncio: its streams watch their sockets by add_reader() and add_writer(), its timers are call_at(), and distributed's
functions run in executors. Nothing leaves the loopback interface, and the dashboard stays off.
"""

import asyncio
import contextlib
import multiprocessing.resource_tracker
import operator
import subprocess
import sys
from pathlib import Path

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


@pytest.fixture(scope="module", autouse=True)
def what_stays_until_the_process_ends():
    """distributed's thread for large messages, and the process that multiprocessing starts."""
    distributed.utils._offload_executor.submit(int).result()
    multiprocessing.resource_tracker.ensure_running()


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


def test_two_clients_exchange_values_through_a_queue(run, cluster):
    async def put_all(client):
        queue = await distributed.Queue("queue", client=client, maxsize=3)
        for number in range(30):
            await queue.put(number)

    async def main():
        async with cluster() as running, distributed.Client(running, asynchronous=True) as first:
            async with distributed.Client(running, asynchronous=True) as second:
                putting = asyncio.create_task(put_all(first))
                queue = await distributed.Queue("queue", client=second)
                assert [await queue.get() for _ in range(30)] == list(range(30))
                await putting

    run(main())


def test_a_worker_in_a_process_of_its_own(run):
    async def main():
        options = {"processes": True, "n_workers": 1, "threads_per_worker": 1, "asynchronous": True}
        async with (
            distributed.LocalCluster(**options, **LOOPBACK, **QUIET) as running,
            distributed.Client(running, asynchronous=True) as client,
        ):
            # The worker cannot import this file.
            assert await client.gather(client.map(operator.neg, range(50))) == [-number for number in range(50)]

    run(main())


@pytest.fixture
def start():
    """A function that starts dask_process.py with these arguments. What still runs is killed at the end."""
    with contextlib.ExitStack() as cleanup:

        def start(*arguments):
            command = [sys.executable, Path(__file__).with_name("dask_process.py"), *arguments]
            process = cleanup.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
            cleanup.callback(process.kill)
            return process

        yield start


def test_cluster_of_four_processes_survives_the_death_of_a_worker(start, tmp_path):
    address = start("scheduler").stdout.readline().strip()
    workers = [start("worker", address) for _ in range(2)]
    gate = tmp_path / "gate"
    client = start("client", address, str(gate))
    assert [worker.stdout.readline().strip() for worker in workers] == [address, address]
    assert client.stdout.readline() == "half\n"
    workers[0].kill()
    workers[0].wait()
    gate.touch()
    assert client.communicate(timeout=60)[0] == f"{sum(number * number for number in range(2000))}\n"
    assert client.returncode == 0
