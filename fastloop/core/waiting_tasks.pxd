# Which tasks wait behind a callback of a task.

# The waiters behind callback, which is being added to future: a task, a set of tasks and other futures, or None.
cdef object waiters_behind(object callback, object future)
