# The current task, recorded where asyncio looks for it.

# Make task the loop's current task. Returns the previous one, or None.
cdef object swap_current_task(object loop, object task)

# The same, but raises RuntimeError unless the loop runs in this thread.
cdef object swap_own_current_task(object loop, object task)

# Enter and leave a task as asyncio's own tasks do. Both raise RuntimeError if another task is current.
cdef int enter_task(object loop, object task) except -1
cdef int leave_task(object loop, object task) except -1
