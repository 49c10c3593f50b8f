"""A program on virtual time; checked by `mypy --strict` and run by tests/test_typing.py."""

import asyncio
from typing import assert_type

import fastloop


async def main() -> float:
    await asyncio.sleep(3600)
    return asyncio.get_running_loop().time()


if __name__ == "__main__":
    moment = fastloop.testing.run(main(), io_grace_s=0.1)
    assert_type(moment, float)
    assert moment == 3600
    loop: fastloop.EventLoop = fastloop.testing.EventLoop()
    try:
        loop.run_until_complete(asyncio.sleep(1))
    except fastloop.testing.Deadlock as error:
        print(error)
    finally:
        loop.close()
