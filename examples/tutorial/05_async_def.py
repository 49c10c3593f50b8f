"""A coroutine is a function that can wait without stopping the others."""

import fastloop as asyncio


async def compute(x, y):
    print(f"compute {x} + {y}")
    await asyncio.sleep(0.01)
    return x + y


async def print_sum(x, y):
    result = await compute(x, y)
    print(f"{x} + {y} = {result}")
    return result


async def fail():
    await asyncio.sleep(0)
    raise ValueError("no luck")


async def main():
    print(f"main got {await print_sum(1, 2)}")
    try:
        await fail()
    except ValueError as error:
        print(f"main caught {error}")


loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
