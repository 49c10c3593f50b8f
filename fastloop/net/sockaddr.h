/* The kernel's socket addresses, in the form that Python's socket module returns.
 *
 * Promises: (host, port) for IPv4, (host, port, flow information, scope) for IPv6, a str for a Unix path, bytes for an
 *   abstract name. For any other family NULL without an exception: then the socket object must be asked.
 * An IPv4 or IPv6 address can be stored as the kernel returned it until somebody asks. That takes fewer bytes, and no
 * work if nobody does.
 * Owns: nothing.
 */
#ifndef FASTLOOP_SOCKADDR_H
#define FASTLOOP_SOCKADDR_H

#include <Python.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* AF_INET or AF_INET6 if host is a numeric address exactly as inet_ntop(3) writes it, otherwise 0. */
static inline int sockaddr_numeric_family(const char *host)
{
    char canonical[INET6_ADDRSTRLEN];
    struct in6_addr address;
    int family = strchr(host, ':') == NULL ? AF_INET : AF_INET6;
    bool is_canonical = inet_pton(family, host, &address) == 1 && inet_ntop(family, &address, canonical, sizeof(canonical)) != NULL
                        && strcmp(host, canonical) == 0;
    return is_canonical ? family : 0;
}

static inline PyObject *sockaddr_ipv4(const struct sockaddr_in *address)
{
    char host[INET_ADDRSTRLEN];
    if (inet_ntop(AF_INET, &address->sin_addr, host, sizeof(host)) == NULL) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_BuildValue("si", host, (int)ntohs(address->sin_port));
}

static inline PyObject *sockaddr_ipv6(const struct sockaddr_in6 *address)
{
    char host[INET6_ADDRSTRLEN];
    if (inet_ntop(AF_INET6, &address->sin6_addr, host, sizeof(host)) == NULL) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_BuildValue(
        "siII", host, (int)ntohs(address->sin6_port), (unsigned)ntohl(address->sin6_flowinfo), (unsigned)address->sin6_scope_id);
}

/* Only Linux, which alone has SO_PEERSEC, has names that begin with a zero byte. Other kernels fill a nameless address with zeros. */
#ifdef SO_PEERSEC
enum { SOCKADDR_HAS_ABSTRACT_NAMES = 1 };
#else
enum { SOCKADDR_HAS_ABSTRACT_NAMES = 0 };
#endif

/* A path may be longer than sun_path by the zero byte that ends it. */
static inline PyObject *sockaddr_unix(const struct sockaddr_storage *address, socklen_t length)
{
    const size_t offset = offsetof(struct sockaddr_un, sun_path);
    if (length <= offset) {
        return PyUnicode_FromStringAndSize("", 0);
    }
    const char *path = (const char *)address + offset;
    const size_t size = length - offset;
    if (path[0] == 0 && SOCKADDR_HAS_ABSTRACT_NAMES) {
        return size == 1 ? PyUnicode_FromStringAndSize("", 0) : PyBytes_FromStringAndSize(path, (Py_ssize_t)size);
    }
    return PyUnicode_DecodeFSDefaultAndSize(path, (Py_ssize_t)strnlen(path, size));
}

static inline PyObject *sockaddr_to_python(const struct sockaddr_storage *address, socklen_t length)
{
    if (length == 0) {
        return NULL;
    }
    switch (address->ss_family) {
    case AF_INET:
        return sockaddr_ipv4((const struct sockaddr_in *)address);
    case AF_INET6:
        return sockaddr_ipv6((const struct sockaddr_in6 *)address);
    case AF_UNIX:
        return sockaddr_unix(address, length);
    default:
        return NULL;
    }
}

/* The same with None where sockaddr_to_python() has no answer. */
static inline PyObject *sockaddr_to_python_or_none(const struct sockaddr_storage *address, socklen_t length)
{
    PyObject *found = sockaddr_to_python(address, length);
    if (found != NULL) {
        return found;
    }
    PyErr_Clear();
    return Py_NewRef(Py_None);
}

/* ---- The other way. Only what needs no name resolution and no exception: the socket module does the rest. ---- */

/* HOT. Whether text is a numeric host of the family, which is then stored at host. */
static inline bool sockaddr_host(PyObject *text, int family, void *host)
{
    char numeric[INET6_ADDRSTRLEN];
    if (!PyUnicode_CheckExact(text) || !PyUnicode_IS_COMPACT_ASCII(text)) {
        return false;
    }
    const size_t size = (size_t)PyUnicode_GET_LENGTH(text);
    if (size >= sizeof(numeric)) {
        return false;
    }
    memcpy(numeric, PyUnicode_1BYTE_DATA(text), size);
    numeric[size] = '\0';
    return strlen(numeric) == size && inet_pton(family, numeric, host) == 1;
}

/* HOT. Whether item is an int from 0 to max, which is then stored at number. */
static inline bool sockaddr_number(PyObject *item, long max, uint32_t *number)
{
    int overflow;
    if (!PyLong_CheckExact(item)) {
        return false;
    }
    const long value = PyLong_AsLongAndOverflow(item, &overflow);
    *number = (uint32_t)value;
    return overflow == 0 && value >= 0 && value <= max;
}

static inline socklen_t sockaddr_ipv4_from_python(PyObject *tuple, struct sockaddr_in *address)
{
    uint32_t port;
    memset(address, 0, sizeof(*address));
    if (PyTuple_GET_SIZE(tuple) != 2 || !sockaddr_number(PyTuple_GET_ITEM(tuple, 1), UINT16_MAX, &port)
        || !sockaddr_host(PyTuple_GET_ITEM(tuple, 0), AF_INET, &address->sin_addr)) {
        return 0;
    }
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t)port);
    return sizeof(*address);
}

static inline socklen_t sockaddr_ipv6_from_python(PyObject *tuple, struct sockaddr_in6 *address)
{
    enum { MAX_FLOW_INFORMATION = 0xfffff, MAX_SCOPE = INT32_MAX };
    const Py_ssize_t size = PyTuple_GET_SIZE(tuple);
    uint32_t port, flow = 0, scope = 0;
    memset(address, 0, sizeof(*address));
    if (size < 2 || size > 4 || !sockaddr_number(PyTuple_GET_ITEM(tuple, 1), UINT16_MAX, &port)
        || (size > 2 && !sockaddr_number(PyTuple_GET_ITEM(tuple, 2), MAX_FLOW_INFORMATION, &flow))
        || (size > 3 && !sockaddr_number(PyTuple_GET_ITEM(tuple, 3), MAX_SCOPE, &scope))
        || !sockaddr_host(PyTuple_GET_ITEM(tuple, 0), AF_INET6, &address->sin6_addr)) {
        return 0;
    }
    address->sin6_family = AF_INET6;
    address->sin6_port = htons((uint16_t)port);
    address->sin6_flowinfo = htonl(flow);
    address->sin6_scope_id = scope;
    return sizeof(*address);
}

/* HOT. Returns the length of the address, or 0 if the socket module must be asked. No Python code runs, nothing is raised. */
static inline socklen_t sockaddr_from_python(PyObject *tuple, int family, struct sockaddr_storage *address)
{
    if (!PyTuple_CheckExact(tuple)) {
        return 0;
    }
    switch (family) {
    case AF_INET:
        return sockaddr_ipv4_from_python(tuple, (struct sockaddr_in *)address);
    case AF_INET6:
        return sockaddr_ipv6_from_python(tuple, (struct sockaddr_in6 *)address);
    default:
        return 0;
    }
}

/* Whether received addresses of the family can be shown here. */
static inline bool sockaddr_knows_family(int family)
{
    return family == AF_INET || family == AF_INET6 || family == AF_UNIX;
}

/* All zero if there is no address. */
typedef union {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
} sockaddr_raw_t;

static inline bool sockaddr_raw_is_set(const sockaddr_raw_t *raw)
{
    return raw->any.sa_family != AF_UNSPEC;
}

/* Returns whether the address can be stored like this. */
static inline bool sockaddr_raw_set(sockaddr_raw_t *raw, const struct sockaddr_storage *address, socklen_t length)
{
    if (!((address->ss_family == AF_INET && length == sizeof(raw->ipv4))
            || (address->ss_family == AF_INET6 && length == sizeof(raw->ipv6)))) {
        return false;
    }
    memcpy(raw, address, length);
    return true;
}

/* None if there is no address. */
static inline PyObject *sockaddr_raw_to_python(const sockaddr_raw_t *raw)
{
    struct sockaddr_storage address;
    if (!sockaddr_raw_is_set(raw)) {
        return Py_NewRef(Py_None);
    }
    memset(&address, 0, sizeof(address));
    memcpy(&address, raw, sizeof(*raw));
    return sockaddr_to_python_or_none(&address, sizeof(*raw));
}

/* The local address of the descriptor. None if its family is unknown here or the kernel has no answer. */
static inline PyObject *sockaddr_local(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
        return Py_NewRef(Py_None);
    }
    return sockaddr_to_python_or_none(&address, length);
}

#endif
