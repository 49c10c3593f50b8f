"""Errors on purpose."""


class SomeError(Exception):
    """An exception that only the tests raise."""


def fail(*args):
    raise ZeroDivisionError


def interrupt(*args):
    raise KeyboardInterrupt
