/* Memory that data from the kernel is read into, and the bytes objects that are made of it.
 *
 * Owns: one bytes object of RECEIVE_BUFFER_SIZE bytes, the buffer, and of each size class the last object that was made.
 * Promises: an object that Python code has, or had and kept, never changes. What nobody kept is used again: the allocator is not
 *   asked, the memory is still in the processor's cache, and data that fill most of the buffer are not copied at all.
 * LIMIT: an object that somebody keeps may take an eighth more memory than its data, one of 64 KiB or more up to twice as much;
 *   the unused ones of all classes together take 194 KiB at the most.
 * Driven by whoever reads: receive_buffer_memory(), read, receive_buffer_bytes(), with no Python code in between.
 */
#ifndef FASTLOOP_RECEIVE_BUFFER_H
#define FASTLOOP_RECEIVE_BUFFER_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    /* What one read may bring. Twice as much keeps a sender waiting for the window to open. */
    RECEIVE_BUFFER_SIZE = 131072,
    /* Of the data, for the kernel's copies: at odd multiples of 16 they took 1.02 to 1.2 times as long (AMD Zen 4, 100 KB). */
    RECEIVE_BUFFER_ALIGNMENT = 32,
    RECEIVE_BUFFER_ALIGNING_ATTEMPTS = 4,
    RECEIVE_BUFFER_MIN_UNCOPIED = RECEIVE_BUFFER_SIZE / 2,
    /* Smaller ones are cheap to make, in larger ones the copy is what costs. */
    RECEIVE_BUFFER_MIN_RECYCLED = 512,
    RECEIVE_BUFFER_MAX_RECYCLED = 16384,
    RECEIVE_BUFFER_CLASSES_PER_OCTAVE = 8,
    RECEIVE_BUFFER_CLASSES = 5 * RECEIVE_BUFFER_CLASSES_PER_OCTAVE,
};

typedef struct {
    PyObject *memory;                           /* NULL until first needed */
    PyObject *recycled[RECEIVE_BUFFER_CLASSES]; /* NULL, or an object with room for the largest size of its class */
} receive_buffer_t;

/* Nobody else has it. Without the GIL that could not be told: there nothing is handed out that is used again. */
static inline bool receive_buffer_owns_alone(PyObject *object)
{
    return Py_REFCNT(object) == 1;
}

/* INVARIANT: nobody else has the object, and it has room for size bytes. */
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

/* The same, aligned where that is possible; too expensive for the others, of which there is one for each read that is kept. malloc() aligns
 * to 16 bytes, and of two objects that it makes one after the other mostly one is aligned better. glibc's first ones have
 * pages of their own and never are; after one of those is freed, the next have not. */
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

/* HOT. RECEIVE_BUFFER_SIZE bytes that are nobody else's until Python code runs; NULL with MemoryError raised. */
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
    size_t room;
    PyObject **recycled = &buffer->recycled[receive_buffer_class((size_t)size, &room)];
    PyObject *object = *recycled;
    if (object == NULL || !receive_buffer_owns_alone(object)) {
        object = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)room);
        if (object == NULL) {
            return NULL;
        }
        Py_XSETREF(*recycled, object);
    }
    memcpy(PyBytes_AS_STRING(object), PyBytes_AS_STRING(buffer->memory), (size_t)size);
    return Py_NewRef(receive_buffer_resize(object, size));
}

/* HOT. A new reference to a bytes object of the first size bytes of the buffer, or NULL with MemoryError raised.
 * INVARIANT: no Python code has run since receive_buffer_memory(). */
static inline PyObject *receive_buffer_bytes(receive_buffer_t *buffer, Py_ssize_t size)
{
#ifndef Py_GIL_DISABLED
    if (size >= RECEIVE_BUFFER_MIN_UNCOPIED) {
        return Py_NewRef(receive_buffer_resize(buffer->memory, size));
    }
    if (size > RECEIVE_BUFFER_MIN_RECYCLED && size <= RECEIVE_BUFFER_MAX_RECYCLED) {
        return receive_buffer_bytes_of_class(buffer, size);
    }
#endif
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(buffer->memory), size);
}

static inline void receive_buffer_close(receive_buffer_t *buffer)
{
    Py_CLEAR(buffer->memory);
    for (int i = 0; i < RECEIVE_BUFFER_CLASSES; i++) {
        Py_CLEAR(buffer->recycled[i]);
    }
}

#endif
