"""Ten tasks run side by side and finish in the order of their delays, not of their creation."""

import fastloop as asyncio

finished = []


async def work(number):
    await asyncio.sleep(0.02 * (10 - number))
    finished.append(number)
    return number * number


async def main():
    tasks = [asyncio.ensure_future(work(number)) for number in range(10)]
    print(f"{len(tasks)} tasks, {sum(task.done() for task in tasks)} done")

    done, pending = await asyncio.wait(tasks)
    print(f"{len(done)} done, {len(pending)} pending")
    print(f"finished: {finished}")
    print(f"results: {[task.result() for task in tasks]}")


loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
