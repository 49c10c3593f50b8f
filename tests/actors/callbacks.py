"""Callbacks that record their calls."""


class Callback:
    """A callable that can be weakly referenced."""

    def __init__(self):
        self.calls = []

    def __call__(self, *args):
        self.calls.append(args)


class StoppingCallback:
    """Calls a function, keeps its results, and stops the loop with the last of so many calls."""

    def __init__(self, loop, function=lambda *args: args, calls=1):
        self._loop = loop
        self._function = function
        self._calls = calls
        self.results = []

    def __call__(self, *args):
        self.results.append(self._function(*args))
        if len(self.results) == self._calls:
            self._loop.stop()
