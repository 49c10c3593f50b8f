/* Memory that data from the kernel is read into, and the bytes objects that are made of it.
 *
 * Owns: one bytes object of SCRATCH_SIZE bytes, the scratch, and of each size class the last object that was made.
 * Promises: an object that Python code has, or had and kept, never changes. What nobody kept is used again: the allocator is not
 *   asked, the memory is still in the processor's cache, and data that fill most of the scratch are not copied at all.
 * LIMIT: an object that somebody keeps may take an eighth more memory than its data, one of 64 KiB or more up to twice as much;
 *   the unused ones of all classes together take 194 KiB at the most.
 * Driven by whoever reads: scratch_memory(), read, scratch_bytes(), with no Python code in between.
 */
#ifndef FASTLOOP_SCRATCH_H
#define FASTLOOP_SCRATCH_H

#include <Python.h>
#include <stdint.h>
#include <string.h>

enum {
    /* What one read may bring. Twice as much keeps a sender waiting for the window to open. */
    SCRATCH_SIZE = 131072,
    /* Of the data, for the kernel's copies: at odd multiples of 16 they took 1.02 to 1.2 times as long (AMD Zen 4, 100 KB). */
    SCRATCH_ALIGNMENT = 32,
    SCRATCH_ALIGNING_ATTEMPTS = 4,
    SCRATCH_SMALLEST_UNCOPIED = SCRATCH_SIZE / 2,
    /* Smaller ones are cheap to make, in larger ones the copy is what costs. */
    SCRATCH_SMALLEST_REUSED = 512,
    SCRATCH_LARGEST_REUSED = 16384,
    SCRATCH_CLASSES_PER_OCTAVE = 8,
    SCRATCH_CLASSES = 5 * SCRATCH_CLASSES_PER_OCTAVE,
};

typedef struct {
    PyObject *memory;                  /* NULL until first needed */
    PyObject *unkept[SCRATCH_CLASSES]; /* NULL, or an object with room for the largest size of its class */
} scratch_t;

/* Nobody else has it. Without the GIL that could not be told: there nothing is handed out that is used again. */
static inline int scratch_owns_alone(PyObject *object)
{
    return Py_REFCNT(object) == 1;
}

/* INVARIANT: nobody else has the object, and it has room for size bytes. */
static inline PyObject *scratch_resize(PyObject *object, Py_ssize_t size)
{
    Py_SET_SIZE(object, size);
    PyBytes_AS_STRING(object)[size] = '\0';
    _Py_COMP_DIAG_PUSH
    _Py_COMP_DIAG_IGNORE_DEPR_DECLS
    ((PyBytesObject *)object)->ob_shash = -1;
    _Py_COMP_DIAG_POP
    return object;
}

/* A new object, or NULL with MemoryError raised. */
static inline PyObject *scratch_new_memory(void)
{
    return PyBytes_FromStringAndSize(NULL, SCRATCH_SIZE);
}

/* The same, aligned where that is possible; too expensive for the others, of which there is one for each read that is kept. malloc() aligns
 * to 16 bytes, and of two objects that it makes one after the other mostly one is aligned better. glibc's first ones have
 * pages of their own and never are; after one of those is freed, the next have not. */
static inline PyObject *scratch_first_memory(void)
{
    PyObject *memory = scratch_new_memory();
    for (int attempt = 1; memory != NULL && attempt < SCRATCH_ALIGNING_ATTEMPTS; attempt++) {
        if ((uintptr_t)PyBytes_AS_STRING(memory) % SCRATCH_ALIGNMENT == 0)
            break;
        PyObject *unaligned = memory;
        memory = scratch_new_memory();
        Py_DECREF(unaligned);
    }
    return memory;
}

/* HOT. SCRATCH_SIZE bytes that are nobody else's until Python code runs; NULL with MemoryError raised. */
static inline char *scratch_memory(scratch_t *scratch)
{
    PyObject *memory = scratch->memory;
    if (memory == NULL || !scratch_owns_alone(memory)) {
        memory = memory == NULL ? scratch_first_memory() : scratch_new_memory();
        if (memory == NULL)
            return NULL;
        Py_XSETREF(scratch->memory, memory);
    }
    return PyBytes_AS_STRING(memory);
}

/* The class of a size, and the largest size of the class. */
static inline int scratch_class(size_t size, size_t *largest)
{
    int octave = 0;
    size_t smallest = SCRATCH_SMALLEST_REUSED;
    while (size > 2 * smallest) {
        smallest *= 2;
        octave++;
    }
    size_t step = smallest / SCRATCH_CLASSES_PER_OCTAVE;
    size_t number = (size - smallest - 1) / step;
    *largest = smallest + (number + 1) * step;
    return octave * SCRATCH_CLASSES_PER_OCTAVE + (int)number;
}

static inline PyObject *scratch_bytes_of_class(scratch_t *scratch, Py_ssize_t size)
{
    size_t room;
    PyObject **unkept = &scratch->unkept[scratch_class((size_t)size, &room)];
    PyObject *object = *unkept;
    if (object == NULL || !scratch_owns_alone(object)) {
        object = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)room);
        if (object == NULL)
            return NULL;
        Py_XSETREF(*unkept, object);
    }
    memcpy(PyBytes_AS_STRING(object), PyBytes_AS_STRING(scratch->memory), (size_t)size);
    return Py_NewRef(scratch_resize(object, size));
}

/* HOT. A new reference to a bytes object of the first size bytes of the scratch, or NULL with MemoryError raised.
 * INVARIANT: no Python code has run since scratch_memory(). */
static inline PyObject *scratch_bytes(scratch_t *scratch, Py_ssize_t size)
{
#ifndef Py_GIL_DISABLED
    if (size >= SCRATCH_SMALLEST_UNCOPIED)
        return Py_NewRef(scratch_resize(scratch->memory, size));
    if (size > SCRATCH_SMALLEST_REUSED && size <= SCRATCH_LARGEST_REUSED)
        return scratch_bytes_of_class(scratch, size);
#endif
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(scratch->memory), size);
}

static inline void scratch_close(scratch_t *scratch)
{
    Py_CLEAR(scratch->memory);
    for (int i = 0; i < SCRATCH_CLASSES; i++)
        Py_CLEAR(scratch->unkept[i]);
}

#endif
