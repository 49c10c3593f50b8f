# What an exception from a signal handler has interrupted, and how the loop continues after it.

from fastloop.core.scheduler cimport Scheduler


# Whether a signal handler raised this exception during a call of callable, before callable itself had started.
cdef bint exception_preceded_call(object exception, object callable) except -1

# The same for the exception that is raised now, which stays raised. False if this has happened too often in a row.
cdef bint raised_before_call(Scheduler scheduler, object callable) except -1

# Whether callable is one of asyncio's callbacks that give a future its result, and the raised exception came before the result.
cdef bint raised_before_result(object callable, object args) except -1

# Raise the exception after the running callback and before any other. If the loop does not run, raise it at once.
cdef int interrupt_soon(Scheduler scheduler, object exception) except -1

# For a call of callable that has just raised. If a signal handler raised before callable had started, call it again, and
# raise the interruption when the running callback has ended. An exception of callable itself stays raised.
cdef object call_again(Scheduler scheduler, object callable, tuple args)

# Call it, and handle interruptions as call_again() does.
cdef object call_uninterrupted(Scheduler scheduler, object callable)
cdef object call_uninterrupted_with(Scheduler scheduler, object callable, object argument)

# Call close(). For a plain socket, repeat the call until it returns. Interruptions are raised afterwards, errors of
# close() at once.
cdef int close_uninterrupted(Scheduler scheduler, object closable) except -1
