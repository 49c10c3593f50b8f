/* Addresses of datagrams in both forms, the kernel's and Python's, so that neither is made again for each datagram.
 *
 * A socket that hears from one peer remembers that one. With the second peer it gets a table of ADDRESS_CACHE_ROWS rows, in
 * which a new address takes the place of another one.
 * Owns: one reference to the Python object of each row. It is None, a str, bytes, or an exact tuple of str and int objects, so
 *   it is never part of a reference cycle.
 * Promises: the same peer gets the same tuple while it is remembered. An answer to the tuple of the last datagram, and the next
 *   datagram to the same tuple, need no conversion.
 * Driven by: datagram_transport.pyx for each transport, socket_operation.pyx for each loop.
 */
#ifndef FASTLOOP_ADDRESS_CACHE_H
#define FASTLOOP_ADDRESS_CACHE_H

#include <Python.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include "sockaddr.h"

enum { ADDRESS_CACHE_ROWS = 64 };

typedef struct {
    PyObject *shown; /* NULL if the row is empty */
    socklen_t length;
    union {
        sockaddr_raw_t internet;
        struct sockaddr_un local;
    } raw;
} address_row_t;

typedef struct {
    address_row_t sender; /* of the last datagram */
    address_row_t target; /* where the last datagram went that was no answer to that */
    address_row_t *others;
} address_cache_t;

/* INVARIANT: length is at most that of the longest address. */
static inline bool address_row_is(const address_row_t *row, const void *raw, socklen_t length)
{
    return row->length == length && row->shown != NULL && memcmp(&row->raw, raw, length) == 0;
}

static inline void address_row_set(address_row_t *row, PyObject *shown, const void *raw, socklen_t length)
{
    PyObject *former = row->shown;
    memcpy(&row->raw, raw, length);
    row->length = length;
    row->shown = Py_NewRef(shown);
    Py_XDECREF(former);
}

static inline address_row_t *address_cache_row(address_cache_t *cache, const void *raw, socklen_t length)
{
    uint64_t hash = length;
    for (socklen_t offset = 0; offset < length; offset += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, (const char *)raw + offset, length - offset < sizeof(word) ? length - offset : sizeof(word));
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return &cache->others[hash % ADDRESS_CACHE_ROWS];
}

static inline PyObject *address_cache_show_new(address_cache_t *cache, const struct sockaddr_storage *raw, socklen_t length)
{
    if (cache->sender.shown == NULL) {
        PyObject *shown = sockaddr_to_python_or_none(raw, length);
        address_row_set(&cache->sender, shown, raw, length);
        return shown;
    }
    if (cache->others == NULL && (cache->others = PyMem_Calloc(ADDRESS_CACHE_ROWS, sizeof(address_row_t))) == NULL) {
        return PyErr_NoMemory();
    }
    address_row_t *row = address_cache_row(cache, raw, length);
    if (!address_row_is(row, raw, length)) {
        PyObject *shown = sockaddr_to_python_or_none(raw, length);
        address_row_set(row, shown, raw, length);
        Py_DECREF(shown);
    }
    address_row_set(&cache->sender, row->shown, raw, length);
    return Py_NewRef(row->shown);
}

/* HOT. A new reference to what Python's socket module would return; NULL with MemoryError raised. */
static inline PyObject *address_cache_show(address_cache_t *cache, const struct sockaddr_storage *raw, socklen_t length)
{
    if (address_row_is(&cache->sender, raw, length)) {
        return Py_NewRef(cache->sender.shown);
    }
    if (length > sizeof(cache->sender.raw)) {
        return sockaddr_to_python_or_none(raw, length);
    }
    return address_cache_show_new(cache, raw, length);
}

/* HOT. The address in the kernel's form; NULL if the socket module must be asked. Valid until the next call. */
static inline const void *address_cache_find(address_cache_t *cache, PyObject *shown, int family, socklen_t *length)
{
    struct sockaddr_storage raw;
    const address_row_t *row = shown == cache->sender.shown ? &cache->sender : &cache->target;
    /* The kernel shows a Unix path that fills sun_path with a zero byte more, and takes no address of that length. */
    const bool is_known = row->shown == shown && row->length > 0 && row->length <= sizeof(struct sockaddr_un);
    if (!is_known || row->raw.internet.any.sa_family != family) {
        const socklen_t found = sockaddr_from_python(shown, family, &raw);
        if (found == 0) {
            return NULL;
        }
        address_row_set(&cache->target, shown, &raw, found);
        row = &cache->target;
    }
    *length = row->length;
    return &row->raw;
}

static inline void address_cache_close(address_cache_t *cache)
{
    Py_CLEAR(cache->sender.shown);
    Py_CLEAR(cache->target.shown);
    for (int i = 0; cache->others != NULL && i < ADDRESS_CACHE_ROWS; i++) {
        Py_CLEAR(cache->others[i].shown);
    }
    PyMem_Free(cache->others);
    cache->others = NULL;
}

#endif
