"""The loop runs callbacks: soon, later, and it tells the time."""

import fastloop as asyncio


def say(word):
    print(word)


def finish(started_at):
    print(f"later: half a second has passed: {loop.time() - started_at >= 0.5}")
    loop.stop()


# Python 3.14 and later do not make a loop by themselves, so set one for get_event_loop() to return.
asyncio.set_event_loop(asyncio.new_event_loop())
loop = asyncio.get_event_loop()

loop.call_later(0.5, finish, loop.time())
loop.call_soon(say, "first")
loop.call_soon(say, "second")
print("nothing has run yet")

loop.run_forever()
loop.close()
