"""A pytest plugin for other people's test suites: it replaces asyncio's loop with fastloop and records how each test ended.

The suites ask asyncio for a loop in every possible way: through the policy, asyncio.new_event_loop(), asyncio.Runner (as
unittest.IsolatedAsyncioTestCase does) and the class. LOOP_UNDER_TEST says which loop they get, OUTCOMES names the file that gets
a line for each test that begins and for each of its phases.
"""

import asyncio
import json
import os
import warnings


def put_fastloop_in_asyncios_place():
    import fastloop

    with warnings.catch_warnings():
        # Policies are deprecated from Python 3.14 on, and gone in 3.16.
        warnings.simplefilter("ignore", DeprecationWarning)
        if hasattr(asyncio, "set_event_loop_policy"):
            fastloop.install()
            asyncio.DefaultEventLoopPolicy = fastloop.EventLoopPolicy
    asyncio.new_event_loop = asyncio.events.new_event_loop = fastloop.new_event_loop
    asyncio.EventLoop = asyncio.SelectorEventLoop = fastloop.EventLoop


if os.environ["LOOP_UNDER_TEST"] == "fastloop":
    put_fastloop_in_asyncios_place()


outcomes = open(os.environ["OUTCOMES"], "a", buffering=1)


def write_down(test, outcome):
    print(json.dumps([test, outcome]), file=outcomes)


def pytest_report_header():
    return f"loop under test: {asyncio.new_event_loop.__module__}"


def pytest_runtest_logstart(nodeid):
    write_down(nodeid, "started")


def pytest_runtest_logreport(report):
    if report.failed or report.when == "call" or report.skipped:
        write_down(report.nodeid, report.outcome)


def pytest_collectreport(report):
    if report.failed:
        write_down(report.nodeid, "failed")
