"""fastloop.testing beneath other people's timers: anyio's, aiohttp's, and the plugins of pytest that choose a loop."""

import asyncio
import math

import pytest

from actors.programs import run_python
from fastloop import testing

pytestmark = pytest.mark.fastloop_only
HOUR_S = 3600

ASYNCIO_PLUGIN = """
import asyncio, fastloop.testing, pytest

@pytest.mark.asyncio
async def test_hours():
    async with asyncio.timeout(10_000_000):
        await asyncio.sleep(9_000_000)
    assert asyncio.get_running_loop().time() >= 9_000_000

@pytest.mark.asyncio
@pytest.mark.xfail(raises=fastloop.testing.Deadlock, strict=True)
async def test_deadlock():
    await asyncio.Event().wait()
"""

ANYIO_PLUGIN = """
import anyio, fastloop.testing, pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio", {"loop_factory": fastloop.testing.EventLoop}

async def test_hours():
    with anyio.fail_after(10_000_000):
        await anyio.sleep(9_000_000)
    assert anyio.current_time() >= 9_000_000
"""

FACTORIES = """
import fastloop.testing

def pytest_asyncio_loop_factories(config, item):
    return {"virtual": fastloop.testing.EventLoop}
"""


@pytest.mark.parametrize(
    "plugin, program, count", [("pytest_asyncio", ASYNCIO_PLUGIN, "1 passed, 1 xfailed"), ("anyio", ANYIO_PLUGIN, "1 passed")]
)
def test_plugins_of_pytest_run_on_it(plugin, program, count, tmp_path):
    pytest.importorskip(plugin)
    (tmp_path / "test_it.py").write_text(program)
    if plugin == "pytest_asyncio":
        (tmp_path / "conftest.py").write_text(FACTORIES)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = run_python("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=tmp_path)
    assert count in done.stdout, done.stdout + done.stderr


def test_anyios_timers_follow():
    anyio = pytest.importorskip("anyio")

    async def main():
        with anyio.move_on_after(HOUR_S) as scope:
            await anyio.sleep_forever()
        with pytest.raises(TimeoutError):
            with anyio.fail_after(HOUR_S):
                await anyio.sleep(math.inf)
        with anyio.fail_after(HOUR_S):
            assert await anyio.to_thread.run_sync(lambda: 7) == 7
        return scope.cancelled_caught, anyio.current_time()

    assert testing.run(main()) == (True, 2 * HOUR_S)


def test_aiohttps_timers_follow():
    aiohttp = pytest.importorskip("aiohttp")
    from aiohttp import web

    async def answer(request):
        await asyncio.sleep(float(request.query["s"]))
        return web.Response(text="late")

    async def main():
        application = web.Application()
        application.router.add_get("/", answer)
        runner = web.AppRunner(application)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = "http://{}:{}/".format(*runner.addresses[0])
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=HOUR_S)) as session:
                async with session.get(url, params={"s": HOUR_S - 1}) as response:
                    assert await response.text() == "late"
                with pytest.raises(TimeoutError):
                    await session.get(url, params={"s": HOUR_S + 1})
        finally:
            await runner.cleanup()

    testing.run(main())
