"""What getaddrinfo() answers for a numeric host and port, without asking.

Owns: the shapes of answers: all but host and port, by what was asked besides these.
Promises: the answer of socket.getaddrinfo(), from which each shape is learned. No answer where it may depend on the machine's
  interfaces, on a file or on how the address is written.
Driven by: the loop's getaddrinfo().
"""

import socket

from cpython.long cimport PyLong_AsLongAndOverflow, PyLong_CheckExact
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_CheckExact
from libc.string cimport strlen

from fastloop.net.sockaddr cimport AF_INET6, sockaddr_numeric_family


# Flags that change nothing where nothing must be looked up.
cdef long HARMLESS_FLAGS = socket.AI_PASSIVE | socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
# Programs use a handful.
cdef Py_ssize_t MAX_SHAPES = 64
# By family of the host, and family, type, proto and flags that were asked for: the parts of an answer without its address.
cdef dict shapes = {}


def numeric_answer(function, host, port, family, type, proto, flags):
    """Return the answer, or None if there might be another. function: Python's own socket.getaddrinfo()."""
    cdef int overflow = 0
    if not (PyUnicode_CheckExact(host) and PyLong_CheckExact(port)):
        return None
    cdef long port_number = PyLong_AsLongAndOverflow(port, &overflow)
    if port_number < 0 or port_number > 0xffff or not are_harmless(family, type, proto, flags):
        return None
    cdef int host_family = family_of(host)
    if host_family == 0:
        return None
    key = (host_family, family, type, proto, flags)
    shape = shapes.get(key)
    if shape is None:
        return learn(key, function, host, port)
    return answer_of(shape, address_of(host_family, host, port))


cdef bint are_harmless(object family, object type, object proto, object flags) except -1:
    cdef int overflow = 0
    if not (isinstance(family, int) and isinstance(type, int) and isinstance(proto, int) and isinstance(flags, int)):
        return False
    return PyLong_AsLongAndOverflow(flags, &overflow) & ~HARMLESS_FLAGS == 0


cdef int family_of(str host) except -1:
    cdef Py_ssize_t size
    # What is not ASCII may have no UTF-8.
    if not host.isascii():
        return 0
    cdef const char *text = PyUnicode_AsUTF8AndSize(host, &size)
    return sockaddr_numeric_family(text) if <Py_ssize_t>strlen(text) == size else 0


cdef tuple address_of(int host_family, str host, object port):
    return (host, port, 0, 0) if host_family == AF_INET6 else (host, port)


cdef list answer_of(list shape, tuple address):
    return [(family, type, proto, name, address) for family, type, proto, name in shape]


cdef object learn(tuple key, object function, str host, object port):
    try:
        answer = function(host, port, *key[1:])
    except OSError:
        return None
    shape = [part[:4] for part in answer]
    # Where the name in the answer is the host, it is no part of the shape.
    has_names = {part[3] for part in answer} != {""}
    if len(shapes) < MAX_SHAPES and not has_names and answer == answer_of(shape, address_of(key[0], host, port)):
        shapes[key] = shape
    return answer
