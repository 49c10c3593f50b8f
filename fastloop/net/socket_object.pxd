"""socket_object.h holds what these promise."""


cdef extern from "socket_object.h":
    int socket_object_fd(object sock) noexcept
