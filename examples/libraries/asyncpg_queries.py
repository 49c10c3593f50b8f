# /// script
# dependencies = ["asyncpg"]
# ///
"""queries, a transaction and a cursor, with a real server"""

import os
import shutil
import subprocess
import sys

import asyncpg
from checks import check_loop

import fastloop

# Debian's pg_virtualenv makes a server for this program alone and says where it is in the environment.
if "PGHOST" not in os.environ:
    if shutil.which("pg_virtualenv") is None:
        print("pg_virtualenv (Debian: postgresql-common) is not installed")
        sys.exit(77)
    sys.exit(subprocess.call(["pg_virtualenv", "-t", sys.executable, __file__], stdout=subprocess.DEVNULL))


async def main():
    check_loop()
    connection = await asyncpg.connect(ssl=False)
    await connection.execute("CREATE TABLE fruits (name text)")
    async with connection.transaction():
        await connection.executemany("INSERT INTO fruits VALUES ($1)", [("apple",), ("pear",)])
        assert [row["name"] async for row in connection.cursor("SELECT name FROM fruits ORDER BY name")] == ["apple", "pear"]
    await connection.close()


fastloop.run(main())
