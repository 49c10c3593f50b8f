# /// script
# dependencies = ["pytest-asyncio>=1.4"]
# ///
"""tests on a loop factory"""

import os

import pytest
from checks import check_loop

import fastloop


class Plugin:
    def pytest_asyncio_loop_factories(self, config, item):
        return {"fastloop": fastloop.new_event_loop}


@pytest.mark.asyncio
async def test_loop():
    check_loop()


if __name__ == "__main__":
    assert pytest.main(["-q", "-p", "pytest_asyncio.plugin", "-p", "no:cacheprovider", "-c", os.devnull, __file__], plugins=[Plugin()]) == 0
