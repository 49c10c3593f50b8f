"""What runs in processes of its own: loops, servers and clients. They speak JSON lines, as processes.Process expects."""

import json
from contextlib import contextmanager

from benchmarks import Failure


def say(**content):
    print(json.dumps(content), flush=True)


@contextmanager
def failure_said():
    """An exception ends the block and becomes the answer."""
    try:
        yield
    except Failure as failure:
        say(failure=str(failure))
    except Exception as error:
        say(failure=f"{type(error).__name__}: {error}".rstrip(": "))
