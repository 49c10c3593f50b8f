# /// script
# dependencies = ["redis"]
# ///
"""commands, a pipeline, publish and subscribe, with a real server"""

import asyncio
import shutil
import subprocess
import sys

import redis.asyncio as redis
from checks import check_loop, free_port

import fastloop

if shutil.which("redis-server") is None:
    print("redis-server is not installed")
    sys.exit(77)


async def main(port):
    check_loop()
    async with redis.Redis(port=port) as client:
        while True:
            try:
                await client.ping()
                break
            except redis.ConnectionError:
                await asyncio.sleep(0.05)
        async with client.pipeline() as pipeline:
            assert await pipeline.set("a", 1).incr("a").execute() == [True, 2]
        async with client.pubsub() as pubsub:
            await pubsub.subscribe("news")
            assert (await pubsub.get_message(timeout=5))["type"] == "subscribe"
            await client.publish("news", "hello")
            assert (await pubsub.get_message(timeout=5))["data"] == b"hello"


port = free_port()
server = subprocess.Popen(["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)
try:
    fastloop.run(main(port))
finally:
    server.terminate()
    server.wait()
