"""Documented in held_queues.h."""


cdef extern from "held_queues.h":
    void held_queues_forget(void *loop) noexcept
    void held_queues_note(void *loop) noexcept
    void *held_queues_take() noexcept
