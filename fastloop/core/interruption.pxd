# What a signal handler's exception has interrupted, and how the loop continues after it.

from fastloop.core.scheduler cimport Scheduler


# Whether a signal handler raised the exception before the callable that was called had begun.
cdef bint interruption_was_first(object exception, object callable) except -1

# The same, of the raised exception, which stays raised. False where that has happened too often in a row.
cdef bint interruption_came_first(Scheduler scheduler, object callable) except -1

# Whether the callback is one of asyncio's own that give a waiting future its result, and this one was interrupted before it did.
cdef bint interruption_came_halfway(object callable, object args) except -1

# The loop runs: raise the exception next, before any other callback. Otherwise, at once.
cdef int interrupt_soon(Scheduler scheduler, object exception) except -1

# A call of the callable has raised. Where a signal handler raised before it had begun, it is called again, and the interruption
# is raised when the running callback has ended. What the callable itself raises stays raised.
cdef object call_again(Scheduler scheduler, object callable, tuple args)

# Call it, and again where call_again() does.
cdef object call_uninterrupted(Scheduler scheduler, object callable)
cdef object call_uninterrupted_with(Scheduler scheduler, object callable, object argument)

# Call close(), for a plain socket until it has returned. Interruptions are raised afterwards, errors of close() itself at once.
cdef int close_uninterrupted(Scheduler scheduler, object closable) except -1
