# /// script
# dependencies = ["sentry-sdk"]
# ///
"""its asyncio integration: spans of tasks, and errors with their task"""

import asyncio

import sentry_sdk
from checks import check_loop
from sentry_sdk.integrations.asyncio import AsyncioIntegration

import fastloop

events = []


async def fails():
    raise ValueError("for sentry")


async def main():
    check_loop()
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        integrations=[AsyncioIntegration()],
        before_send=lambda event, hint: events.append(event),
    )
    await asyncio.gather(asyncio.create_task(fails()), return_exceptions=True)


fastloop.run(main())
assert [event["exception"]["values"][-1]["value"] for event in events] == ["for sentry"]
