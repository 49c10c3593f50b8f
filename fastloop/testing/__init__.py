"""Virtual time for tests: sleeps and timeouts of any length end at once.

fastloop.testing.run(main())
"""

from fastloop.testing.deadlock import Deadlock
from fastloop.testing.virtual_loop import EventLoop, run

__all__ = ["Deadlock", "EventLoop", "run"]
