"""Work for other threads."""

import concurrent.futures
import contextlib


def call_in_thread(function, *args):
    """Call a function in another thread; return what it returns, raise here what it raises there."""
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(function, *args).result(60)


@contextlib.contextmanager
def in_thread(function, *args):
    """Run a function in another thread meanwhile; raise at the end what it raises."""
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        running = executor.submit(function, *args)
        yield
        running.result(60)
