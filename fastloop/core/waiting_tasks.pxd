# Which tasks wait behind a callback of a task.

# A task, a set of tasks and other futures, or None. callback is being added to future.
cdef object waiters_behind(object callback, object future)
