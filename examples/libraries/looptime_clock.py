# /// script
# dependencies = ["looptime", "pytest-asyncio>=1.4"]
# ///
"""a sleep of an hour by its clock"""

import asyncio

import looptime

import fastloop


async def main():
    assert isinstance(asyncio.get_running_loop(), fastloop.EventLoop)
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(3600)
    return asyncio.get_running_loop().time() - began


loop = looptime.patch_event_loop(fastloop.new_event_loop())
assert loop.run_until_complete(main()) == 3600
loop.close()
