"""One process of a Dask cluster on fastloop: scheduler, or worker ADDRESS, or client ADDRESS GATE. Run by test_distributed.py."""

import asyncio
import os
import sys
import time

from distributed import Client, Scheduler, Worker, as_completed

import fastloop

COUNT = 2000


def square(number, gate):
    # The second half waits until the test has killed a worker.
    while number >= COUNT // 2 and not os.path.exists(gate):
        time.sleep(0.001)
    return number * number


async def serve(server, address):
    async with server:
        assert server.loop.asyncio_loop is asyncio.get_running_loop()
        print(address or server.address, flush=True)
        await server.finished()


async def scheduler():
    await serve(Scheduler(host="127.0.0.1", port=0, dashboard_address=None), None)


async def worker(address):
    await serve(Worker(address, nthreads=4, dashboard_address=None), address)


async def client(address, gate):
    async with Client(address, asynchronous=True) as client:
        await client.wait_for_workers(2)
        futures = client.map(square, range(COUNT), gate=gate, pure=False)
        await client.gather(futures[: COUNT // 2])
        print("half", flush=True)
        total = sum([await future async for future in as_completed(futures)])
        assert len((await client.scheduler.identity())["workers"]) == 1
        print(total, flush=True)


fastloop.run({"scheduler": scheduler, "worker": worker, "client": client}[sys.argv[1]](*sys.argv[2:]))
