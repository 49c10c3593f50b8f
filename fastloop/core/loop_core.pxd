# LoopCore: the hot methods of the event loop.

from fastloop.core.loop_life cimport LoopLife


cdef class LoopCore(LoopLife):
    cdef:
        # A subclass or the instance overrides time() or call_at(). Checked when that happens, not in each call.
        bint has_own_time_or_call_at
        # FASTLOOP_NATIVE_TASK=1: make asyncio's own tasks, for tools that read their memory.
        bint makes_native_tasks

    cdef int notice_overrides(self) except -1
