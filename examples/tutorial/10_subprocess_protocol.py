"""A child process: the loop reads and writes its pipes, and reports its end."""

import sys

import fastloop as asyncio

CHILD = "import sys; text = sys.stdin.read(); print(text.upper()); print('done', file=sys.stderr); sys.exit(3)"


class ChildProtocol(asyncio.SubprocessProtocol):
    def __init__(self, exited):
        self.exited = exited
        self.output = {1: b"", 2: b""}

    def connection_made(self, transport):
        self.transport = transport
        stdin = transport.get_pipe_transport(0)
        stdin.write(b"hello from the parent")
        stdin.close()

    def pipe_data_received(self, fd, data):
        self.output[fd] += data

    def process_exited(self):
        print("process exited")

    def connection_lost(self, error):
        # All pipes are closed and the process has ended.
        self.exited.set_result(self.transport.get_returncode())


async def main():
    loop = asyncio.get_running_loop()
    exited = loop.create_future()
    transport, child = await loop.subprocess_exec(lambda: ChildProtocol(exited), sys.executable, "-c", CHILD)
    print(f"return code: {await exited}")
    print(f"stdout: {child.output[1].decode().strip()}")
    print(f"stderr: {child.output[2].decode().strip()}")
    transport.close()


loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
