# Whether a signal handler's exception came before the function that it interrupted had begun.

# Of the raised exception, which stays raised. callable is what was called.
cdef bint interruption_came_first(object callable) except -1

# Of an exception that was caught.
cdef bint interruption_was_first(object exception, object callable) except -1

# Call it. If it was interrupted before it began it is called again, and the interruption is raised afterwards.
cdef object call_uninterrupted(object callable)
cdef object call_uninterrupted_with(object callable, object argument)
