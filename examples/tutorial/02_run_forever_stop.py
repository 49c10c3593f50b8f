"""run_forever() runs until somebody calls stop(), and can be called again."""

import fastloop as asyncio


def tick(count):
    print(f"tick {count}")
    if count == 3:
        print("stop")
        loop.stop()
    else:
        loop.call_later(0.01, tick, count + 1)


loop = asyncio.new_event_loop()

loop.call_soon(tick, 1)
loop.run_forever()
print(f"running: {loop.is_running()}, closed: {loop.is_closed()}")

# stop() lets the callbacks that are ready finish first.
loop.call_soon(loop.stop)
loop.call_soon(print, "again")
loop.run_forever()

loop.close()
print(f"running: {loop.is_running()}, closed: {loop.is_closed()}")
