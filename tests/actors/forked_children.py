"""Work for a forked child."""

import os
import signal
import traceback
import warnings


def in_forked_child(function):
    """Run function in a forked child and return the text that it returned, or its traceback."""
    reading_fd, writing_fd = os.pipe()
    with warnings.catch_warnings():
        # pytest's own watchdog is a thread, too.
        warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
        child = os.fork()
    if child == 0:
        # The child must not come back into the test runner.
        try:
            signal.alarm(20)
            answer = str(function())
        except BaseException:
            answer = traceback.format_exc()
        finally:
            os.write(writing_fd, answer.encode()[:60_000])
            os._exit(0)
    os.close(writing_fd)
    with open(reading_fd) as answer_file:
        answer = answer_file.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child died: {status}, {answer}"
    return answer
