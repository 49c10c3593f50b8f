# Which task runs now, kept where asyncio looks for it.

# Make task the loop's current one; returns the one before it, or None.
cdef object swap_current_task(object loop, object task)

# The same, which fails unless the loop runs in this thread.
cdef object swap_own_current_task(object loop, object task)

# enter and leave as asyncio's own tasks do it; they check that no other task is current.
cdef int enter_task(object loop, object task) except -1
cdef int leave_task(object loop, object task) except -1
