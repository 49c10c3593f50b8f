# /// script
# dependencies = ["psycopg[binary,pool]"]
# ///
"""queries, a pool and a notification, with a real server"""

import os
import shutil
import subprocess
import sys

import psycopg
from checks import check_loop
from psycopg_pool import AsyncConnectionPool

import fastloop

# Debian's pg_virtualenv makes a server for this program alone and says where it is in the environment.
if "PGHOST" not in os.environ:
    if shutil.which("pg_virtualenv") is None:
        print("pg_virtualenv (Debian: postgresql-common) is not installed")
        sys.exit(77)
    sys.exit(subprocess.call(["pg_virtualenv", "-t", sys.executable, __file__], stdout=subprocess.DEVNULL))


async def main():
    check_loop()
    async with AsyncConnectionPool(min_size=2, open=False) as pool, pool.connection() as connection:
        cursor = await connection.execute("SELECT sum(i) FROM generate_series(1, 10) AS i")
        assert await cursor.fetchone() == (55,)
    async with await psycopg.AsyncConnection.connect(autocommit=True) as connection:
        await connection.execute("LISTEN news")
        await connection.execute("NOTIFY news, 'hello'")
        async for notification in connection.notifies(timeout=5, stop_after=1):
            assert notification.payload == "hello"


fastloop.run(main())
