"""sockaddr.h holds what these promise."""


cdef extern from "sockaddr.h":
    ctypedef unsigned int socklen_t

    ctypedef struct sockaddr_storage "struct sockaddr_storage":
        pass

    ctypedef struct sockaddr_kept_t:
        pass

    object sockaddr_to_python_or_none(const sockaddr_storage *address, socklen_t length)
    bint sockaddr_is_kept(const sockaddr_kept_t *kept) noexcept
    bint sockaddr_keep(sockaddr_kept_t *kept, const sockaddr_storage *address, socklen_t length) noexcept
    object sockaddr_kept_to_python(const sockaddr_kept_t *kept)
    object sockaddr_of_own_end(int fd)
