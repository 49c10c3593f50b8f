/* Where OpenSSL reads records from and writes them to: memory of ours, without a copy in between.
 *
 * Owns: the outgoing records until they are flushed, in a buffer that one connection after the other uses. The incoming ones
 *   belong to the caller: a window of memory that must not change until it is empty or was moved.
 * Promises: reading takes what the window has. Writing always succeeds while there is memory.
 * Driven by OpenSSL, in calls of direct_engine.pyx and of Python's own methods of the same SSL object.
 */
#ifndef FASTLOOP_RECORD_BIO_H
#define FASTLOOP_RECORD_BIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "openssl.h"

enum {
    RECORD_BIO_FIRST_CAPACITY = 32768,
    /* A larger buffer is freed when it is empty. */
    RECORD_BIO_MAX_KEPT_CAPACITY = 262144,
};

typedef struct {
    const char *input;
    size_t input_size;
    char *output; /* NULL while there is nothing to send */
    size_t output_size;
    size_t output_capacity;
} record_bio_t;

typedef struct {
    char *memory;
    size_t capacity;
} record_bio_spare_t;

/* The buffer that nobody uses at the moment. A loop belongs to one thread, and so does the buffer. */
static inline record_bio_spare_t *record_bio_spare(void)
{
    static _Thread_local record_bio_spare_t spare;
    return &spare;
}

static inline int record_bio_make_room(record_bio_t *bio, size_t size)
{
    record_bio_spare_t *spare = record_bio_spare();
    if (bio->output == NULL && spare->memory != NULL) {
        bio->output = spare->memory;
        bio->output_capacity = spare->capacity;
        spare->memory = NULL;
    }
    size_t capacity = bio->output == NULL ? RECORD_BIO_FIRST_CAPACITY : bio->output_capacity;
    while (capacity - bio->output_size < size) {
        capacity *= 2;
    }
    if (bio->output == NULL || capacity > bio->output_capacity) {
        char *memory = (char *)realloc(bio->output, capacity);
        if (memory == NULL) {
            return -1;
        }
        bio->output = memory;
        bio->output_capacity = capacity;
    }
    return 0;
}

/* Everything is sent, or given up. */
static inline void record_bio_clear_output(record_bio_t *bio)
{
    record_bio_spare_t *spare = record_bio_spare();
    if (bio->output == NULL) {
        return;
    }
    if (spare->memory == NULL && bio->output_capacity <= RECORD_BIO_MAX_KEPT_CAPACITY) {
        spare->memory = bio->output;
        spare->capacity = bio->output_capacity;
    } else {
        free(bio->output);
    }
    bio->output = NULL;
    bio->output_size = bio->output_capacity = 0;
}

/* Append to the output. Returns 0, or -1 without memory. */
static inline int record_bio_append(record_bio_t *bio, const char *data, size_t size)
{
    if (record_bio_make_room(bio, size) < 0) {
        return -1;
    }
    memcpy(bio->output + bio->output_size, data, size);
    bio->output_size += size;
    return 0;
}

static int record_bio_write(openssl_bio_t *object, const char *data, int size)
{
    record_bio_t *bio = (record_bio_t *)openssl.BIO_get_data(object);
    openssl.BIO_clear_flags(object, OPENSSL_BIO_FLAGS_OF_RETRIES);
    return bio == NULL || size < 0 || record_bio_append(bio, data, (size_t)size) < 0 ? -1 : size;
}

static inline int record_bio_take(record_bio_t *bio, openssl_bio_t *object, char *buffer, int size)
{
    openssl.BIO_clear_flags(object, OPENSSL_BIO_FLAGS_OF_RETRIES);
    if (bio == NULL || size < 0) {
        /* The connection is gone, but the program has kept the SSL object. */
        return -1;
    }
    if (bio->input_size == 0) {
        openssl.BIO_set_flags(object, OPENSSL_BIO_FLAG_READ | OPENSSL_BIO_FLAG_RETRY);
        return -1;
    }
    size_t count = bio->input_size < (size_t)size ? bio->input_size : (size_t)size;
    memcpy(buffer, bio->input, count);
    bio->input += count;
    bio->input_size -= count;
    return (int)count;
}

static int record_bio_read(openssl_bio_t *object, char *buffer, int size)
{
    return record_bio_take((record_bio_t *)openssl.BIO_get_data(object), object, buffer, size);
}

static long record_bio_ctrl(openssl_bio_t *object, int command, long argument, void *pointer)
{
    (void)object;
    (void)argument;
    (void)pointer;
    return command == OPENSSL_BIO_CTRL_FLUSH;
}

/* A kind of BIO, or NULL. kernel_tls.h has another one. */
static inline openssl_bio_method_t *record_bio_kind(const char *name, int (*read)(openssl_bio_t *, char *, int),
    int (*write)(openssl_bio_t *, const char *, int), long (*ctrl)(openssl_bio_t *, int, long, void *))
{
    openssl_bio_method_t *kind = openssl.BIO_meth_new(openssl.BIO_get_new_index() | OPENSSL_BIO_TYPE_SOURCE_SINK, name);
    bool is_complete = kind != NULL && openssl.BIO_meth_set_read(kind, read) && openssl.BIO_meth_set_write(kind, write)
                       && openssl.BIO_meth_set_ctrl(kind, ctrl);
    return is_complete ? kind : NULL;
}

/* A new BIO over data with one reference, or NULL. The BIO does not own data: record_bio_detach() comes first. */
static inline openssl_bio_t *record_bio_over(openssl_bio_method_t *kind, void *data)
{
    openssl_bio_t *object = openssl.BIO_new(kind);
    if (object != NULL) {
        openssl.BIO_set_data(object, data);
        openssl.BIO_set_init(object, 1);
    }
    return object;
}

static openssl_bio_method_t *record_bio_method;

/* Once, after the functions are found. Returns whether BIOs can be made. */
static inline bool record_bio_open(void)
{
    record_bio_method = record_bio_kind("fastloop records", record_bio_read, record_bio_write, record_bio_ctrl);
    return record_bio_method != NULL;
}

static inline openssl_bio_t *record_bio_new(record_bio_t *bio)
{
    return record_bio_over(record_bio_method, bio);
}

/* Let go of the data and of one reference to the BIO. */
static inline void record_bio_detach(openssl_bio_t *object)
{
    openssl.BIO_set_data(object, NULL);
    openssl.BIO_free(object);
}

#endif
