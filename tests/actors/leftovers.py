"""What is left to the garbage collector, and complains."""

import contextlib
import gc
import warnings


@contextlib.contextmanager
def unclosed_expected():
    """Let sockets and transports be collected that nobody has closed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()
