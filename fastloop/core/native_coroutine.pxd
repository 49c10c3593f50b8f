# NativeCoroutine: what `async def` functions return, without a frame.

cdef class NativeCoroutine:
    cdef:
        # What the last step has ended with or yields. None between the steps.
        object value
        # The future that the last step has yielded, or None.
        object waits_for
        # A coroutine that does the rest, or None.
        object inner
        bint has_begun
        bint has_ended
        # A step may call the program, which must not start another one, or end this one, under its feet.
        bint is_running

    # ---- for the subclasses ----

    # Run up to the next wait, with what that yields in value; or to the end, with the result there. Returns whether it has
    # ended. It may raise anything.
    cdef bint advance(self) except -1
    # It waits no longer, for whatever reason.
    cdef int wait_is_over(self) except -1
    # An exception was thrown into a wait. Raises it, or has an answer, as advance() does.
    cdef bint thrown(self, object exception) except -1
    # A StopIteration with this value was thrown into a wait, which is thereby over. Goes on as advance() does. By default, the
    # value is the result.
    cdef bint stopped(self, object value) except -1
    # The result, made from that of inner.
    cdef object result_of_inner(self, object result)
    # It is over: drop what it held.
    cdef int end(self) except -1
    cdef str qualified_name(self)

    # ---- for advance() ----

    # Yield a future. Returns False.
    cdef bint wait_for(self, object future) except -1
    # Raise what the future was given that the last step has waited for. Returns whether there was one.
    cdef bint stop_waiting(self) except -1
    # Leave the rest to a coroutine, which begins now.
    cdef bint leave_to(self, object coroutine) except -1

    # ---- its own ----

    cdef bint send_to_inner(self) except -1
