"""How a callback is shown in a handle's repr and in messages: as asyncio does.

Owns: nothing.
Promises: an answer for any object, on every Python.
"""

from asyncio import format_helpers


def describe_callback(callback, args, debug):
    """Return the text for callback(*args). debug: show the arguments of every call, as asyncio does in debug mode."""
    # The parameter came with a patch release.
    try:
        return format_helpers._format_callback_source(callback, args, debug=debug)
    except TypeError:
        pass
    try:
        return format_helpers._format_callback_source(callback, args)
    except TypeError:
        # Somebody has set _args to something that is not a sequence.
        return format_helpers._format_callback_source(callback, (args,))
