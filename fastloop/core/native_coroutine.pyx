"""NativeCoroutine: what `async def` functions return, without a frame.

Owns: the future that it waits for.
Promises: what a coroutine promises. It does nothing before it is awaited, can be awaited once, takes exceptions where it
  waits, and warns if it was never awaited. A result that is there already costs no turn.
Driven by: the task or coroutine that awaits it. The subclasses do the work.
"""

import warnings

from cpython.bytes cimport PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

from fastloop.core.future cimport FUTURE_BLOCKING, FUTURE_DONE, FUTURE_FAILED, FUTURE_FINISHED, Future
from fastloop.python.capi cimport PYGEN_NEXT, PyIter_Send, PySendResult, new_reference
from fastloop.python.cpython_compat cimport (
    COMPAT_THROW_WARNS, compat_raise_again, compat_stop_iteration, compat_stop_iteration_with_bytes, compat_take_exception)
from fastloop.python.type_slots cimport iternextfunc, type_slots


from fastloop.python.exception_arguments import exception_from_triple


cdef enum:
    # A longer result is not kept alive until the next one comes.
    MAX_SPARE_BYTES = 4096


cdef PyObject *spare_stop = NULL


cdef class NativeCoroutine:
    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        # Replaced below; this is what __next__() by its name calls.
        return returned_or_stopped(native_coroutine_step(<PyObject *>self))

    def __del__(self):
        if not self.has_begun:
            self.has_begun = True
            warnings.warn(f"coroutine '{self.qualified_name()}' was never awaited", RuntimeWarning, source=self)
        elif self.waits_for is not None:
            # Dropped in its wait. Others may wait now.
            self.wait_is_over()

    def __repr__(self):
        return f"<coroutine object {self.qualified_name()} at {<size_t><PyObject *>self:#x}>"

    @property
    def __qualname__(self):
        return self.qualified_name()

    @property
    def __name__(self):
        return self.qualified_name().rpartition(".")[2]

    def send(self, value):
        """Continue, as a coroutine does. value is ignored, but the first one must be None."""
        if value is not None and not self.has_begun:
            raise TypeError("can't send non-None value to a just-started coroutine")
        return returned_or_stopped(native_coroutine_step(<PyObject *>self))

    def throw(self, type, *value_and_traceback):
        """Raise an exception where it waits, as a coroutine does."""
        cdef int has_ended
        check_not_running(self)
        check_not_over(self)
        if value_and_traceback or not isinstance(type, BaseException):
            type = exception_from_triple(COMPAT_THROW_WARNS, type, *value_and_traceback)
        self.is_running = True
        has_ended = (<int (*)(NativeCoroutine, object) noexcept>throw_into)(self, type)
        self.is_running = False
        if has_ended < 0:
            native_coroutine_failed(self)
        return returned_or_stopped(native_coroutine_answer(self, has_ended))

    def close(self):
        """End without a result, as a coroutine does."""
        check_not_running(self)
        if self.has_ended:
            return
        inner = self.inner
        self.has_begun = True
        if self.waits_for is not None:
            self.wait_is_over()
        self.end()
        if inner is not None:
            inner.close()

    # ---- for the subclasses ----

    cdef bint advance(self) except -1:
        raise SystemError(f"{type(self).__name__} has no steps")

    cdef int wait_is_over(self) except -1:
        self.waits_for = None
        return 0

    cdef bint thrown(self, object exception) except -1:
        raise exception

    cdef bint stopped(self, object value) except -1:
        self.value = value
        return True

    cdef object result_of_inner(self, object result):
        return result

    cdef int end(self) except -1:
        self.has_ended = True
        self.value = self.waits_for = self.inner = None
        return 0

    cdef str qualified_name(self):
        return type(self).__name__

    cdef bint wait_for(self, object future) except -1:
        if type(future) is Future:
            (<Future>future).flags |= FUTURE_BLOCKING
        else:
            future._asyncio_future_blocking = True
        self.value = self.waits_for = future
        return False

    cdef bint stop_waiting(self) except -1:
        future = self.waits_for
        if future is None:
            return False
        if type(future) is Future:
            if (<Future>future).flags & (FUTURE_DONE | FUTURE_FAILED) == FUTURE_FINISHED:
                # HOT.
                self.wait_is_over()
                return True
        if not future.done():
            raise RuntimeError("await wasn't used with future")
        self.wait_is_over()
        future.result()
        return True

    cdef bint leave_to(self, object coroutine) except -1:
        self.inner = coroutine
        return self.send_to_inner()

    # ---- its own ----

    cdef bint send_to_inner(self) except -1:
        cdef PyObject *result = NULL
        cdef PySendResult outcome = PyIter_Send(self.inner, None, &result)
        if result is NULL:
            # Raises the exception that is set.
            return raised()
        self.value = <object>result
        Py_DECREF(self.value)
        if outcome == PYGEN_NEXT:
            return False
        self.value = self.result_of_inner(self.value)
        return True


cdef inline int check_not_running(NativeCoroutine self) except -1:
    if self.is_running:
        raise ValueError("coroutine already executing")
    return 0


cdef inline int check_not_over(NativeCoroutine self) except -1:
    if self.has_ended:
        raise RuntimeError("cannot reuse already awaited coroutine")
    return 0


cdef bint raised() except? -1:
    return -1


cdef int throw_into(NativeCoroutine self, object exception) except -1:
    cdef bint has_waited
    if not self.has_begun:
        self.has_begun = True
        raise exception
    if self.inner is None:
        has_waited = self.waits_for is not None
        self.wait_is_over()
        # What is awaited ends with StopIteration.
        return self.stopped(exception.value) if has_waited and isinstance(exception, StopIteration) else self.thrown(exception)
    try:
        self.value = self.inner.throw(exception)
        return False
    except StopIteration as stop:
        self.value = self.result_of_inner(stop.value)
        return True


cdef inline object returned_or_stopped(PyObject *answer):
    """What a step has yielded. If it has ended, raise StopIteration; an exception may be raised already."""
    if answer is NULL:
        raised()
        raise StopIteration
    result = <object>answer
    Py_DECREF(result)
    return result


cdef inline PyObject *native_coroutine_answer(NativeCoroutine self, bint has_ended) except? NULL:
    value = self.value
    self.value = None
    if not has_ended:
        return new_reference(value)
    self.end()
    if PyBytes_CheckExact(value) and PyBytes_GET_SIZE(value) <= MAX_SPARE_BYTES:
        return compat_stop_iteration_with_bytes(&spare_stop, value)
    return compat_stop_iteration(value)


cdef inline bint must_wait_again(NativeCoroutine self) noexcept:
    """Whether it was resumed too early, as by a second task that awaits it. A future then yields itself once more."""
    future = self.waits_for
    return type(future) is Future and not (<Future>future).flags & (FUTURE_DONE | FUTURE_BLOCKING)


cdef int native_coroutine_advance(NativeCoroutine self) except -1:
    if self.inner is not None:
        return self.send_to_inner()
    return self.wait_for(self.waits_for) if must_wait_again(self) else self.advance()


cdef int native_coroutine_failed(NativeCoroutine self) except -1:
    error = compat_take_exception()
    self.end()
    if isinstance(error, StopIteration):
        raise RuntimeError("coroutine raised StopIteration") from error
    return compat_raise_again(error)


cdef PyObject *native_coroutine_step(PyObject *pointer) except? NULL:
    """HOT. Return what to yield; or NULL, with the result as StopIteration, or with another exception."""
    cdef NativeCoroutine self = <NativeCoroutine>pointer
    cdef int has_ended
    check_not_running(self)
    check_not_over(self)
    self.has_begun = self.is_running = True
    has_ended = (<int (*)(NativeCoroutine) noexcept>native_coroutine_advance)(self)
    self.is_running = False
    if has_ended < 0:
        native_coroutine_failed(self)
    # The result leaves as an exception. A check for one here would give it a traceback.
    return (<PyObject *(*)(NativeCoroutine, bint) noexcept>native_coroutine_answer)(self, has_ended)


# The subclasses inherit it.
(<type_slots *>NativeCoroutine).tp_iternext = <iternextfunc>native_coroutine_step
