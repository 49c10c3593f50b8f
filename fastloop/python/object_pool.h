/* Making and destroying the objects of one type, where the core makes them by the million.
 *
 * Owns: dead objects that wait to be reused, and a template in which every object field is None.
 * Promises: an object from object_pool_new() is what the type's own constructor makes before __init__, at a third of the
 *   cost. It is a copy of the template, or a dead object; the fields of a dead object were set to None when it died. One
 *   flat destructor replaces the chain of one per base class.
 * INVARIANT: the type's object fields form at most OBJECT_POOL_MAX_ROWS rows. A __dict__ and a list of weak references do not count.
 * Python subclasses never come here. They have constructors and destructors of their own.
 */
#ifndef FASTLOOP_OBJECT_POOL_H
#define FASTLOOP_OBJECT_POOL_H

#include <Python.h>
#include <stddef.h>
#include <string.h>

#include "cpython_compat.h"
#include "instance_dict.h"

enum {
    /* Without the GIL a pool would need a lock, which costs more than it saves. */
    OBJECT_POOL_CAPACITY = COMPAT_HAS_GIL ? 8192 : 0,
    OBJECT_POOL_MAX_ROWS = 6,
};

/* Adjacent fields that hold objects. */
typedef struct {
    size_t first; /* offsets from the object's beginning */
    size_t end;
} object_row_t;

typedef struct {
    PyTypeObject *type;
    PyObject *template_object; /* owned for the life of the process */
    object_row_t rows[OBJECT_POOL_MAX_ROWS];
    int row_count;
    destructor plain_dealloc; /* Cython's own, for subclasses */
    int capacity;             /* of dead; 0 for a type that reuses no object */
    int count;
    PyObject *dead[OBJECT_POOL_CAPACITY + 1];
} object_pool_t;

static inline PyObject **object_pool_slot(PyObject *object, Py_ssize_t offset)
{
    return (PyObject **)((char *)object + offset);
}

/* Find the fields that are None in the template, from first_slot on. Returns how many there are, or 0 if there are too many rows. */
static inline size_t object_pool_find_rows(object_pool_t *pool, size_t first_slot)
{
    size_t count = 0;
    for (size_t slot = first_slot; slot < (size_t)pool->type->tp_basicsize; slot += sizeof(PyObject *)) {
        if (*object_pool_slot(pool->template_object, (Py_ssize_t)slot) != Py_None) {
            continue;
        }
        if (pool->row_count == 0 || pool->rows[pool->row_count - 1].end != slot) {
            if (pool->row_count == OBJECT_POOL_MAX_ROWS) {
                return 0;
            }
            pool->rows[pool->row_count++].first = slot;
        }
        pool->rows[pool->row_count - 1].end = slot + sizeof(PyObject *);
        count++;
    }
    return count;
}

/* Give the type the destructor dealloc, which must end in object_pool_dealloc(). plain_dealloc keeps the one that it had.
 * Returns 0, or -1 with SystemError raised if the fields are not where the caller expects them. */
static inline int object_pool_open(object_pool_t *pool, PyObject *template_object, size_t first_slot, size_t slot_count, destructor dealloc)
{
    memset(pool, 0, sizeof(*pool));
    pool->type = Py_TYPE(template_object);
    pool->template_object = Py_NewRef(template_object);
    pool->capacity = OBJECT_POOL_CAPACITY;
    if (object_pool_find_rows(pool, first_slot) != slot_count) {
        PyErr_Format(PyExc_SystemError, "%s: the object fields are not where they should be", pool->type->tp_name);
        return -1;
    }
    instance_dict_postpone(template_object);
    pool->plain_dealloc = pool->type->tp_dealloc;
    pool->type->tp_dealloc = dealloc;
    return 0;
}

/* From here on only the core makes objects of this type. Calling the type, its __new__() or a subclass raises TypeError,
 * as for an iterator's type. */
static inline int object_type_forbid_construction(PyObject *type)
{
    if (PyDict_DelItemString(((PyTypeObject *)type)->tp_dict, "__new__") < 0) {
        return -1;
    }
    ((PyTypeObject *)type)->tp_new = NULL;
    ((PyTypeObject *)type)->tp_vectorcall = NULL;
    PyType_Modified((PyTypeObject *)type);
    return 0;
}

#if !COMPAT_NONE_IS_IMMORTAL
static inline void object_pool_count_nones(const object_pool_t *pool, Py_ssize_t each)
{
    for (int row = 0; row < pool->row_count; row++) {
        Py_SET_REFCNT(
            Py_None, Py_REFCNT(Py_None) + each * (Py_ssize_t)((pool->rows[row].end - pool->rows[row].first) / sizeof(PyObject *)));
    }
}
#endif

/* HOT. Destructors that run here see a consistent object. A field is NULL where the garbage collector cleared it. */
static inline void object_pool_empty_row(PyObject *object, const object_row_t *row)
{
    for (size_t offset = row->first; offset < row->end; offset += sizeof(PyObject *)) {
        PyObject **slot = object_pool_slot(object, (Py_ssize_t)offset);
        PyObject *old = *slot;
        if (old != Py_None) {
            *slot = Py_NewRef(Py_None);
            Py_XDECREF(old);
        }
    }
}

/* HOT. A new reference, or NULL with MemoryError raised. With the GIL, the garbage collector does not track the object yet. */
static inline PyObject *object_pool_new_untracked(object_pool_t *pool)
{
    PyObject *object;
    if (pool->count > 0) {
        object = pool->dead[--pool->count];
        _Py_NewReference(object);
    } else {
        object = PyObject_GC_New(PyObject, pool->type);
        if (object == NULL) {
            return NULL;
        }
        memcpy((char *)object + sizeof(PyObject), (char *)pool->template_object + sizeof(PyObject),
            (size_t)pool->type->tp_basicsize - sizeof(PyObject));
#if !COMPAT_NONE_IS_IMMORTAL
        object_pool_count_nones(pool, 1);
#endif
    }
    if (!COMPAT_HAS_GIL) {
        /* Here tracking only sets a bit, and a collection in another thread could not track the object later: see loops_to_track.h. */
        PyObject_GC_Track(object);
    }
    return object;
}

/* HOT. A new reference, or NULL with MemoryError raised. */
static inline PyObject *object_pool_new(object_pool_t *pool)
{
    PyObject *object = object_pool_new_untracked(pool);
    if (COMPAT_HAS_GIL && object != NULL) {
        PyObject_GC_Track(object);
    }
    return object;
}

/* HOT. Without the GIL another thread may be about to drop its weak reference. Only CPython knows, under its lock. */
static inline bool object_pool_has_weakrefs(PyObject *object, const PyTypeObject *type)
{
    return !COMPAT_HAS_GIL || *object_pool_slot(object, type->tp_weaklistoffset) != NULL;
}

/* HOT. The object's last reference is gone, and its finalizer, if any, has run. */
static inline void object_pool_dealloc(object_pool_t *pool, PyObject *object)
{
    PyTypeObject *type = pool->type;
    PyObject_GC_UnTrack(object);
    if (type->tp_weaklistoffset > 0 && object_pool_has_weakrefs(object, type)) {
        PyObject_ClearWeakRefs(object);
    }
    if (type->tp_dictoffset > 0) {
        Py_CLEAR(*object_pool_slot(object, type->tp_dictoffset));
    }
    int row = 0;
    do {
        object_pool_empty_row(object, &pool->rows[row]);
    } while (++row < pool->row_count);
    /* A finalized object is never finalized again, so it is not reused. */
    if (pool->count < pool->capacity && !PyObject_GC_IsFinalized(object)) {
        pool->dead[pool->count++] = object;
        return;
    }
#if !COMPAT_NONE_IS_IMMORTAL
    object_pool_count_nones(pool, -1);
#endif
    PyObject_GC_Del(object);
}

#endif
