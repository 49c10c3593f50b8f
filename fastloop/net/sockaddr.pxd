"""Documented in sockaddr.h."""


cdef extern from "sockaddr.h":
    ctypedef unsigned int socklen_t

    ctypedef struct sockaddr_storage "struct sockaddr_storage":
        pass

    ctypedef struct sockaddr_raw_t:
        pass

    const int AF_INET6
    int sockaddr_numeric_family(const char *host) noexcept
    object sockaddr_to_python_or_none(const sockaddr_storage *address, socklen_t length)
    socklen_t sockaddr_from_python(object address, int family, sockaddr_storage *result) noexcept
    bint sockaddr_knows_family(int family) noexcept
    bint sockaddr_raw_is_set(const sockaddr_raw_t *raw) noexcept
    bint sockaddr_raw_set(sockaddr_raw_t *raw, const sockaddr_storage *address, socklen_t length) noexcept
    object sockaddr_raw_to_python(const sockaddr_raw_t *raw)
    object sockaddr_local(int fd)
