/* Timers waiting for their moment: a 4-ary heap ordered by deadline, then by age.
 *
 * Owns: one reference to the owner of every node between push and pop or removal.
 * Promises: equal deadlines leave in the order they came; removal anywhere is O(log n), because a node
 *   knows its place; memory follows the number of timers, up and down.
 * Driven by: the scheduler. Nothing here looks at the clock.
 */
#ifndef FASTLOOP_TIMER_HEAP_H
#define FASTLOOP_TIMER_HEAP_H

#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TIMER_HEAP_ARITY 4
#define TIMER_HEAP_SMALLEST 64
#define TIMER_NOT_QUEUED (-1)

typedef struct {
    PyObject *owner;
    uint64_t sequence;
    Py_ssize_t index; /* place in the heap, or TIMER_NOT_QUEUED; written only here */
} timer_node_t;

/* The deadline stands beside the pointer, so that sifting rarely leaves the array. */
typedef struct {
    int64_t deadline_ns;
    timer_node_t *node;
} timer_entry_t;

typedef struct {
    timer_entry_t *entries;
    Py_ssize_t count;
    Py_ssize_t capacity;
    uint64_t next_sequence;
} timer_heap_t;

static inline void timer_node_init(timer_node_t *node, PyObject *owner)
{
    node->owner = owner;
    node->sequence = 0;
    node->index = TIMER_NOT_QUEUED;
}

static inline int timer_heap_is_before(const timer_entry_t *a, const timer_entry_t *b)
{
    if (a->deadline_ns != b->deadline_ns)
        return a->deadline_ns < b->deadline_ns;
    return a->node->sequence < b->node->sequence;
}

static inline void timer_heap_place(timer_heap_t *heap, Py_ssize_t index, timer_entry_t entry)
{
    heap->entries[index] = entry;
    entry.node->index = index;
}

static inline void timer_heap_sift_up(timer_heap_t *heap, Py_ssize_t index, timer_entry_t entry)
{
    while (index > 0) {
        Py_ssize_t parent = (index - 1) / TIMER_HEAP_ARITY;
        if (!timer_heap_is_before(&entry, &heap->entries[parent]))
            break;
        timer_heap_place(heap, index, heap->entries[parent]);
        index = parent;
    }
    timer_heap_place(heap, index, entry);
}

static inline Py_ssize_t timer_heap_first_child(const timer_heap_t *heap, Py_ssize_t index)
{
    Py_ssize_t first = index * TIMER_HEAP_ARITY + 1;
    Py_ssize_t end = first + TIMER_HEAP_ARITY < heap->count ? first + TIMER_HEAP_ARITY : heap->count;
    Py_ssize_t best = first;
    for (Py_ssize_t child = first + 1; child < end; child++)
        if (timer_heap_is_before(&heap->entries[child], &heap->entries[best]))
            best = child;
    return first < heap->count ? best : TIMER_NOT_QUEUED;
}

static inline void timer_heap_sift_down(timer_heap_t *heap, Py_ssize_t index, timer_entry_t entry)
{
    for (;;) {
        Py_ssize_t child = timer_heap_first_child(heap, index);
        if (child < 0 || !timer_heap_is_before(&heap->entries[child], &entry))
            break;
        timer_heap_place(heap, index, heap->entries[child]);
        index = child;
    }
    timer_heap_place(heap, index, entry);
}

static int timer_heap_resize(timer_heap_t *heap, Py_ssize_t capacity)
{
    timer_entry_t *entries = (timer_entry_t *)PyMem_RawRealloc(heap->entries, capacity * sizeof(timer_entry_t));
    if (entries == NULL)
        return -1;
    heap->entries = entries;
    heap->capacity = capacity;
    return 0;
}

/* HOT. Keeps a reference to the node's owner. INVARIANT: the node is not queued. */
static inline int timer_heap_push(timer_heap_t *heap, timer_node_t *node, int64_t deadline_ns)
{
    if (heap->count == heap->capacity
        && timer_heap_resize(heap, heap->capacity ? 2 * heap->capacity : TIMER_HEAP_SMALLEST) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    node->sequence = heap->next_sequence++;
    timer_entry_t entry = {deadline_ns, node};
    Py_INCREF(node->owner);
    timer_heap_sift_up(heap, heap->count++, entry);
    return 0;
}

/* HOT. Takes the node out; the heap's reference to its owner passes to the caller. INVARIANT: the node is queued. */
static inline PyObject *timer_heap_take(timer_heap_t *heap, timer_node_t *node)
{
    Py_ssize_t index = node->index;
    timer_entry_t last = heap->entries[--heap->count];
    node->index = TIMER_NOT_QUEUED;
    if (last.node != node) {
        if (index > 0 && timer_heap_is_before(&last, &heap->entries[(index - 1) / TIMER_HEAP_ARITY]))
            timer_heap_sift_up(heap, index, last);
        else
            timer_heap_sift_down(heap, index, last);
    }
    /* A quarter full: give half back. Failing to shrink changes nothing. */
    if (heap->capacity > TIMER_HEAP_SMALLEST && heap->count < heap->capacity / 4)
        (void)timer_heap_resize(heap, heap->capacity / 2);
    return node->owner;
}

/* Runs destructors, which may push again. */
static inline void timer_heap_clear(timer_heap_t *heap)
{
    for (Py_ssize_t left = heap->count; left > 0 && heap->count > 0; left--)
        Py_DECREF(timer_heap_take(heap, heap->entries[heap->count - 1].node));
}

static inline int timer_heap_traverse(timer_heap_t *heap, visitproc visit, void *arg)
{
    for (Py_ssize_t i = 0; i < heap->count; i++)
        Py_VISIT(heap->entries[i].node->owner);
    return 0;
}

static inline void timer_heap_close(timer_heap_t *heap)
{
    while (heap->count > 0)
        timer_heap_clear(heap);
    PyMem_RawFree(heap->entries);
    heap->entries = NULL;
    heap->capacity = 0;
}

#endif
