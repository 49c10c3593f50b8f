"""Errors on purpose."""


class SomeError(Exception):
    """An exception that only the tests raise."""


def fail(*args):
    raise ZeroDivisionError


def interrupt(*args):
    raise KeyboardInterrupt


def raising(error):
    """A function that raises an exception, whatever it is called with."""

    def fail(*args):
        raise error

    return fail
