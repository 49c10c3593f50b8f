/* The descriptor and the family of a socket.socket object, without a call into Python.
 *
 * Promises: what fileno() returns; -1 for a closed socket, and for an object whose fileno() fails. The same for the attribute
 *   family. The numbers are read from where CPython has kept them since Python 2. The first open socket proves that they are
 *   there. If the proof fails, the object is asked every time.
 * Owns: nothing.
 */
#ifndef FASTLOOP_SOCKET_OBJECT_H
#define FASTLOOP_SOCKET_OBJECT_H

#include <Python.h>
#include <stdbool.h>
#include <string.h>

/* The descriptor is the first field after the object's head, the family the second. */
typedef struct {
    PyObject head;
    int fd;
    int family;
} socket_object_t;

/* _socket.socket, once its fields are proven. Owned for the life of the process. Several threads may prove them at the same time. */
static PyTypeObject *socket_object_type = NULL;

static inline bool socket_object_is_proven(PyObject *sock)
{
    PyTypeObject *type = __atomic_load_n(&socket_object_type, __ATOMIC_ACQUIRE);
    return type != NULL && PyObject_TypeCheck(sock, type);
}

static inline int socket_object_number(PyObject *answer)
{
    const long number = answer != NULL ? PyLong_AsLong(answer) : -1;
    Py_XDECREF(answer);
    PyErr_Clear();
    return (int)number;
}

static inline int socket_object_ask(PyObject *sock)
{
    return socket_object_number(PyObject_CallMethod(sock, "fileno", NULL));
}

static inline int socket_object_ask_family(PyObject *sock)
{
    return socket_object_number(PyObject_GetAttrString(sock, "family"));
}

/* The family, asked without socket.socket's property: that is Python code, which a signal handler may interrupt. */
static inline int socket_object_family_field(PyTypeObject *base, PyObject *sock)
{
    PyObject *member = PyObject_GetAttrString((PyObject *)base, "family");
    descrgetfunc get = member != NULL ? Py_TYPE(member)->tp_descr_get : NULL;
    const int family = socket_object_number(get != NULL ? get(member, sock, (PyObject *)Py_TYPE(sock)) : NULL);
    Py_XDECREF(member);
    return family;
}

static int socket_object_learn(PyObject *sock)
{
    const int fd = socket_object_ask(sock);
    PyTypeObject *type = Py_TYPE(sock);
    while (type != NULL && strcmp(type->tp_name, "_socket.socket") != 0) {
        type = type->tp_base;
    }
    if (fd >= 0 && type != NULL && type->tp_basicsize >= (Py_ssize_t)sizeof(socket_object_t) && ((socket_object_t *)sock)->fd == fd
        && ((socket_object_t *)sock)->family == socket_object_family_field(type, sock)) {
        __atomic_store_n(&socket_object_type, (PyTypeObject *)Py_NewRef((PyObject *)type), __ATOMIC_RELEASE);
    }
    return fd;
}

/* HOT. Never raises. */
static inline int socket_object_fd(PyObject *sock)
{
    if (socket_object_is_proven(sock)) {
        return ((socket_object_t *)sock)->fd;
    }
    return socket_object_learn(sock);
}

static inline int socket_object_family(PyObject *sock)
{
    if (socket_object_is_proven(sock)) {
        return ((socket_object_t *)sock)->family;
    }
    return socket_object_ask_family(sock);
}

#endif
