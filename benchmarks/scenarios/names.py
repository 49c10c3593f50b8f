"""Names: an address that is a number already, which programs look up all the same."""

import asyncio
import socket

from benchmarks.scenario import timed_coroutine


@timed_coroutine("getaddrinfo of a numeric host", count=1_000)
async def getaddrinfo_numeric(count):
    loop = asyncio.get_running_loop()
    for _ in range(count):
        await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)


SCENARIOS = (getaddrinfo_numeric,)
