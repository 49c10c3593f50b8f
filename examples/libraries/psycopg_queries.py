# /// script
# dependencies = ["psycopg[binary,pool]"]
# ///
"""queries, a pool and a notification, with a real server"""

import psycopg
from checks import check_loop, need_postgresql
from psycopg_pool import AsyncConnectionPool

import fastloop

need_postgresql(__file__)


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
