# /// script
# dependencies = ["anyio", "trio", "pytest"]
# ///
"""its pytest plugin, task groups and streams"""

import os

import anyio
import pytest
from checks import check_loop

import fastloop


@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": fastloop.new_event_loop}


@pytest.mark.anyio
async def test_loop():
    check_loop()
    send, receive = anyio.create_memory_object_stream(1)
    async with anyio.create_task_group() as group:
        group.start_soon(send.send, "hello")
        assert await receive.receive() == "hello"
    send.close()
    receive.close()


if __name__ == "__main__":
    assert pytest.main(["-q", "-p", "anyio", "-p", "no:cacheprovider", "-c", os.devnull, __file__]) == 0
