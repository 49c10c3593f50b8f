# /// script
# dependencies = ["coverage"]
# ///
"""which lines of callbacks, tasks and protocols ran"""

import coverage

measured = coverage.Coverage(data_file=None, include=[__file__])
measured.start()

import asyncio  # noqa: E402

import fastloop  # noqa: E402


def callback(future):
    future.set_result("called")


async def main():
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(callback, future)
    await asyncio.sleep(0)
    return await future


assert fastloop.run(main()) == "called"
measured.stop()
executed = measured.get_data().lines(__file__)
source = open(__file__).read().splitlines()
for line in ('    future.set_result("called")', "    return await future"):
    assert source.index(line) + 1 in executed, line
