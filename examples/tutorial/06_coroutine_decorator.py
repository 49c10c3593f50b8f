"""The coroutine decorator of Python 3.10 and before: a generator with `yield from` is a coroutine.

asyncio dropped it in Python 3.11, so it comes from fastloop whichever loop is in use.
"""

import fastloop as asyncio
from fastloop import coroutine


@coroutine
def count_down(name, count):
    while count:
        print(f"{name}: {count}")
        yield from asyncio.sleep(0)
        count -= 1
    return f"{name} lifted off"


@coroutine
def plain_function():
    return "a plain function can be awaited, too"


@coroutine
def main():
    first, second = yield from asyncio.gather(count_down("one", 2), count_down("two", 3))
    print(first)
    print(second)
    print((yield from plain_function()))


async def modern():
    print(f"awaited: {await count_down('three', 1)}")


loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.run_until_complete(modern())
loop.close()
