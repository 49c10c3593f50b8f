"""fastloop.watchdog(): what blocks a loop is reported while it does.

Each block ends when its report has come, so no test waits for a time.
"""

import asyncio
import math
import threading
import time

import pytest

import fastloop

pytestmark = pytest.mark.fastloop_only


class Reports(list):
    """An on_block that ends what blocks, as soon as it is reported."""

    def __init__(self):
        self.noticed = threading.Event()
        self.ended = threading.Event()

    def __call__(self, report):
        self.append(report)
        (self.ended if report.has_ended else self.noticed).set()

    def block(self):
        assert self.noticed.wait(20)  # the line that blocks

    async def block_in_task(self):
        self.block()


def run_and_block(reports, begin):
    async def main():
        with fastloop.watchdog(threshold_s=0.05, on_block=reports):
            await begin(asyncio.get_running_loop())
            await asyncio.to_thread(reports.ended.wait, 20)

    fastloop.run(main())


async def begin_callback(loop, reports):
    loop.call_soon(reports.block)


async def begin_task(loop, reports):
    await asyncio.create_task(reports.block_in_task(), name="the one that blocks")


async def begin_c_function(loop, reports):
    loop.call_soon(time.sleep, 1)


@pytest.mark.parametrize(
    "begin, line, name, task_name",
    [
        (begin_callback, "# the line that blocks", "Reports.block()", None),
        (begin_task, "# the line that blocks", "Reports.block_in_task()", "the one that blocks"),
        (begin_c_function, "", "sleep()", None),
    ],
)
def test_what_blocks_is_reported_while_it_does_and_when_it_ends(begin, line, name, task_name):
    reports = Reports()
    run_and_block(reports, lambda loop: begin(loop, reports))
    noticed, ended = reports[:2]
    assert (noticed.has_ended, ended.has_ended) == (False, True)
    assert any(line in frame.line for frame in noticed.stack)
    assert name in noticed.callback
    assert noticed.task_name == task_name
    assert [frame.name for frame in noticed.task_stack] == (["block_in_task"] if task_name else [])
    assert ended.duration_s >= noticed.duration_s >= 0.05


def test_all_loops_of_all_threads_are_watched_without_a_running_loop(caplog):
    every = [Reports(), Reports()]

    def on_block(report):
        for reports in every:
            if report.thread_name == reports.thread_name:
                reports(report)

    async def main(reports):
        asyncio.get_running_loop().call_soon(reports.block)
        await asyncio.to_thread(reports.ended.wait, 20)

    threads = [threading.Thread(target=lambda reports=reports: fastloop.run(main(reports))) for reports in every]
    with fastloop.watchdog(threshold_s=0.05, on_block=on_block):
        for reports, thread in zip(every, threads):
            reports.thread_name = thread.name
            thread.start()
        for thread in threads:
            thread.join()
    assert [[report.has_ended for report in reports[:2]] for reports in every] == [[False, True]] * 2


def test_an_on_block_that_raises_is_reported_and_the_watchdog_goes_on(caplog):
    reports = Reports()

    def on_block(report):
        reports(report)
        raise SystemExit("from on_block")

    async def main():
        with fastloop.watchdog(threshold_s=0.05, on_block=on_block):
            asyncio.get_running_loop().call_soon(reports.block)
            await asyncio.to_thread(reports.ended.wait, 20)

    fastloop.run(main())
    assert len(reports) >= 2
    assert "Exception in on_block" in caplog.text
    assert "blocked for" in caplog.text


def test_a_threshold_that_no_lock_can_wait_for_does_not_end_the_watchdog():
    idle, reports = fastloop.new_event_loop(), [Reports(), Reports()]
    with fastloop.watchdog(idle, threshold_s=1e300):
        for each in reports:
            run_and_block(each, lambda loop, each=each: begin_callback(loop, each))
    idle.close()
    assert [report.has_ended for each in reports for report in each[:2]] == [False, True] * 2


@pytest.mark.parametrize("threshold_s, error", [(0, ValueError), (-1, ValueError), (math.nan, ValueError), ("1", TypeError)])
def test_a_wrong_threshold_is_refused(threshold_s, error):
    with pytest.raises(error, match="threshold"):
        fastloop.watchdog(threshold_s=threshold_s)


def test_a_loop_that_cannot_be_watched_is_refused():
    loop, other = fastloop.new_event_loop(), asyncio.SelectorEventLoop()
    with pytest.raises(TypeError, match="fastloop's loops only"):
        fastloop.watchdog(other)
    with fastloop.watchdog(loop), pytest.raises(RuntimeError, match="has a watchdog already"), fastloop.watchdog(loop):
        pass
    loop.close()
    other.close()
    with pytest.raises(RuntimeError, match="closed"), fastloop.watchdog(loop):
        pass
