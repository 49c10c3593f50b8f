"""A Future is a result that is not there yet: somebody sets it, somebody else reads it."""

import fastloop as asyncio


async def cook(order):
    print("cooking")
    await asyncio.sleep(0.01)
    order.set_result("pancakes")
    print("cooked")


loop = asyncio.new_event_loop()
order = loop.create_future()
print(f"done: {order.done()}")

cooking = loop.create_task(cook(order))
served = loop.run_until_complete(order)
print(f"run_until_complete returned {served!r}")
print(f"done: {order.done()}, result: {order.result()!r}, exception: {order.exception()}")

loop.run_until_complete(cooking)
loop.close()
