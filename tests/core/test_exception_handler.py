"""What becomes of exceptions that nobody catches: the exception handler, its context, and the log."""

import asyncio
import gc
import sys
import sysconfig

import pytest

from actors.coroutines import wait_for_ever
from actors.failures import SomeError, raising


def fail():
    raise SomeError("message")


async def fail_in_task():
    raise SomeError("message")


def test_exception_of_a_callback_reaches_the_handler_with_the_handle(loop, run_turn, reported):
    handle = loop.call_soon(fail)
    run_turn()
    (context,) = reported
    assert isinstance(context["exception"], SomeError)
    assert context["handle"] is handle
    assert context["message"].startswith("Exception in callback")
    assert "fail" in context["message"]


WAYS_TO_FAIL = {
    "call_soon": lambda loop: loop.call_soon(fail),
    "call_soon in debug mode": lambda loop: (loop.set_debug(True), loop.call_soon(fail)),
    "call_soon_threadsafe": lambda loop: loop.call_soon_threadsafe(fail),
    "call_later": lambda loop: loop.call_later(0, fail),
    "done callback": lambda loop: done_future(loop).add_done_callback(lambda future: fail()),
}


def done_future(loop):
    future = loop.create_future()
    future.set_result(None)
    return future


@pytest.mark.parametrize("way", WAYS_TO_FAIL)
def test_handler_is_called_while_the_exception_is_handled(loop, way):
    handled = []
    loop.set_exception_handler(lambda loop, context: handled.append((sys.exc_info()[1], context["exception"])))
    WAYS_TO_FAIL[way](loop)
    loop.run_until_complete(asyncio.sleep(0.001))
    ((exception, told),) = handled
    assert type(exception) is SomeError
    assert exception is told
    assert sys.exc_info() == (None, None, None)


def test_handler_that_fails_is_logged_with_what_it_should_have_handled(loop, run_turn, caplog, logged_errors):
    loop.set_exception_handler(raising(KeyError("another")))
    loop.call_soon(fail)
    run_turn()
    (message,), (record,) = logged_errors, caplog.records
    assert message.startswith("Unhandled error in exception handler")
    assert isinstance(record.exc_info[1], KeyError)
    assert isinstance(record.exc_info[1].__context__, SomeError)


@pytest.mark.parametrize("exception", [KeyError, SystemExit, KeyboardInterrupt])
def test_what_the_handler_raises_in_a_destructor_is_unraisable_and_nothing_else(loop, monkeypatch, exception):
    hooks = []
    monkeypatch.setattr(sys, "excepthook", lambda *what: hooks.append(("except", what[0])))
    monkeypatch.setattr(sys, "unraisablehook", lambda what: hooks.append(("unraisable", what.exc_type)))

    monkeypatch.setattr(loop, "call_exception_handler", raising(exception))
    future = loop.create_future()
    future.set_exception(SomeError())
    del future
    gc.collect()
    assert hooks == [("unraisable", exception)]


def test_callbacks_after_one_that_failed_still_run(loop, run_turn, reported):
    order = []
    loop.call_soon(order.append, 1)
    loop.call_soon(fail)
    loop.call_soon(order.append, 2)
    run_turn()
    assert order == [1, 2]
    assert len(reported) == 1


def test_without_a_handler_the_exception_is_logged(loop, run_turn, logged_errors):
    loop.call_soon(fail)
    run_turn()
    (message,) = logged_errors
    assert message.startswith("Exception in callback")
    assert "handle: " in message


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_handler_that_raises_what_ends_programs_ends_the_run(loop, exception):
    loop.set_exception_handler(raising(exception))
    loop.call_soon(fail)
    with pytest.raises(exception):
        loop.run_forever()


def test_handler_can_be_read_back_and_removed(loop, run_turn, logged_errors):
    def handler(loop, context):
        pass

    assert loop.get_exception_handler() is None
    loop.set_exception_handler(handler)
    assert loop.get_exception_handler() is handler
    loop.set_exception_handler(None)
    assert loop.get_exception_handler() is None
    loop.call_soon(fail)
    run_turn()
    assert len(logged_errors) == 1


def test_handler_that_cannot_be_called_is_refused(loop):
    with pytest.raises(TypeError):
        loop.set_exception_handler("not callable")


def test_call_exception_handler_passes_the_context_on(loop, reported):
    context = {"message": "by hand"}
    loop.call_exception_handler(context)
    assert reported == [context]


def test_default_handler_can_be_called_from_a_custom_one(loop, run_turn, logged_errors):
    loop.set_exception_handler(lambda loop, context: loop.default_exception_handler(context))
    loop.call_soon(fail)
    run_turn()
    assert len(logged_errors) == 1


@pytest.mark.parametrize("name", ["default_exception_handler", "call_exception_handler"])
def test_handler_method_replaced_on_the_loop_is_used(loop, run_turn, name):
    received = []
    setattr(loop, name, received.append)
    loop.call_soon(fail)
    run_turn()
    assert [type(context["exception"]) for context in received] == [SomeError]


def test_exception_of_a_task_that_nobody_awaits_is_reported_when_the_task_is_freed(loop, run_turn, reported):
    task = loop.create_task(fail_in_task())
    run_turn(2)
    assert reported == []
    del task
    gc.collect()
    (context,) = reported
    assert context["message"] == "Task exception was never retrieved"
    assert isinstance(context["exception"], SomeError)
    assert isinstance(context["future"], asyncio.Task)


def test_exception_of_a_future_that_nobody_reads_is_reported_when_the_future_is_freed(loop, reported):
    future = loop.create_future()
    future.set_exception(SomeError())
    del future
    gc.collect()
    (context,) = reported
    assert context["message"] == "Future exception was never retrieved"
    assert isinstance(context["exception"], SomeError)


def test_exception_that_was_read_is_not_reported(loop, reported):
    future = loop.create_future()
    future.set_exception(SomeError())
    assert isinstance(future.exception(), SomeError)
    del future
    gc.collect()
    assert reported == []


async def test_exception_that_was_awaited_is_not_reported(loop, reported):
    with pytest.raises(SomeError):
        await loop.create_task(fail_in_task())
    gc.collect()
    assert reported == []


def test_cancelled_task_is_not_reported(loop, run_turn, reported):
    task = loop.create_task(asyncio.sleep(1000))
    run_turn()
    task.cancel()
    run_turn(2)
    assert task.cancelled()
    del task
    gc.collect()
    assert reported == []


# Without the GIL fastloop keeps pending tasks alive until their loop closes, which README states.
keeps_pending_tasks = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


@pytest.fixture
def destroyed(loop):
    """What the loop reports of tasks that were freed while they were pending: the message and the task's name."""
    reports = []
    # The context itself would keep the task alive.
    loop.set_exception_handler(lambda loop, context: reports.append((context["message"], context["task"].get_name())))
    return reports


def test_pending_task_that_is_freed_is_reported(implementation, loop, run_turn, destroyed):
    if implementation.name == "fastloop" and keeps_pending_tasks:
        pytest.skip("without the GIL fastloop keeps pending tasks alive, as README states; the next test checks that")
    task = loop.create_task(wait_for_ever(), name="lost")
    run_turn()
    del task
    gc.collect()
    assert destroyed == [("Task was destroyed but it is pending!", "lost")]


@pytest.mark.fastloop_only
@pytest.mark.skipif(not keeps_pending_tasks, reason="with the GIL fastloop does not keep pending tasks alive; the test above checks that")
def test_pending_task_that_nobody_holds_goes_on_and_is_reported_when_the_loop_closes(loop, run_turn, destroyed):
    loop.create_task(wait_for_ever(), name="lost")
    run_turn()
    gc.collect()
    assert [task.get_name() for task in asyncio.all_tasks(loop)] == ["lost"]
    assert destroyed == []
    loop.close()
    gc.collect()
    assert destroyed == [("Task was destroyed but it is pending!", "lost")]


def test_pending_task_that_asked_for_silence_is_not_reported(loop, run_turn, destroyed):
    task = loop.create_task(wait_for_ever())
    run_turn()
    task._log_destroy_pending = False
    del task
    loop.close()
    gc.collect()
    assert destroyed == []


def test_report_of_a_task_names_the_coroutine(loop, run_turn, logged_errors):
    task = loop.create_task(fail_in_task())
    run_turn(2)
    del task
    gc.collect()
    (message,) = logged_errors
    assert message.startswith("Task exception was never retrieved")
    assert "fail_in_task" in message


# Handles that somebody has changed


class FailingArguments:
    """An iterable that fails, but is false, so that a message leaves it out."""

    def __iter__(self):
        raise TypeError

    def __bool__(self):
        return False


@pytest.mark.parametrize("args", [None, FailingArguments()], ids=["None", "failing"])
def test_arguments_that_cannot_be_passed_reach_the_handler_and_the_loop_goes_on(loop, run_turn, reported, args):
    called = []
    handle = loop.call_soon(called.append)
    handle._args = args
    loop.call_soon(called.append, "next")
    run_turn()
    assert called == ["next"]
    assert [(type(context["exception"]), context["handle"]) for context in reported] == [(TypeError, handle)]


@pytest.mark.fastloop_only
@pytest.mark.parametrize("args", [5, object()], ids=["number", "object"])
def test_arguments_that_not_even_a_message_can_show_reach_the_handler_too(loop, run_turn, reported, args):
    # asyncio's loop ends with the exception that their repr raises.
    called = []
    handle = loop.call_soon(called.append)
    handle._args = args
    loop.call_soon(called.append, "next")
    run_turn()
    assert called == ["next"]
    assert [type(context["exception"]) for context in reported] == [TypeError]


@pytest.mark.parametrize("callback", [None, 5, "text"])
def test_callback_that_cannot_be_called_reaches_the_handler(loop, run_turn, reported, callback):
    called = []
    handle = loop.call_soon(called.append)
    handle._callback = callback
    timer = loop.call_later(0, called.append)
    timer._callback = callback
    loop.call_soon(called.append, "next")
    loop.run_until_complete(asyncio.sleep(0.001))
    assert called == ["next"]
    assert [type(context["exception"]) for context in reported] == [TypeError, TypeError]


def test_context_that_is_none_reaches_the_handler(loop, run_turn, reported):
    called = []
    handle = loop.call_soon(called.append, "never")
    handle._context = None
    loop.call_soon(called.append, "next")
    run_turn()
    assert called == ["next"]
    assert [type(context["exception"]) for context in reported] == [AttributeError]


@pytest.mark.parametrize("kind", [list, "".join, iter, dict.fromkeys])
def test_arguments_of_any_iterable_are_passed(loop, run_turn, kind):
    args, called = kind("ab"), []
    handle = loop.call_soon(lambda *args: called.append(args))
    handle._args = args
    run_turn()
    assert called == [("a", "b")]
    assert handle._args is args


def test_iterating_over_the_arguments_may_cancel_the_handle(loop, run_turn):
    called = []

    def arguments():
        handle.cancel()
        yield "argument"

    handle = loop.call_soon(called.append)
    handle._args = arguments()
    run_turn()
    assert called == ["argument"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_iterating_over_the_arguments_may_leave_the_loop(loop, run_turn, error):
    def arguments():
        raise error
        yield

    loop.call_soon(int)._args = arguments()
    with pytest.raises(error):
        run_turn()
    # The end of the turn that was left.
    loop.run_forever()
