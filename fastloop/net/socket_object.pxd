"""Documented in socket_object.h."""


cdef extern from "socket_object.h":
    int socket_object_fd(object sock) noexcept
    int socket_object_family(object sock) noexcept
