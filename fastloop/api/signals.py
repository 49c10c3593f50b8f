"""Signal handlers: asyncio's own, over a socket pair that is made with the first handler.

Owns: the pair, through which Python's signal machinery tells the loop which signals came. Without such handlers signals only wake the
  loop (core/signal_wakeup.pyx).
Driven by: signal.set_wakeup_fd(), and the loop's reader of the pair's other end.
"""

from asyncio import SelectorEventLoop


class SignalMethods:
    """add_signal_handler() and what asyncio's version of it needs."""

    def _make_self_pipe(self):
        # asyncio makes the pair with every loop. Here the loop is woken in another way, and most loops have no signal handler.
        self._ssock = self._csock = None

    def _close_self_pipe(self):
        if self._ssock is not None:
            super()._close_self_pipe()

    def add_signal_handler(self, sig, callback, *args):
        """Run callback(*args) in the loop whenever the signal sig arrives. Replaces an earlier handler.

        Raises ValueError for a number that is not a signal, and RuntimeError outside the main thread or if sig cannot be caught.
        """
        if self._ssock is None and not self.is_closed():
            SelectorEventLoop._make_self_pipe(self)
        super().add_signal_handler(sig, callback, *args)

    def remove_signal_handler(self, sig):
        """Restore the default handler of the signal sig. Return whether there was one of add_signal_handler()'s."""
        removed = super().remove_signal_handler(sig)
        # With its last handler asyncio gives up the wake-up descriptor.
        self._wake_by_signals()
        return removed
