"""Documented in loops_to_track.h."""


cdef extern from "loops_to_track.h":
    void loops_to_track_forget(void *loop) noexcept
    void loops_to_track_note(void *loop) noexcept
    void *loops_to_track_take() noexcept
