# /// script
# dependencies = ["nest_asyncio"]
# ///
"""asyncio.run() inside of a running loop"""

import asyncio

import nest_asyncio
from checks import check_loop

import fastloop


async def inner():
    await asyncio.sleep(0.001)
    return "inner"


async def main():
    check_loop()
    nest_asyncio.apply()
    return asyncio.get_running_loop().run_until_complete(inner())


assert fastloop.run(main()) == "inner"
