# /// script
# dependencies = ["zeroconf"]
# ///
"""multicast DNS on the loopback interface"""

import asyncio
import socket

from checks import check_loop, free_port
from zeroconf import ServiceInfo
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

import fastloop

TYPE = "_fastloop._tcp.local."
NAME = f"example.{TYPE}"


async def main():
    check_loop()
    here = AsyncZeroconf(interfaces=["127.0.0.1"])
    there = AsyncZeroconf(interfaces=["127.0.0.1"])
    info = ServiceInfo(TYPE, NAME, port=free_port(), addresses=[socket.inet_aton("127.0.0.1")], server="example.local.")
    await (await here.async_register_service(info))
    found = AsyncServiceInfo(TYPE, NAME)
    assert await found.async_request(there.zeroconf, 5000)
    assert found.port == info.port
    await asyncio.gather(here.async_close(), there.async_close())


fastloop.run(main())
