# /// script
# dependencies = ["asyncpg"]
# ///
"""queries, a transaction and a cursor, with a real server"""

import asyncpg
from checks import check_loop, need_postgresql

import fastloop

need_postgresql(__file__)


async def main():
    check_loop()
    connection = await asyncpg.connect(ssl=False)
    await connection.execute("CREATE TABLE fruits (name text)")
    async with connection.transaction():
        await connection.executemany("INSERT INTO fruits VALUES ($1)", [("apple",), ("pear",)])
        assert [row["name"] async for row in connection.cursor("SELECT name FROM fruits ORDER BY name")] == ["apple", "pear"]
    await connection.close()


fastloop.run(main())
