"""What the programs of this folder share: whether they run on fastloop, and servers in processes of their own."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request


def name_of_the_loop():
    """Return the package that the running loop comes from: "fastloop" if all is well."""
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def check_loop():
    assert name_of_the_loop() == "fastloop", f"this runs on {asyncio.get_running_loop()}"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


async def application(scope, receive, send):
    """An ASGI application that answers with the name of the loop."""
    if scope["type"] != "http":
        raise ValueError(f"{scope['type']} is not served here")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": name_of_the_loop().encode()})


def need_postgresql(program):
    """Run the program again with a server of its own, by Debian's pg_virtualenv, which says in the environment where the server is."""
    if "PGHOST" in os.environ:
        return
    if shutil.which("pg_virtualenv") is None:
        print("pg_virtualenv (Debian: postgresql-common) is not installed")
        sys.exit(77)
    sys.exit(subprocess.call(["pg_virtualenv", "-t", sys.executable, program], stdout=subprocess.DEVNULL))


@contextlib.contextmanager
def process(*command):
    """Run `python COMMAND` in this folder until the block ends."""
    folder = os.path.dirname(os.path.abspath(__file__))
    server = subprocess.Popen([sys.executable, *command], cwd=folder, env={**os.environ, "PYTHONPATH": folder})
    try:
        yield server
    finally:
        server.terminate()
        server.wait(10)


def check_server(port, path="/"):
    """Wait until a server answers on the port, and check that its answer names fastloop."""
    give_up_at = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                body = answer.read()
            break
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.05)
    assert body == b"fastloop", body
