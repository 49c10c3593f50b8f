"""The scheduling core: runs things in order, and knows no socket and no protocol.

Owns: the ready queue, the timers, the watched descriptors, Handle, Future and Task.
Driven by: LoopLife.run_forever(). LoopCore is the base class of fastloop.EventLoop.
"""
