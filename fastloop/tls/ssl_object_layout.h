/* Where Python's ssl.SSLObject keeps its SSL, proven and never guessed.
 *
 * Owns: nothing.
 * Promises: the SSL of this very object, or NULL where any question is open. No pointer is followed before it is known to be one.
 * Driven by direct_engine.pyx, once for each connection.
 */
#ifndef FASTLOOP_SSL_OBJECT_LAYOUT_H
#define FASTLOOP_SSL_OBJECT_LAYOUT_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "openssl.h"

/* The first fields of the objects of _ssl: of _SSLSocket, _SSLContext and MemoryBIO. */
typedef struct {
    PyObject head;
    PyObject *socket; /* a weak reference; NULL over memory */
    openssl_ssl_t *ssl;
    PyObject *context;
} ssl_object_layout_t;

typedef struct {
    PyObject head;
    openssl_context_t *context;
} ssl_context_layout_t;

typedef struct {
    PyObject head;
    openssl_bio_t *bio;
} ssl_bio_layout_t;

/* Copy memory that may not be there: the kernel refuses to read it for us, where we would crash. */
static inline bool layout_peek(const void *address, void *copy, size_t size)
{
    int ends[2];
    if (pipe(ends) < 0) {
        return false;
    }
    bool is_there = write(ends[1], address, size) == (ssize_t)size && read(ends[0], copy, size) == (ssize_t)size;
    close(ends[0]);
    close(ends[1]);
    return is_there;
}

/* Whether there is an SSL of this context or with this BIO at the address: among its first words is one of the two. */
static inline bool layout_looks_like_ssl(const void *address, const void *context, const void *bio)
{
    enum { WORDS = 8 };
    uintptr_t words[WORDS];
    if (address == NULL || (uintptr_t)address % sizeof(void *) != 0 || !layout_peek(address, words, sizeof(words))) {
        return false;
    }
    for (int i = 0; i < WORDS; i++) {
        if (words[i] == (uintptr_t)context || words[i] == (uintptr_t)bio) {
            return true;
        }
    }
    return false;
}

static inline bool layout_has_room(PyObject *object, size_t size)
{
    return (size_t)Py_TYPE(object)->tp_basicsize >= size;
}

/* ssl_object: the _ssl._SSLSocket of context, over the two MemoryBIO objects. was_seen: an object like it was proven before. */
static inline openssl_ssl_t *layout_find_ssl(PyObject *ssl_object, PyObject *context, PyObject *incoming, PyObject *outgoing, bool was_seen)
{
    if (!layout_has_room(ssl_object, sizeof(ssl_object_layout_t)) || !layout_has_room(context, sizeof(ssl_context_layout_t))
        || !layout_has_room(incoming, sizeof(ssl_bio_layout_t)) || !layout_has_room(outgoing, sizeof(ssl_bio_layout_t))) {
        return NULL;
    }
    const ssl_object_layout_t *object = (const ssl_object_layout_t *)ssl_object;
    const void *context_pointer = ((const ssl_context_layout_t *)context)->context;
    const void *incoming_bio = ((const ssl_bio_layout_t *)incoming)->bio;
    const void *outgoing_bio = ((const ssl_bio_layout_t *)outgoing)->bio;
    if (object->socket != NULL || object->context != context || context_pointer == NULL || incoming_bio == NULL) {
        return NULL;
    }
    if (!was_seen && !layout_looks_like_ssl(object->ssl, context_pointer, incoming_bio)) {
        return NULL;
    }
    if (openssl.SSL_get_SSL_CTX(object->ssl) != context_pointer || openssl.SSL_get_ex_data(object->ssl, 0) != ssl_object
        || openssl.SSL_get_rbio(object->ssl) != incoming_bio || openssl.SSL_get_wbio(object->ssl) != outgoing_bio) {
        return NULL;
    }
    return object->ssl;
}

#endif
