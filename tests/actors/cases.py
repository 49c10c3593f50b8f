"""Cases by name: what a parametrised test goes through."""

import functools


class Cases(dict):
    """A decorator that registers functions by their names."""

    def __call__(self, function):
        self[function.__name__] = function
        return function

    def calls(self, **functions):
        """Register functions of a line each."""
        self.update(functions)

    def calls_before_turns(self, **functions):
        """Register functions of a line each whose effect shows when the loop runs; the handle that they return is cancelled then."""
        for name, function in functions.items():
            self[name] = functools.partial(_call_and_run_turns, function)


def _call_and_run_turns(function, loop, *args):
    handle = function(loop, *args)
    run_turns(loop)
    if handle is not None:
        handle.cancel()


def run_turns(loop, count=3):
    for _ in range(count):
        loop.call_soon(loop.stop)
        loop.run_forever()
