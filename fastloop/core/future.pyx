"""Future: a result that is not there yet, and what waits for it.

Owns: the result, and the callbacks until they have run.
Promises: callbacks always go through the loop, in the order in which they were added. A Future is interchangeable with
  asyncio.Future, and isinstance() says so.
Driven by: the code that sets the result. On fastloop's loop that puts the future itself into the ready queue, once for all its
  callbacks. On any other loop, and in debug mode, each callback goes through call_soon().
"""

import asyncio
import sys
import types
from asyncio import base_futures, exceptions, format_helpers

cimport cython
from cpython.contextvars cimport PyContext_CopyCurrent
from cpython.object cimport PyObject, PyTypeObject, destructor
from cpython.ref cimport Py_DECREF, Py_INCREF

from fastloop.core.callback_pairs cimport (
    all_pairs, as_callback, delete_pair, find_pair, matching_pairs, public_callbacks)
from fastloop.core.handle cimport UNDELETABLE, call_soon_uninterrupted, new_handle
from fastloop.core.interruption cimport exception_preceded_call, raised_before_call
from fastloop.core.ready_queue cimport ready_queue_put_back
from fastloop.core.scheduler cimport scheduler_begin_step, scheduler_push
from fastloop.python.calls cimport call_one_in_context, call_raised_exit
from fastloop.python.capi cimport (
    PyErr_SetObject, PyException_SetTraceback, PyObject_CallFinalizerFromDealloc, object_type)
from fastloop.python.cpython_compat cimport (
    COMPAT_FUTURE_INIT_ONCE, COMPAT_THROW_WARNS, compat_raise_again, compat_raise_in_context, compat_stop_iteration,
    compat_take_exception)
from fastloop.python.object_pool cimport object_pool_dealloc, object_pool_new, object_pool_open, object_pool_t
from fastloop.python.type_slots cimport iternextfunc, type_slots


from fastloop.core.call_graph import awaiters_of
from fastloop.python.exception_arguments import exception_from_triple, exception_instance


cdef object InvalidStateError = exceptions.InvalidStateError, CancelledError = exceptions.CancelledError


cdef class FutureExtras:
    pass


cdef class Future(Runnable):
    """A result that is not there yet.

    Future(*, loop=None): loop defaults to asyncio.get_event_loop(). Awaiting it returns the result or raises the exception.
    Not thread-safe: use it from the loop's thread only. Follows the running Python's asyncio.Future.
    """

    def __init__(self, *, loop=None):
        future_init(self, loop)

    @property
    def __class__(self):
        return asyncio.Future

    @classmethod
    def __class_getitem__(cls, item):
        return types.GenericAlias(cls, item)

    def __repr__(self):
        future_check_initialised(self)
        return base_futures._future_repr(self).replace("<Future", f"<{self.class_name()}", 1)

    def __del__(self):
        if self.loop is not None:
            self.report_lost()

    # ---- asyncio's public methods ----

    def cancel(self, msg=None):
        """Cancel the future and schedule its callbacks.

        msg: the message of the CancelledError. Returns True, or False if the future was done already.
        """
        future_check_initialised(self)
        return self.cancel_with(msg)

    def cancelled(self):
        """Return True if the future was cancelled."""
        return bool(self.flags & FUTURE_CANCELLED)

    def done(self):
        """Return True if the future has a result or an exception, or was cancelled."""
        return bool(self.flags & FUTURE_DONE)

    def get_loop(self):
        """Return the event loop that the future belongs to."""
        future_check_initialised(self)
        return self.loop

    def result(self):
        """Return the result, or raise the exception that was set.

        Raises CancelledError if the future was cancelled, and InvalidStateError if it is not done.
        """
        return future_result(self)

    def exception(self):
        """Return the exception that was set, or None if the future has a result.

        Raises CancelledError if the future was cancelled, and InvalidStateError if it is not done.
        """
        if self.flags & FUTURE_CANCELLED:
            raise self.make_cancelled_error()
        if not self.flags & FUTURE_FINISHED:
            raise InvalidStateError("Exception is not set.")
        self.flags &= ~<unsigned int>FUTURE_LOG_TRACEBACK
        return self.result_or_exception if self.flags & FUTURE_FAILED else None

    def set_result(self, result):
        """Finish the future with result. Raises InvalidStateError if it is done already."""
        future_check_initialised(self)
        future_check_pending(self)
        self.finish(result)

    def set_exception(self, exception):
        """Finish the future with an exception, given as a class or an instance.

        Raises InvalidStateError if it is done already, and TypeError for StopIteration, which cannot be raised into a Future.
        """
        future_check_initialised(self)
        future_check_pending(self)
        self.fail(exception_instance(exception))

    def add_done_callback(self, fn, *, context=None):
        """Have the loop call fn(future) when the future is done. If it is done already, the next turn does.

        context: the contextvars.Context to run in. The default is a copy of the current one.
        """
        future_check_initialised(self)
        self.add_callback(fn, PyContext_CopyCurrent() if context is None else context)

    def remove_done_callback(self, fn):
        """Remove every callback that equals fn. Returns how many there were."""
        future_check_initialised(self)
        return future_remove_callback(self, fn)

    def __await__(self):
        return new_iterator(self)

    def __iter__(self):
        return new_iterator(self)

    # ---- private attributes that asyncio and libraries use ----

    @property
    def _asyncio_future_blocking(self):
        return bool(self.flags & FUTURE_BLOCKING)

    @_asyncio_future_blocking.setter
    def _asyncio_future_blocking(self, value):
        self.flags = self.flags | FUTURE_BLOCKING if value else self.flags & ~<unsigned int>FUTURE_BLOCKING

    @_asyncio_future_blocking.deleter
    def _asyncio_future_blocking(self):
        raise AttributeError(UNDELETABLE)

    @property
    def _loop(self):
        return self.loop

    @property
    def _state(self):
        if self.flags & FUTURE_CANCELLED:
            return "CANCELLED"
        return "FINISHED" if self.flags & FUTURE_FINISHED else "PENDING"

    @property
    def _result(self):
        return self.result_or_exception if self.flags & (FUTURE_FINISHED | FUTURE_FAILED) == FUTURE_FINISHED else None

    @property
    def _exception(self):
        return self.result_or_exception if self.flags & FUTURE_FAILED else None

    @property
    def _callbacks(self):
        return future_public_callbacks(self)

    @property
    def _source_traceback(self):
        return self.extras.source_traceback if self.extras is not None else None

    @property
    def _cancel_message(self):
        return self.extras.cancel_message if self.extras is not None else None

    @_cancel_message.setter
    def _cancel_message(self, message):
        if message is not None or self.extras is not None:
            self.make_extras().cancel_message = message

    @_cancel_message.deleter
    def _cancel_message(self):
        raise AttributeError(UNDELETABLE)

    @property
    def _log_traceback(self):
        return bool(self.flags & FUTURE_LOG_TRACEBACK)

    @_log_traceback.setter
    def _log_traceback(self, value):
        if value:
            raise ValueError("_log_traceback can only be set to False")
        self.flags &= ~<unsigned int>FUTURE_LOG_TRACEBACK

    @_log_traceback.deleter
    def _log_traceback(self):
        raise AttributeError(UNDELETABLE)

    @property
    def _asyncio_awaited_by(self):
        return awaiters_of(self)

    def _make_cancelled_error(self):
        return self.make_cancelled_error()

    # ---- the parts that the core calls ----

    cdef FutureExtras make_extras(self):
        if self.extras is None:
            self.extras = FutureExtras.__new__(FutureExtras)
        return self.extras

    cdef bint bypasses_call_soon(self) noexcept:
        return self.flags & FUTURE_ON_SCHEDULER and self.loop is not None and (<Scheduler>self.loop).bypasses_call_soon

    cdef int add_waiter(self, Runnable waiter) except -1:
        """Push waiter into the ready queue when done. INVARIANT: the future is pending, and its loop is a Scheduler."""
        if self.callback is None:
            self.callback = waiter
        else:
            future_add_pair(self, waiter, None)
        return 0

    cdef int add_callback(self, object callback, object context) except -1:
        if self.flags & FUTURE_DONE:
            self.loop.call_soon(callback, self, context=context)
        elif self.callback is None:
            self.callback = callback
            self.callback_context = context
        else:
            future_add_pair(self, callback, context)
        return 0

    cdef int finish(self, object result) except -1:
        self.result_or_exception = result
        self.flags |= FUTURE_FINISHED
        return self.schedule_callbacks()

    cdef int fail(self, object exception) except -1:
        self.result_or_exception = exception
        traceback = exception.__traceback__
        if traceback is not None:
            self.make_extras().exception_traceback = traceback
        self.flags |= FUTURE_FINISHED | FUTURE_FAILED | FUTURE_LOG_TRACEBACK
        return self.schedule_callbacks()

    cdef bint cancel_with(self, object message) except -1:
        self.flags &= ~<unsigned int>FUTURE_LOG_TRACEBACK
        if self.flags & FUTURE_DONE:
            return False
        self.flags |= FUTURE_CANCELLED
        if message is not None or self.extras is not None:
            self.make_extras().cancel_message = message
        self.schedule_callbacks()
        return True

    cdef int schedule_callbacks(self) except -1:
        if self.callback is None:
            return 0
        if not self.bypasses_call_soon():
            return future_schedule_one_by_one(self)
        if self.callback_context is None and self.more_callbacks is None:
            waiter = <Runnable>self.callback
            self.callback = None
            return scheduler_push(<Scheduler>self.loop, waiter)
        return scheduler_push(<Scheduler>self.loop, self)

    cdef int run(self) except -1:
        # Otherwise __init__() was called again and has made it pending.
        return self.run_callbacks() if self.flags & FUTURE_DONE else 0

    cdef int run_callbacks(self) except -1:
        cdef Py_ssize_t next_index = 0
        callback, context, more = self.callback, self.callback_context, self.more_callbacks
        if callback is None:
            return 0
        self.callback = self.callback_context = self.more_callbacks = None
        scheduler = <Scheduler>self.loop
        while True:
            try:
                future_run_callback(self, scheduler, callback, context)
            except BaseException as exception:
                # KeyboardInterrupt, SystemExit, or what a signal handler raised before the callback had started.
                if more is not None:
                    future_put_back_callbacks(self, scheduler, more, next_index)
                if context is not None and exception_preceded_call(exception, callback):
                    future_put_back_callbacks(self, scheduler, [callback, context], 0)
                raise
            if more is None or next_index >= len(more):
                return 0
            callback, context = more[next_index], more[next_index + 1]
            next_index += 2

    cdef str class_name(self):
        return type(self).__name__

    cdef int report_lost(self) except -1:
        if not self.flags & FUTURE_LOG_TRACEBACK:
            return 0
        self.flags &= ~<unsigned int>FUTURE_LOG_TRACEBACK
        context = {
            "message": f"{self.class_name()} exception was never retrieved",
            "exception": self.result_or_exception,
            "future": self,
        }
        if self._source_traceback:
            context["source_traceback"] = self._source_traceback
        self.loop.call_exception_handler(context)
        return 0

    cdef object take_exception(self):
        self.flags &= ~<unsigned int>FUTURE_LOG_TRACEBACK
        exception = self.result_or_exception
        # Raising adds to the traceback. Without this, it would grow with every result().
        traceback = self.extras.exception_traceback if self.extras is not None else None
        PyException_SetTraceback(exception, traceback)
        return exception

    cdef object make_cancelled_error(self):
        if self.flags & FUTURE_CANCELLED and self.result_or_exception is not None:
            error, self.result_or_exception = self.result_or_exception, None
            return error
        message = self._cancel_message
        return CancelledError() if message is None else CancelledError(message)

    cdef object outcome(self):
        if self.flags & FUTURE_CANCELLED:
            PyErr_SetObject(CancelledError, self.make_cancelled_error())
            return compat_take_exception()
        if self.flags & FUTURE_FAILED:
            return self.take_exception()
        return None if self.flags & FUTURE_FINISHED else InvalidStateError("Result is not set.")


cdef int future_init(Future future, object loop) except -1:
    if loop is None:
        loop = asyncio.get_event_loop()
    if future.loop is not None:
        if COMPAT_FUTURE_INIT_ONCE:
            raise RuntimeError(f"{type(future).__name__} object is already initialized")
        future_reset(future)
    future.loop = loop
    if isinstance(loop, Scheduler):
        future.flags |= FUTURE_ON_SCHEDULER
        if not (<Scheduler>loop).is_debug:
            return 0
    if loop.get_debug():
        future.make_extras().source_traceback = format_helpers.extract_stack(sys._getframe(0))
    return 0


cdef int future_reset(Future future) except -1:
    """For a second __init__(), which makes the future new, as in asyncio. Callbacks that are ready to run still do."""
    if future.callback is not None and future.flags & FUTURE_DONE and not (<Scheduler>future.loop).has_closed:
        future_schedule_one_by_one(future)
    # Dropped on return, so a destructor that uses the future finds it consistent.
    _dropped = (
        future.callback, future.callback_context, future.more_callbacks, future.result_or_exception, future.extras)
    future.flags = future.word.cancel_requests = 0
    future.callback = future.callback_context = future.more_callbacks = future.result_or_exception = future.extras = None
    return 0


cdef inline int future_check_initialised(Future future) except -1:
    if future.loop is None:
        raise RuntimeError("Future object is not initialized.")
    return 0


cdef inline int future_check_pending(Future future) except -1:
    if future.flags & FUTURE_DONE:
        raise InvalidStateError("invalid state")
    return 0


cdef object future_result(Future future):
    if future.flags & FUTURE_FINISHED:
        if not future.flags & FUTURE_FAILED:
            return future.result_or_exception
        compat_raise_in_context(future.take_exception())
    if future.flags & FUTURE_CANCELLED:
        compat_raise_in_context(future.make_cancelled_error())
    raise InvalidStateError("Result is not set.")


# ---- callbacks ----

cdef int future_add_pair(Future future, object callback, object context) except -1:
    if future.more_callbacks is None:
        more = []
        # Making a list may run the collector, and then finalizers that finish the future or add a callback.
        if future.callback is None or future.flags & FUTURE_DONE:
            callback, context = as_callback(callback, context)
            return future.add_callback(callback, context)
        if future.more_callbacks is None:
            future.more_callbacks = more
    future.more_callbacks.append(callback)
    future.more_callbacks.append(context)
    return 0


cdef int future_schedule_one_by_one(Future future) except -1:
    cdef Py_ssize_t i
    first, first_context, more = future.callback, future.callback_context, future.more_callbacks
    future.callback = future.callback_context = future.more_callbacks = None
    pairs = all_pairs(first, first_context, more)
    for i in range(0, len(pairs), 2):
        callback, context = as_callback(pairs[i], pairs[i + 1])
        call_soon_uninterrupted(future.loop, callback, (future,), context)
    return 0


cdef object future_public_callbacks(Future future):
    if future.callback is None or future.flags & FUTURE_DONE:
        return None
    return public_callbacks(all_pairs(future.callback, future.callback_context, future.more_callbacks))


cdef Py_ssize_t future_remove_callback(Future future, object fn) except -1:
    cdef Py_ssize_t removed = 0
    if future.callback is None or future.flags & FUTURE_DONE:
        return 0
    # Comparing runs Python code, which may add or remove callbacks, or finish the future. So compare first, then remove
    # what is left.
    pairs = all_pairs(future.callback, future.callback_context, future.more_callbacks)
    for callback, context in matching_pairs(pairs, fn):
        if not future.flags & FUTURE_DONE:
            removed += future_remove_pair(future, callback, <PyObject *>context)
    return removed


cdef bint future_remove_pair(Future future, object callback, PyObject *context) except -1:
    """Remove exactly this pair. With context NULL, remove the first pair with this callback."""
    # In place: making a new list might run the collector.
    cdef Py_ssize_t i = 0
    more = future.more_callbacks
    first, first_context = future.callback, future.callback_context
    if first is callback and (context is NULL or <PyObject *>first_context is context):
        future.callback = more[0] if more is not None else None
        future.callback_context = more[1] if more is not None else None
    else:
        i = find_pair(more, callback, context)
        if i < 0:
            return False
    delete_pair(more, i)
    if not more and future.more_callbacks is more:
        future.more_callbacks = None
    return True


cdef int future_drop_ready_callback(Future future, object callback) except -1:
    while future.flags & FUTURE_DONE and future_remove_pair(future, callback, NULL):
        pass
    return 0


cdef int future_run_callback(Future future, Scheduler loop, object callback, object context) except -1:
    cdef PyObject *result
    # Each callback is a step, as if it had been in the ready queue itself.
    scheduler_begin_step(loop)
    if context is None:
        (<Runnable>callback).run()
    else:
        if loop.lingering_task is not NULL:
            loop.leave_lingering_task()
        result = call_one_in_context(context, callback, future)
        if result is NULL:
            future_callback_raised(future, loop, callback, context)
        else:
            Py_DECREF(<object>result)
    if loop.unflushed.count > 0:
        loop.flush_held_writes()
    return 0


cdef int future_put_back_callbacks(Future future, Scheduler loop, list pairs, Py_ssize_t first) except -1:
    """The future stops early. Its remaining callbacks run next, before what became ready after the future."""
    cdef Py_ssize_t i
    for i in range(len(pairs) - 2, first - 1, -2):
        callback, context = as_callback(pairs[i], pairs[i + 1])
        handle = new_handle(loop, callback, (future,), context)
        ready_queue_put_back(&loop.ready, <PyObject *>handle)
    return 0


cdef int future_callback_raised(Future future, Scheduler loop, object callback, object context) except -1:
    """Report the raised exception as that of a handle with this callback."""
    if raised_before_call(loop, callback) or call_raised_exit():
        return -1
    exception = compat_take_exception()
    return new_handle(loop, callback, (future,), context).report(exception)


# ---- awaiting ----

@cython.final
cdef class FutureIter:
    """The iterator behind await: it yields a pending future once, and then returns its result."""

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        cdef PyObject *yielded = future_iter_next(<PyObject *>self)
        if yielded is NULL:
            raise StopIteration
        Py_DECREF(<object>yielded)
        return <object>yielded

    def throw(self, type, *value_and_traceback):
        self.future = None
        if value_and_traceback or not isinstance(type, BaseException):
            type = exception_from_triple(COMPAT_THROW_WARNS, type, *value_and_traceback)
        compat_raise_again(type)

    def close(self):
        self.future = None


cdef inline FutureIter new_iterator(Future future):
    future_check_initialised(future)
    iterator = <FutureIter>object_pool_new(&iterator_pool)
    iterator.future = future
    return iterator


cdef PyObject *future_iter_next(PyObject *self) except? NULL:
    """FutureIter.__next__(), except that NULL without an exception ends an await with None."""
    cdef Future future = (<FutureIter>self).future
    if future is None:
        return NULL
    if not future.flags & FUTURE_DONE:
        if future.flags & FUTURE_BLOCKING:
            raise RuntimeError("await wasn't used with future")
        future.flags |= FUTURE_BLOCKING
        Py_INCREF(future)
        return <PyObject *>future
    (<FutureIter>self).future = None
    return compat_stop_iteration(future_result(future))


(<type_slots *>FutureIter).tp_iternext = <iternextfunc>future_iter_next


# ---- pools ----

cdef object_pool_t future_pool, iterator_pool


cdef Future new_future(Scheduler loop):
    cdef Future future = <Future>object_pool_new(&future_pool)
    future.loop = loop
    future.flags = FUTURE_ON_SCHEDULER
    future.word.cancel_requests = 0
    return future


cdef void future_dealloc(PyObject *self) noexcept:
    if object_type(self) is not future_pool.type:
        future_pool.plain_dealloc(self)
    elif not (<Future>self).flags & FUTURE_LOG_TRACEBACK or PyObject_CallFinalizerFromDealloc(self) == 0:
        object_pool_dealloc(&future_pool, self)


cdef void iterator_dealloc(PyObject *self) noexcept:
    object_pool_dealloc(&iterator_pool, self)


object_pool_open(
    &future_pool, Future.__new__(Future), (<PyTypeObject *>Runnable).tp_basicsize + 2 * sizeof(PyObject *), 6,
    <destructor>future_dealloc)
object_pool_open(&iterator_pool, FutureIter.__new__(FutureIter), sizeof(PyObject), 1, <destructor>iterator_dealloc)
