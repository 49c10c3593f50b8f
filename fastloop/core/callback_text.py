"""The text for a callback in a handle's repr and in messages. It is asyncio's.

Owns: nothing.
Promises: an answer for any object, on every Python.
"""

from asyncio import format_helpers


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
