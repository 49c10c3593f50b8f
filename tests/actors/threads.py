"""Work for other threads."""

import concurrent.futures


def call_in_thread(function, *args):
    """Call a function in another thread; return what it returns, raise here what it raises there."""
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        return executor.submit(function, *args).result(60)
