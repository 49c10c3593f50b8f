# /// script
# dependencies = ["sqlalchemy[asyncio]", "aiosqlite"]
# ///
"""sessions over aiosqlite"""

from checks import check_loop
from sqlalchemy import select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import fastloop


class Base(DeclarativeBase):
    pass


class Fruit(Base):
    __tablename__ = "fruits"
    name: Mapped[str] = mapped_column(primary_key=True)


async def main():
    check_loop()
    engine = create_async_engine("sqlite+aiosqlite://")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    make_session = async_sessionmaker(engine)
    async with make_session.begin() as session:
        session.add_all([Fruit(name="apple"), Fruit(name="pear")])
    async with make_session() as session:
        assert (await session.scalars(select(Fruit.name).order_by(Fruit.name))).all() == ["apple", "pear"]
    await engine.dispose()


fastloop.run(main())
