/* What a stream transport still has to send: chunks in the order in which they were written.
 *
 * Owns: one reference to the bytes object of every chunk, until its last byte was taken by the kernel.
 * Promises: no allocation while few chunks wait; size_bytes is always the sum of what is left.
 * INVARIANT: chunks are bytes objects, which nobody can change, and none of them is empty.
 * Driven by sending_transport.pyx.
 */
#ifndef FASTLOOP_WRITE_QUEUE_H
#define FASTLOOP_WRITE_QUEUE_H

#include <Python.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

enum {
    /* Enough for the head and the body of a response, without an allocation. */
    WRITE_QUEUE_INLINE_CHUNKS = 2,
    WRITE_QUEUE_MIN_CAPACITY = 16,
};

typedef struct {
    PyObject *first_chunks[WRITE_QUEUE_INLINE_CHUNKS];
    PyObject **chunks; /* first_chunks, or allocated memory */
    size_t capacity;
    size_t head;  /* the index of the first chunk that is not sent */
    size_t count; /* chunks from head on */
    size_t sent_of_head;
    size_t size_bytes;
} write_queue_t;

static inline void write_queue_open(write_queue_t *queue)
{
    queue->chunks = queue->first_chunks;
    queue->capacity = WRITE_QUEUE_INLINE_CHUNKS;
    queue->head = queue->count = queue->sent_of_head = queue->size_bytes = 0;
}

static int write_queue_make_room(write_queue_t *queue)
{
    /* Half of the chunks are sent: moving the rest to the front is cheaper than growing. */
    if (queue->head > 0 && queue->head >= queue->capacity / 2) {
        memmove(queue->chunks, queue->chunks + queue->head, queue->count * sizeof(PyObject *));
        queue->head = 0;
        return 0;
    }
    size_t capacity = queue->capacity < WRITE_QUEUE_MIN_CAPACITY ? WRITE_QUEUE_MIN_CAPACITY : 2 * queue->capacity;
    PyObject **chunks = (PyObject **)PyMem_Malloc(capacity * sizeof(PyObject *));
    if (chunks == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(chunks, queue->chunks + queue->head, queue->count * sizeof(PyObject *));
    if (queue->chunks != queue->first_chunks) {
        PyMem_Free(queue->chunks);
    }
    queue->chunks = chunks;
    queue->capacity = capacity;
    queue->head = 0;
    return 0;
}

/* HOT. Append data, of which the first skip bytes are sent. Keeps a reference of its own. INVARIANT: data is a bytes
 * object, and skip is less than its size, and 0 unless the queue is empty. */
static inline int write_queue_push(write_queue_t *queue, PyObject *data, size_t skip)
{
    if (queue->head + queue->count == queue->capacity && write_queue_make_room(queue) < 0) {
        return -1;
    }
    if (queue->count == 0) {
        queue->sent_of_head = skip;
    }
    queue->chunks[queue->head + queue->count] = Py_NewRef(data);
    queue->count++;
    queue->size_bytes += (size_t)PyBytes_GET_SIZE(data) - skip;
    return 0;
}

/* Describe what must be sent next. Returns the number of vectors, at most max_vectors, and sets size to the sum of their bytes. */
static inline int write_queue_vectors(const write_queue_t *queue, struct iovec *vectors, int max_vectors, size_t *size)
{
    int count = queue->count < (size_t)max_vectors ? (int)queue->count : max_vectors;
    *size = 0;
    for (int i = 0; i < count; i++) {
        PyObject *chunk = queue->chunks[queue->head + (size_t)i];
        size_t skip = i == 0 ? queue->sent_of_head : 0;
        vectors[i].iov_base = PyBytes_AS_STRING(chunk) + skip;
        vectors[i].iov_len = (size_t)PyBytes_GET_SIZE(chunk) - skip;
        *size += vectors[i].iov_len;
    }
    return count;
}

static inline void write_queue_reset(write_queue_t *queue)
{
    if (queue->chunks != queue->first_chunks) {
        PyMem_Free(queue->chunks);
        queue->chunks = queue->first_chunks;
        queue->capacity = WRITE_QUEUE_INLINE_CHUNKS;
    }
    queue->head = queue->sent_of_head = 0;
}

/* HOT. The kernel has taken the next sent bytes. INVARIANT: sent <= size_bytes. */
static inline void write_queue_advance(write_queue_t *queue, size_t sent)
{
    queue->size_bytes -= sent;
    sent += queue->sent_of_head;
    while (queue->count > 0) {
        PyObject *chunk = queue->chunks[queue->head];
        size_t size = (size_t)PyBytes_GET_SIZE(chunk);
        if (sent < size) {
            break;
        }
        sent -= size;
        queue->head++;
        queue->count--;
        Py_DECREF(chunk);
    }
    queue->sent_of_head = sent;
    if (queue->count == 0) {
        write_queue_reset(queue);
    }
}

/* A new bytes object with everything that is left, or NULL with MemoryError raised. */
static inline PyObject *write_queue_content(const write_queue_t *queue)
{
    PyObject *content = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)queue->size_bytes);
    size_t end = 0;
    size_t skip = queue->sent_of_head;
    for (size_t i = 0; content != NULL && i < queue->count; i++) {
        PyObject *chunk = queue->chunks[queue->head + i];
        size_t size = (size_t)PyBytes_GET_SIZE(chunk) - skip;
        memcpy(PyBytes_AS_STRING(content) + end, PyBytes_AS_STRING(chunk) + skip, size);
        end += size;
        skip = 0;
    }
    return content;
}

static inline void write_queue_clear(write_queue_t *queue)
{
    while (queue->count > 0) {
        queue->count--;
        Py_DECREF(queue->chunks[queue->head++]);
    }
    queue->size_bytes = 0;
    write_queue_reset(queue);
}

#endif
