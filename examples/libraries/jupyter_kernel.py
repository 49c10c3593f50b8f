# /// script
# dependencies = ["ipykernel"]
# ///
"""a kernel that runs a cell with await in it"""

import sys

from jupyter_client.manager import KernelManager

KERNEL = "import fastloop; fastloop.install(); from ipykernel.kernelapp import launch_new_instance; launch_new_instance()"
CELL = "import asyncio; await asyncio.sleep(0.01); type(asyncio.get_running_loop()).__module__.partition('.')[0]"

manager = KernelManager()
manager.kernel_spec.argv = [sys.executable, "-W", "ignore", "-c", KERNEL, "-f", "{connection_file}"]
manager.start_kernel()
client = manager.client()
client.start_channels()
try:
    client.wait_for_ready(timeout=30)
    results = []
    client.execute_interactive(
        CELL,
        timeout=30,
        output_hook=lambda message: (
            results.append(message["content"]["data"]["text/plain"]) if message["msg_type"] == "execute_result" else None
        ),
    )
    assert results == ["'fastloop'"], results
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
