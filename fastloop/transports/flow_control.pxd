"""Documented in flow_control.h."""


cdef extern from "flow_control.h":
    enum:
        FLOW_CONTROL_DEFAULT_HIGH_BYTES

    ctypedef struct flow_control_t:
        size_t high_bytes
        size_t low_bytes

    void flow_control_open(flow_control_t *control) noexcept
    bint flow_control_is_full(const flow_control_t *control, size_t unsent_bytes) noexcept
    bint flow_control_is_drained(const flow_control_t *control, size_t unsent_bytes) noexcept
