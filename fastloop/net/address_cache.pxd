"""Documented in address_cache.h."""

from fastloop.net.sockaddr cimport sockaddr_storage, socklen_t


cdef extern from "address_cache.h":
    ctypedef struct address_cache_t:
        pass

    object address_cache_show(address_cache_t *cache, const sockaddr_storage *raw, socklen_t length)
    const void *address_cache_find(address_cache_t *cache, object shown, int family, socklen_t *length) noexcept
    void address_cache_close(address_cache_t *cache) noexcept
