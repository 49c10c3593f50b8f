"""A pending Future has no result to give, and its callbacks always arrive through call_soon()."""

from asyncio import InvalidStateError

import fastloop as asyncio


def try_to_read(name, read):
    try:
        print(f"{name}: {read()!r}")
    except InvalidStateError as error:
        print(f"{name}: {type(error).__name__}")


loop = asyncio.new_event_loop()
future = loop.create_future()
try_to_read("result() while pending", future.result)
try_to_read("exception() while pending", future.exception)

future.add_done_callback(lambda done: print(f"callback: {done.result()}"))
future.set_result(42)
print("the result is set, the callback has not run")
try_to_read("result()", future.result)
try_to_read("exception()", future.exception)
try_to_read("set_result() a second time", lambda: future.set_result(43))

print("now the loop runs")
loop.run_until_complete(future)

# A callback added to a future that is already done waits for the loop too.
future.add_done_callback(lambda done: print("late callback"))
print("added a late callback")
loop.call_soon(loop.stop)
loop.run_forever()
loop.close()
