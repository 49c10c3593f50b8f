# Calling a loop's exception handler.

# The context's exception is the handled one during the call, so sys.exc_info() and logging.exception() work.
cdef int call_exception_handler(object loop, dict context) except -1
