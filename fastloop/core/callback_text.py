"""The text for a callback in a handle's repr and in messages. It is asyncio's.

Owns: nothing.
Promises: an answer for any object, on every Python.
"""

import functools
import types
from asyncio import format_helpers

# Names of the types of functions in C and in Cython.
COMPILED = {"builtin_function_or_method", "cython_function_or_method"}


def describe_callback(callback, args, debug):
    """Return the text for callback(*args). debug: show the arguments of every call, as asyncio does in debug mode."""
    # A patch release added the debug parameter, so the version does not tell.
    try:
        return format_helpers._format_callback_source(callback, args, debug=debug)
    except TypeError:
        pass
    try:
        return format_helpers._format_callback_source(callback, args)
    except TypeError:
        # The program has set _args to something that is not a sequence.
        return format_helpers._format_callback_source(callback, (args,))


def name_callback(callback):
    """Return a text that tells the callback from others, without a call of the program's code, such as a __repr__()."""
    while type(callback) is functools.partial:
        callback = callback.func
    function = callback.__func__ if type(callback) is types.MethodType else callback
    if type(function) is types.FunctionType:
        return f"{function.__qualname__}() at {function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    if type(function).__name__ in COMPILED:
        return f"{function.__qualname__}()"
    return f"{type(callback).__qualname__} object"


def name_task(name, coroutine):
    """Return a text for the task: its name and where its coroutine is defined."""
    code = coroutine.cr_code if type(coroutine) is types.CoroutineType else None
    if code is None:
        return f"{name}: {type(coroutine).__qualname__}"
    return f"{name}: {coroutine.__qualname__}() at {code.co_filename}:{code.co_firstlineno}"
