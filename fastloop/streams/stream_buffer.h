/* What a stream has received and nobody has read yet.
 *
 * Owns: one block of memory, a bytes object, and which part of it is unread.
 * Promises: a block that arrives while nothing is unread is kept without a copy, and if it is then read as a whole, it is
 *   the result itself. A block that grows to exactly what a reader waits for is the result too. Little unread data does not
 *   keep a large block alive, and an empty buffer has none.
 * Driven by: StreamInput, which puts data in, and the read operations, which take it out.
 */
#ifndef FASTLOOP_STREAM_BUFFER_H
#define FASTLOOP_STREAM_BUFFER_H

#include <Python.h>
#include <stdbool.h>
#include <string.h>

enum {
    STREAM_BUFFER_MIN_CAPACITY = 512,
    /* A block this large is not kept for a part of it that is smaller than one eighth. */
    STREAM_BUFFER_LARGE = 4096,
    STREAM_BUFFER_MAX_SLACK = 8,
};

typedef struct {
    PyObject *block;  /* a bytes object; NULL while nothing is unread */
    Py_ssize_t start; /* the unread part */
    Py_ssize_t end;
    Py_ssize_t capacity; /* how much the block can hold; 0 if others may have it, so that it must not change */
} stream_buffer_t;

/* HOT. */
static inline Py_ssize_t stream_buffer_size(const stream_buffer_t *buffer)
{
    return buffer->end - buffer->start;
}

static inline char *stream_buffer_data(const stream_buffer_t *buffer)
{
    return buffer->block == NULL ? NULL : PyBytes_AS_STRING(buffer->block) + buffer->start;
}

static inline void stream_buffer_clear(stream_buffer_t *buffer)
{
    PyObject *block = buffer->block;
    buffer->block = NULL;
    buffer->start = buffer->end = buffer->capacity = 0;
    Py_XDECREF(block);
}

/* HOT. Keep a whole bytes object. INVARIANT: the buffer is empty. */
static inline void stream_buffer_adopt(stream_buffer_t *buffer, PyObject *bytes)
{
    buffer->block = Py_NewRef(bytes);
    buffer->start = buffer->capacity = 0;
    buffer->end = PyBytes_GET_SIZE(bytes);
}

/* Move what is unread into a block of its own. Returns 0, or -1 with MemoryError raised. INVARIANT: it fits. */
static inline int stream_buffer_move(stream_buffer_t *buffer, Py_ssize_t capacity)
{
    Py_ssize_t size = stream_buffer_size(buffer);
    PyObject *block = PyBytes_FromStringAndSize(NULL, capacity);
    if (block == NULL) {
        return -1;
    }
    if (size > 0) {
        memcpy(PyBytes_AS_STRING(block), stream_buffer_data(buffer), (size_t)size);
    }
    stream_buffer_clear(buffer);
    buffer->block = block;
    buffer->end = size;
    buffer->capacity = capacity;
    return 0;
}

/* The capacity for size bytes: room for as much again, but exactly what a reader waits for once that is near. */
static inline Py_ssize_t stream_buffer_capacity_for(Py_ssize_t size, Py_ssize_t wanted)
{
    Py_ssize_t capacity = size <= PY_SSIZE_T_MAX / 4 ? 2 * size : size;
    if (wanted >= size && wanted <= 2 * capacity) {
        return wanted;
    }
    return capacity < STREAM_BUFFER_MIN_CAPACITY ? STREAM_BUFFER_MIN_CAPACITY : capacity;
}

/* Copy data behind what is unread. wanted: how many unread bytes the reader waits for, or 0. Returns 0, or -1 with
 * MemoryError raised. */
static inline int stream_buffer_append(stream_buffer_t *buffer, const char *data, Py_ssize_t size, Py_ssize_t wanted)
{
    Py_ssize_t unread = stream_buffer_size(buffer);
    if (size > PY_SSIZE_T_MAX - unread) {
        PyErr_NoMemory();
        return -1;
    }
    if (size > buffer->capacity - buffer->end) {
        if (stream_buffer_move(buffer, stream_buffer_capacity_for(unread + size, wanted)) < 0) {
            return -1;
        }
    }
    if (size > 0) {
        memcpy(PyBytes_AS_STRING(buffer->block) + buffer->end, data, (size_t)size);
        buffer->end += size;
    }
    return 0;
}

/* Drop the first size bytes. */
static inline void stream_buffer_drop(stream_buffer_t *buffer, Py_ssize_t size)
{
    buffer->start += size;
    Py_ssize_t unread = stream_buffer_size(buffer);
    if (unread == 0) {
        stream_buffer_clear(buffer);
        return;
    }
    Py_ssize_t held = buffer->capacity > 0 ? buffer->capacity : PyBytes_GET_SIZE(buffer->block);
    if (held >= STREAM_BUFFER_LARGE && unread < held / STREAM_BUFFER_MAX_SLACK && stream_buffer_move(buffer, unread) < 0) {
        /* It only takes more memory than it should. */
        PyErr_Clear();
    }
}

/* Take the whole block, cut to what it holds. INVARIANT: it begins with what is unread. */
static inline PyObject *stream_buffer_take_block(stream_buffer_t *buffer)
{
    PyObject *block = buffer->block;
    Py_ssize_t size = buffer->end;
    buffer->block = NULL;
    buffer->start = buffer->end = buffer->capacity = 0;
    if (PyBytes_GET_SIZE(block) != size) {
        _PyBytes_Resize(&block, size);
    }
    return block;
}

/* HOT. Take the first size bytes as a bytes object. A new reference, or NULL with MemoryError raised.
 * INVARIANT: at least as many are unread. */
static inline PyObject *stream_buffer_take(stream_buffer_t *buffer, Py_ssize_t size)
{
    if (size == 0) {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    if (size == buffer->end && buffer->start == 0 && (size == PyBytes_GET_SIZE(buffer->block) || size >= STREAM_BUFFER_LARGE)) {
        return stream_buffer_take_block(buffer);
    }
    PyObject *taken = PyBytes_FromStringAndSize(stream_buffer_data(buffer), size);
    if (taken != NULL) {
        stream_buffer_drop(buffer, size);
    }
    return taken;
}

/* HOT. Where the separator begins in what is unread, from offset on; -1 if nowhere. INVARIANT: the separator is not empty. */
static inline Py_ssize_t stream_buffer_find(
    const stream_buffer_t *buffer, const char *separator, Py_ssize_t separator_size, Py_ssize_t offset)
{
    Py_ssize_t size = stream_buffer_size(buffer) - offset;
    if (size < separator_size) {
        return -1;
    }
    const char *data = stream_buffer_data(buffer);
    const char *found = separator_size == 1 ? memchr(data + offset, separator[0], (size_t)size)
                                            : memmem(data + offset, (size_t)size, separator, (size_t)separator_size);
    return found == NULL ? -1 : found - data;
}

#endif
