/* Timers waiting for their moment: a 4-ary heap ordered by deadline, then by age.
 *
 * Owns: one reference to every timer between push and take.
 * Promises: timers with equal deadlines leave in the order in which they came. Any timer can be taken out in O(log n),
 *   because its slot tells its index. Memory follows the number of timers, up and down.
 * Layout: sifting moves 16-byte entries and writes 4-byte indexes. It does not touch the timers, which are scattered over
 *   memory.
 * Driven by: the scheduler. Nothing here looks at the clock.
 */
#ifndef FASTLOOP_TIMER_HEAP_H
#define FASTLOOP_TIMER_HEAP_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "queued_object.h"

enum {
    TIMER_HEAP_ARITY = 4,
    TIMER_HEAP_MIN_CAPACITY = 64,
};

#define TIMER_NO_SLOT UINT32_MAX

typedef struct {
    int64_t deadline;
    /* LIMIT: compared by difference, so equal deadlines keep their order if fewer than 2^31 timers came in between. */
    uint32_t sequence;
    uint32_t slot;
} timer_entry_t;

typedef struct {
    timer_entry_t *entries;
    uint32_t *indexes; /* by slot: the index of the timer's entry; for a free slot, the next one in the free list */
    PyObject **timers; /* by slot */
    uint32_t count;
    uint32_t capacity;   /* of all three arrays */
    uint32_t used_slots; /* slots from here on were never in use */
    uint32_t free_slot;  /* head of the free list, or TIMER_NO_SLOT */
    uint32_t next_sequence;
} timer_heap_t;

static inline bool timer_heap_is_before(const timer_entry_t *a, const timer_entry_t *b)
{
    if (a->deadline != b->deadline) {
        return a->deadline < b->deadline;
    }
    return (int32_t)(a->sequence - b->sequence) < 0;
}

static inline void timer_heap_place(timer_heap_t *heap, uint32_t index, timer_entry_t entry)
{
    heap->entries[index] = entry;
    heap->indexes[entry.slot] = index;
}

static inline void timer_heap_sift_up(timer_heap_t *heap, uint32_t index, timer_entry_t entry)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / TIMER_HEAP_ARITY;
        if (!timer_heap_is_before(&entry, &heap->entries[parent])) {
            break;
        }
        timer_heap_place(heap, index, heap->entries[parent]);
        index = parent;
    }
    timer_heap_place(heap, index, entry);
}

/* The earliest child. first is the index of the first child. INVARIANT: there is at least one. */
static inline uint32_t timer_heap_earliest_child(const timer_heap_t *heap, uint32_t first)
{
    uint32_t end = first + TIMER_HEAP_ARITY < heap->count ? first + TIMER_HEAP_ARITY : heap->count;
    uint32_t earliest = first;
    for (uint32_t child = first + 1; child < end; child++) {
        if (timer_heap_is_before(&heap->entries[child], &heap->entries[earliest])) {
            earliest = child;
        }
    }
    return earliest;
}

static inline void timer_heap_sift_down(timer_heap_t *heap, uint32_t index, timer_entry_t entry)
{
    for (;;) {
        uint64_t first = (uint64_t)index * TIMER_HEAP_ARITY + 1;
        if (first >= heap->count) {
            break;
        }
        uint32_t child = timer_heap_earliest_child(heap, (uint32_t)first);
        if (!timer_heap_is_before(&heap->entries[child], &entry)) {
            break;
        }
        timer_heap_place(heap, index, heap->entries[child]);
        index = child;
    }
    timer_heap_place(heap, index, entry);
}

/* If it fails halfway, the arrays that were resized stay so. An array may be larger than capacity says. */
static int timer_heap_resize(timer_heap_t *heap, uint32_t capacity)
{
    void *entries = PyMem_RawRealloc(heap->entries, capacity * sizeof(timer_entry_t));
    if (entries == NULL) {
        return -1;
    }
    heap->entries = (timer_entry_t *)entries;
    void *indexes = PyMem_RawRealloc(heap->indexes, capacity * sizeof(uint32_t));
    if (indexes == NULL) {
        return -1;
    }
    heap->indexes = (uint32_t *)indexes;
    void *timers = PyMem_RawRealloc(heap->timers, capacity * sizeof(PyObject *));
    if (timers == NULL) {
        return -1;
    }
    heap->timers = (PyObject **)timers;
    heap->capacity = capacity;
    return 0;
}

static inline int timer_heap_grow(timer_heap_t *heap)
{
    uint32_t capacity = heap->capacity ? 2 * heap->capacity : TIMER_HEAP_MIN_CAPACITY;
    if (capacity <= heap->capacity || timer_heap_resize(heap, capacity) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static inline uint32_t timer_heap_take_slot(timer_heap_t *heap)
{
    uint32_t slot = heap->free_slot;
    if (heap->count == 0) {
        heap->used_slots = 0;
        slot = TIMER_NO_SLOT;
    }
    if (slot == TIMER_NO_SLOT) {
        heap->free_slot = TIMER_NO_SLOT;
        return heap->used_slots++;
    }
    heap->free_slot = heap->indexes[slot];
    return slot;
}

/* HOT. Takes a new reference to the timer. Returns its slot, or -1 with MemoryError. */
static inline int64_t timer_heap_push(timer_heap_t *heap, PyObject *timer, int64_t deadline)
{
    if (heap->count == heap->capacity && timer_heap_grow(heap) < 0) {
        return -1;
    }
    timer_entry_t entry = {deadline, heap->next_sequence++, timer_heap_take_slot(heap)};
    heap->timers[entry.slot] = Py_NewRef(timer);
    timer_heap_sift_up(heap, heap->count++, entry);
    return entry.slot;
}

/* A timer keeps its slot, so the arrays shrink only when the last timer has left. Failing to shrink changes nothing.
 * LIMIT: until then, the heap keeps 28 bytes for each timer of its peak. */
static inline void timer_heap_trim(timer_heap_t *heap)
{
    if (heap->count == 0 && heap->capacity > 16 * TIMER_HEAP_MIN_CAPACITY) {
        heap->used_slots = 0;
        heap->free_slot = TIMER_NO_SLOT;
        (void)timer_heap_resize(heap, TIMER_HEAP_MIN_CAPACITY);
    }
}

/* HOT. Takes the timer out. The heap's reference passes to the caller. INVARIANT: the slot is in use. */
static inline PyObject *timer_heap_take(timer_heap_t *heap, uint32_t slot)
{
    uint32_t index = heap->indexes[slot];
    timer_entry_t last = heap->entries[--heap->count];
    PyObject *timer = heap->timers[slot];
    if (last.slot != slot) {
        if (index > 0 && timer_heap_is_before(&last, &heap->entries[(index - 1) / TIMER_HEAP_ARITY])) {
            timer_heap_sift_up(heap, index, last);
        } else {
            timer_heap_sift_down(heap, index, last);
        }
    }
    heap->indexes[slot] = heap->free_slot;
    heap->free_slot = slot;
    timer_heap_trim(heap);
    return timer;
}

static inline int timer_heap_traverse(timer_heap_t *heap, visitproc visit, void *arg)
{
    for (uint32_t i = 0; i < heap->count; i++) {
        int status = queued_object_traverse(heap->timers[heap->entries[i].slot], visit, arg);
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

static inline void timer_heap_open(timer_heap_t *heap)
{
    heap->entries = NULL;
    heap->indexes = NULL;
    heap->timers = NULL;
    heap->count = heap->capacity = heap->used_slots = heap->next_sequence = 0;
    heap->free_slot = TIMER_NO_SLOT;
}

/* INVARIANT: the heap is empty. */
static inline void timer_heap_close(timer_heap_t *heap)
{
    PyMem_RawFree(heap->entries);
    PyMem_RawFree(heap->indexes);
    PyMem_RawFree(heap->timers);
    timer_heap_open(heap);
}

#endif
