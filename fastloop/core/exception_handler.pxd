# Calling a loop's exception handler.

# The handler is called while the context's exception is handled: it may call sys.exc_info() or logging.exception().
cdef int call_exception_handler(object loop, dict context) except -1
