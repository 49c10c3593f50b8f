# /// script
# dependencies = ["py-spy"]
# ///
"""a dump of a process that waits, with the coroutine's frame"""

import os
import shutil
import subprocess
import sys

PROGRAM = """
import asyncio, time, fastloop
async def deep_inside():
    print("ready", flush=True)
    time.sleep(60)
fastloop.run(deep_inside())
"""

with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE) as program:
    try:
        program.stdout.readline()
        py_spy = shutil.which("py-spy", path=os.path.dirname(sys.executable))
        dump = subprocess.run([py_spy, "dump", "--pid", str(program.pid)], capture_output=True, text=True)
        assert "deep_inside" in dump.stdout, dump
    finally:
        program.kill()
