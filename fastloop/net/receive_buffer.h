/* Memory that data from the kernel is read into, and the bytes objects that are made from it.
 *
 * Owns: the buffer, a bytes object of RECEIVE_BUFFER_SIZE bytes, and of each size class the last object that was made.
 * Promises: an object that Python code has, or had and kept, never changes. An object that nobody kept is used again. That takes
 *   no allocation, the memory is still in the processor's cache, and data that fills most of the buffer is not copied at all.
 * LIMIT: an object that somebody keeps may take an eighth more memory than its data, or up to twice as much from 64 KiB
 *   on. The unused ones of all classes together take at most 194 KiB.
 * Driven by the code that reads: receive_buffer_memory(), the read, receive_buffer_bytes(), with no Python code in between.
 */
#ifndef FASTLOOP_RECEIVE_BUFFER_H
#define FASTLOOP_RECEIVE_BUFFER_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cpython_compat.h"

enum {
    /* The most that one read returns. With twice as much, a sender waited for the window to open. */
    RECEIVE_BUFFER_SIZE = 131072,
    /* Of the data, in bytes. At odd multiples of 16 the kernel's copies took 1.02 to 1.2 times as long (AMD Zen 4, 100 KB). */
    RECEIVE_BUFFER_ALIGNMENT = 32,
    RECEIVE_BUFFER_ALIGNING_ATTEMPTS = 4,
    RECEIVE_BUFFER_MIN_UNCOPIED = RECEIVE_BUFFER_SIZE / 2,
    /* Smaller objects are cheap to make. In larger ones the copy is what costs. */
    RECEIVE_BUFFER_MIN_RECYCLED = 512,
    RECEIVE_BUFFER_MAX_RECYCLED = 16384,
    RECEIVE_BUFFER_CLASSES_PER_OCTAVE = 8,
    RECEIVE_BUFFER_CLASSES = 5 * RECEIVE_BUFFER_CLASSES_PER_OCTAVE,
};

typedef struct {
    PyObject *memory;                           /* NULL until first needed */
    PyObject *recycled[RECEIVE_BUFFER_CLASSES]; /* NULL, or an object with capacity for the largest size of its class */
} receive_buffer_t;

/* Whether nobody else has the object. Without the GIL that cannot be known, so nothing that is handed out there is used again. */
static inline bool receive_buffer_owns_alone(PyObject *object)
{
    return Py_REFCNT(object) == 1;
}

/* INVARIANT: nobody else has the object, and its capacity is at least size bytes. */
static inline PyObject *receive_buffer_resize(PyObject *object, Py_ssize_t size)
{
    Py_SET_SIZE(object, size);
    PyBytes_AS_STRING(object)[size] = '\0';
    _Py_COMP_DIAG_PUSH _Py_COMP_DIAG_IGNORE_DEPR_DECLS((PyBytesObject *)object)->ob_shash = -1;
    _Py_COMP_DIAG_POP return object;
}

/* A new object, or NULL with MemoryError raised. */
static inline PyObject *receive_buffer_new_memory(void)
{
    return PyBytes_FromStringAndSize(NULL, RECEIVE_BUFFER_SIZE);
}

/* Like receive_buffer_new_memory(), but retried until the data is 32-byte aligned. malloc() guarantees 16, so usually
 * every second block qualifies. glibc serves the first large block by mmap(), which is never aligned so; freeing it moves
 * the following ones to the heap. Only the first block is retried: later ones are made for each read that the program
 * keeps, where retries cost more than they save. */
static inline PyObject *receive_buffer_first_memory(void)
{
    PyObject *memory = receive_buffer_new_memory();
    for (int attempt = 1; memory != NULL && attempt < RECEIVE_BUFFER_ALIGNING_ATTEMPTS; attempt++) {
        if ((uintptr_t)PyBytes_AS_STRING(memory) % RECEIVE_BUFFER_ALIGNMENT == 0) {
            break;
        }
        PyObject *unaligned = memory;
        memory = receive_buffer_new_memory();
        Py_DECREF(unaligned);
    }
    return memory;
}

/* HOT. RECEIVE_BUFFER_SIZE bytes that nobody else uses until Python code runs; NULL with MemoryError raised. */
static inline char *receive_buffer_memory(receive_buffer_t *buffer)
{
    PyObject *memory = buffer->memory;
    if (memory == NULL || !receive_buffer_owns_alone(memory)) {
        memory = memory == NULL ? receive_buffer_first_memory() : receive_buffer_new_memory();
        if (memory == NULL) {
            return NULL;
        }
        Py_XSETREF(buffer->memory, memory);
    }
    return PyBytes_AS_STRING(memory);
}

/* The class of a size, and the largest size of the class. */
static inline int receive_buffer_class(size_t size, size_t *largest)
{
    int octave = 0;
    size_t smallest = RECEIVE_BUFFER_MIN_RECYCLED;
    while (size > 2 * smallest) {
        smallest *= 2;
        octave++;
    }
    size_t step = smallest / RECEIVE_BUFFER_CLASSES_PER_OCTAVE;
    size_t number = (size - smallest - 1) / step;
    *largest = smallest + (number + 1) * step;
    return octave * RECEIVE_BUFFER_CLASSES_PER_OCTAVE + (int)number;
}

static inline PyObject *receive_buffer_bytes_of_class(receive_buffer_t *buffer, Py_ssize_t size)
{
    size_t capacity;
    PyObject **recycled = &buffer->recycled[receive_buffer_class((size_t)size, &capacity)];
    PyObject *object = *recycled;
    if (object == NULL || !receive_buffer_owns_alone(object)) {
        object = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)capacity);
        if (object == NULL) {
            return NULL;
        }
        Py_XSETREF(*recycled, object);
    }
    memcpy(PyBytes_AS_STRING(object), PyBytes_AS_STRING(buffer->memory), (size_t)size);
    return Py_NewRef(receive_buffer_resize(object, size));
}

/* HOT. A new reference to a bytes object with the first size bytes of the buffer, or NULL with MemoryError raised.
 * INVARIANT: no Python code has run since receive_buffer_memory(). */
static inline PyObject *receive_buffer_bytes(receive_buffer_t *buffer, Py_ssize_t size)
{
    if (COMPAT_HAS_GIL && size >= RECEIVE_BUFFER_MIN_UNCOPIED) {
        return Py_NewRef(receive_buffer_resize(buffer->memory, size));
    }
    if (COMPAT_HAS_GIL && size > RECEIVE_BUFFER_MIN_RECYCLED && size <= RECEIVE_BUFFER_MAX_RECYCLED) {
        return receive_buffer_bytes_of_class(buffer, size);
    }
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(buffer->memory), size);
}

/* A new reference to the memory, or to None. While somebody has it, receive_buffer_memory() returns other memory. */
static inline PyObject *receive_buffer_hold(receive_buffer_t *buffer)
{
    return Py_NewRef(buffer->memory == NULL ? Py_None : buffer->memory);
}

static inline void receive_buffer_close(receive_buffer_t *buffer)
{
    Py_CLEAR(buffer->memory);
    for (int i = 0; i < RECEIVE_BUFFER_CLASSES; i++) {
        Py_CLEAR(buffer->recycled[i]);
    }
}

#endif
