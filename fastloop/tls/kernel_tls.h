/* Kernel TLS: a BIO by which OpenSSL lets the kernel encrypt what is sent. What is received stays with OpenSSL.
 *
 * Owns: the late records, which are not data (alerts, messages of handshakes) and which the kernel did not take at once. What waits in
 *   the output of records is ciphertext until `encrypts` is true, and plaintext from then on.
 * Promises: the kernel begins only when everything before has left; else OpenSSL still does it. Types of records are kept apart.
 *   LIMIT: new keys are refused, which OpenSSL does not hand on.
 * Driven by OpenSSL, without the GIL at times, in calls of kernel_engine.pyx.
 */
#ifndef FASTLOOP_KERNEL_TLS_H
#define FASTLOOP_KERNEL_TLS_H

/* First: it makes the C library declare its GNU names. */
#include "syscalls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "openssl.h"
#include "record_bio.h"

enum {
    KERNEL_TLS_ALERT = 21,
    KERNEL_TLS_HANDSHAKE = 22,
    KERNEL_TLS_DATA = 23,
    /* The first byte of a handshake's message. */
    KERNEL_TLS_KEY_UPDATE = 24,
    /* A late record begins with its type and the size of what follows. */
    KERNEL_TLS_LATE_HEADER = 1 + sizeof(uint32_t),
};

typedef struct {
    record_bio_t *records;
    int fd;             /* -1 unless the call that is under way may send at once */
    bool encrypts;      /* the kernel does */
    bool has_refused;   /* to change the keys */
    unsigned char type; /* of the next record, or 0: data */
    record_bio_t late;  /* only its output */
} kernel_tls_t;

/* Send the output. Returns whether nothing is left of it. */
static inline bool kernel_tls_flush(kernel_tls_t *kernel)
{
    record_bio_t *records = kernel->records;
    ssize_t sent = 0;
    if (records->output_size > 0 && kernel->fd >= 0) {
        sent = net_send(kernel->fd, records->output, records->output_size);
    }
    if (sent > 0 && (size_t)sent < records->output_size) {
        memmove(records->output, records->output + sent, records->output_size - (size_t)sent);
        records->output_size -= (size_t)sent;
    } else if (sent > 0) {
        record_bio_clear_output(records);
    }
    return records->output_size == 0;
}

/* The size of OpenSSL's description of the keys, which begins with the version and the cipher of linux/tls.h; 0 if it is unknown. */
static inline size_t kernel_tls_info_size(const void *info)
{
    uint16_t head[2];
    memcpy(head, info, sizeof(head));
    switch (head[1]) {
    case 51: /* AES-128-GCM */
        return 40;
    case 52: /* AES-256-GCM */
    case 54: /* ChaCha20-Poly1305 */
        return 56;
    default:
        return 0;
    }
}

static inline bool kernel_tls_begin(kernel_tls_t *kernel, const void *info)
{
    const size_t size = kernel_tls_info_size(info);
    if (!kernel->encrypts && kernel->fd >= 0 && size > 0 && kernel_tls_flush(kernel)) {
        kernel->encrypts = net_encrypt_output(kernel->fd, info, size) == 0;
        return kernel->encrypts;
    }
    return false;
}

static inline int kernel_tls_keep(kernel_tls_t *kernel, unsigned char type, const char *data, uint32_t size)
{
    char header[KERNEL_TLS_LATE_HEADER];
    header[0] = (char)type;
    memcpy(header + 1, &size, sizeof(size));
    if (record_bio_make_room(&kernel->late, sizeof(header) + size) < 0) {
        return -1;
    }
    (void)record_bio_append(&kernel->late, header, sizeof(header));
    return record_bio_append(&kernel->late, data, size);
}

/* Send a record that is no data, or keep it. Returns 0, or -1 without memory. */
static inline int kernel_tls_send(kernel_tls_t *kernel, unsigned char type, const char *data, size_t size)
{
    ssize_t sent = 0;
    if (kernel->late.output_size == 0 && kernel->fd >= 0 && kernel_tls_flush(kernel)) {
        sent = net_send_record(kernel->fd, type, data, size);
    }
    sent = sent < 0 ? 0 : sent;
    return (size_t)sent == size ? 0 : kernel_tls_keep(kernel, type, data + sent, (uint32_t)(size - (size_t)sent));
}

/* Send the late records. Returns 0 if none is left, or -1. */
static inline int kernel_tls_send_late(kernel_tls_t *kernel)
{
    const record_bio_t late = kernel->late;
    size_t begin = 0;
    int result = 0;
    memset(&kernel->late, 0, sizeof(kernel->late));
    while (begin < late.output_size && result == 0) {
        uint32_t size;
        memcpy(&size, late.output + begin + 1, sizeof(size));
        result = kernel_tls_send(kernel, (unsigned char)late.output[begin], late.output + begin + KERNEL_TLS_LATE_HEADER, size);
        begin += KERNEL_TLS_LATE_HEADER + size;
    }
    free(late.output);
    return result < 0 || kernel->late.output_size > 0 ? -1 : 0;
}

static int kernel_tls_write(openssl_bio_t *object, const char *data, int size)
{
    kernel_tls_t *kernel = (kernel_tls_t *)openssl.BIO_get_data(object);
    openssl.BIO_clear_flags(object, OPENSSL_BIO_FLAGS_OF_RETRIES);
    if (kernel == NULL || size < 0) {
        return -1;
    }
    const unsigned char type = kernel->type;
    kernel->type = 0;
    if (type == 0) {
        return record_bio_append(kernel->records, data, (size_t)size) < 0 ? -1 : size;
    }
    if (type == KERNEL_TLS_HANDSHAKE && size > 0 && data[0] == KERNEL_TLS_KEY_UPDATE) {
        kernel->has_refused = true;
        return -1;
    }
    return kernel_tls_send(kernel, type, data, (size_t)size) < 0 ? -1 : size;
}

static int kernel_tls_read(openssl_bio_t *object, char *buffer, int size)
{
    const kernel_tls_t *kernel = (const kernel_tls_t *)openssl.BIO_get_data(object);
    return record_bio_take(kernel == NULL ? NULL : kernel->records, object, buffer, size);
}

static long kernel_tls_ctrl(openssl_bio_t *object, int command, long argument, void *pointer)
{
    kernel_tls_t *kernel = (kernel_tls_t *)openssl.BIO_get_data(object);
    if (kernel == NULL) {
        return command == OPENSSL_BIO_CTRL_FLUSH;
    }
    switch (command) {
    case OPENSSL_BIO_CTRL_FLUSH:
        return 1;
    case OPENSSL_BIO_CTRL_SET_KTLS:
        /* argument: whether it is about sending. */
        return argument && kernel_tls_begin(kernel, pointer);
    case OPENSSL_BIO_CTRL_GET_KTLS_SEND:
        return kernel->encrypts;
    case OPENSSL_BIO_CTRL_SET_KTLS_TX_SEND_CTRL_MSG:
    case OPENSSL_BIO_CTRL_CLEAR_KTLS_TX_CTRL_MSG:
        kernel->type = command == OPENSSL_BIO_CTRL_SET_KTLS_TX_SEND_CTRL_MSG ? (unsigned char)argument : 0;
        return 0;
    default:
        return 0;
    }
}

static openssl_bio_method_t *kernel_tls_method;

/* Once, after the functions are found. Returns whether BIOs can be made. */
static inline bool kernel_tls_open(void)
{
    kernel_tls_method = record_bio_kind("fastloop kernel TLS", kernel_tls_read, kernel_tls_write, kernel_tls_ctrl);
    return kernel_tls_method != NULL;
}

static inline openssl_bio_t *kernel_tls_new(kernel_tls_t *kernel)
{
    return record_bio_over(kernel_tls_method, kernel);
}

#endif
