"""The rarely used arguments of throw() and set_exception(), made into one exception object.

Owns: nothing.
Promises: asyncio's errors, one for one, for anything that is not an exception or must not be raised.
"""

import asyncio
import functools
import types
import warnings

NO_STOP_ITERATION = "StopIteration interacts badly with generators and cannot be raised into a Future"


def exception_instance(exception):
    """Return what set_exception(exception) stores, for a class or an instance. Raises TypeError for anything else."""
    if isinstance(exception, type):
        exception = exception()
    if not isinstance(exception, BaseException):
        raise TypeError(f"invalid exception object {exception!r}; give an exception class or instance")
    if not isinstance(exception, StopIteration):
        return exception
    if _asyncio_refuses_stop_iteration():
        raise TypeError(NO_STOP_ITERATION)
    return _instead_of_stop_iteration(exception)


def exception_from_executor(exception):
    """Return the exception that a future of the loop fails with when work in an executor has ended with exception.

    Where asyncio refuses the exception, its future stays pending forever. Here it fails with the reason.
    """
    exception = asyncio.futures._convert_future_exc(exception)
    if isinstance(exception, StopIteration):
        return _instead_of_stop_iteration(exception)
    try:
        return exception_instance(exception)
    except TypeError as error:
        return error


def _instead_of_stop_iteration(exception):
    error = RuntimeError(NO_STOP_ITERATION)
    error.__cause__ = error.__context__ = exception
    return error


@functools.cache
def _asyncio_refuses_stop_iteration():
    """Up to 3.11.7 and 3.12.1, set_exception(StopIteration) raises. Since then the future fails instead (gh-112182)."""

    class Loop:
        def get_debug(self):
            return False

    future = asyncio.Future(loop=Loop())
    try:
        future.set_exception(StopIteration())
    except TypeError:
        return True
    future._log_traceback = False
    return False


def exception_from_triple(warns, cls, value=None, traceback=None, *surplus):
    """Return the exception that throw(cls, value, traceback) raises. Coroutines still accept this form of Python 2.

    warns: whether the running Python deprecates that form.
    """
    if surplus:
        raise TypeError(f"throw expected at most 3 arguments, got {3 + len(surplus)}")
    if warns and (value is not None or traceback is not None):
        message = "the (type, exc, tb) signature of throw() is deprecated, use the single-arg signature instead."
        warnings.warn(message, DeprecationWarning, stacklevel=2)
    if traceback is not None and not isinstance(traceback, types.TracebackType):
        raise TypeError("throw() third argument must be a traceback")
    if isinstance(cls, BaseException):
        if value is not None:
            raise TypeError("instance exception may not have a separate value")
        exception = cls
    elif isinstance(cls, type) and issubclass(cls, BaseException):
        exception = _made_from(cls, value)
    else:
        raise TypeError(f"exceptions must be classes or instances deriving from BaseException, not {type(cls).__name__}")
    return exception if traceback is None else exception.with_traceback(traceback)


def _made_from(cls, value):
    if isinstance(value, cls):
        return value
    return cls() if value is None else cls(value)
