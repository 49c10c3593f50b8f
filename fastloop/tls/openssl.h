/* OpenSSL's functions, found in the libraries that Python's _ssl module uses.
 *
 * Owns: nothing. The libraries stay loaded as long as _ssl does, which is forever.
 * Promises: either all functions are found or none is used. Nothing of OpenSSL is needed to build.
 * Driven by direct_engine.pyx.
 */
#ifndef FASTLOOP_OPENSSL_H
#define FASTLOOP_OPENSSL_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* What OpenSSL calls SSL, SSL_CTX, BIO and BIO_METHOD. */
typedef struct openssl_ssl openssl_ssl_t;
typedef struct openssl_context openssl_context_t;
typedef struct openssl_bio openssl_bio_t;
typedef struct openssl_bio_method openssl_bio_method_t;

/* Values of OpenSSL's headers. They are part of its binary interface. */
enum {
    OPENSSL_ERROR_SSL = 1,
    OPENSSL_ERROR_WANT_READ = 2,
    OPENSSL_ERROR_WANT_WRITE = 3,
    OPENSSL_ERROR_ZERO_RETURN = 6,
    OPENSSL_RECEIVED_SHUTDOWN = 2,
    OPENSSL_BIO_FLAG_READ = 1,
    OPENSSL_BIO_FLAG_RETRY = 8,
    OPENSSL_BIO_FLAGS_OF_RETRIES = 0x0f,
    OPENSSL_BIO_TYPE_SOURCE_SINK = 0x0400,
    OPENSSL_BIO_CTRL_FLUSH = 11,
    /* Kernel TLS: 74 announces the type of the next record. */
    OPENSSL_BIO_CTRL_SET_KTLS = 72,
    OPENSSL_BIO_CTRL_GET_KTLS_SEND = 73,
    OPENSSL_BIO_CTRL_SET_KTLS_TX_SEND_CTRL_MSG = 74,
    OPENSSL_BIO_CTRL_CLEAR_KTLS_TX_CTRL_MSG = 75,
};

/* X(result, name, parameters) */
#define OPENSSL_FUNCTIONS(X)                                                                                                               \
    X(int, SSL_read, (openssl_ssl_t *, void *, int))                                                                                       \
    X(int, SSL_write, (openssl_ssl_t *, const void *, int))                                                                                \
    X(int, SSL_pending, (const openssl_ssl_t *))                                                                                           \
    X(int, SSL_in_init, (const openssl_ssl_t *))                                                                                           \
    X(int, SSL_get_key_update_type, (const openssl_ssl_t *))                                                                               \
    X(int, SSL_shutdown, (openssl_ssl_t *))                                                                                                \
    X(int, SSL_get_shutdown, (const openssl_ssl_t *))                                                                                      \
    X(int, SSL_get_error, (const openssl_ssl_t *, int))                                                                                    \
    X(void, SSL_set_bio, (openssl_ssl_t *, openssl_bio_t *, openssl_bio_t *))                                                              \
    X(openssl_bio_t *, SSL_get_rbio, (const openssl_ssl_t *))                                                                              \
    X(openssl_bio_t *, SSL_get_wbio, (const openssl_ssl_t *))                                                                              \
    X(openssl_context_t *, SSL_get_SSL_CTX, (const openssl_ssl_t *))                                                                       \
    X(void *, SSL_get_ex_data, (const openssl_ssl_t *, int))                                                                               \
    X(unsigned long, ERR_peek_error, (void))                                                                                               \
    X(void, ERR_clear_error, (void))                                                                                                       \
    X(openssl_bio_method_t *, BIO_meth_new, (int, const char *))                                                                           \
    X(int, BIO_meth_set_read, (openssl_bio_method_t *, int (*)(openssl_bio_t *, char *, int)))                                             \
    X(int, BIO_meth_set_write, (openssl_bio_method_t *, int (*)(openssl_bio_t *, const char *, int)))                                      \
    X(int, BIO_meth_set_ctrl, (openssl_bio_method_t *, long (*)(openssl_bio_t *, int, long, void *)))                                      \
    X(int, BIO_get_new_index, (void))                                                                                                      \
    X(openssl_bio_t *, BIO_new, (const openssl_bio_method_t *))                                                                            \
    X(int, BIO_free, (openssl_bio_t *))                                                                                                    \
    X(int, BIO_up_ref, (openssl_bio_t *))                                                                                                  \
    X(void, BIO_set_data, (openssl_bio_t *, void *))                                                                                       \
    X(void *, BIO_get_data, (openssl_bio_t *))                                                                                             \
    X(void, BIO_set_init, (openssl_bio_t *, int))                                                                                          \
    X(void, BIO_set_flags, (openssl_bio_t *, int))                                                                                         \
    X(void, BIO_clear_flags, (openssl_bio_t *, int))

typedef struct {
#define OPENSSL_DECLARE(result, name, parameters) result(*name) parameters;
    OPENSSL_FUNCTIONS(OPENSSL_DECLARE)
#undef OPENSSL_DECLARE
} openssl_t;

static openssl_t openssl;

/* Before a call whose error will be looked at: what an earlier one has reported must not be taken for it. Clearing costs seven times as
 * much as asking, and there is hardly ever anything to clear. */
static inline void openssl_clear_errors(void)
{
    if (openssl.ERR_peek_error() != 0) {
        openssl.ERR_clear_error();
    }
}

static inline bool openssl_find(void *library, void *function, size_t size, const char *name)
{
    void *found = dlsym(library, name);
    /* ISO C does not convert an object's pointer into a function's; POSIX says that the bytes are the same. */
    memcpy(function, &found, size);
    return found != NULL;
}

/* path: the file of Python's _ssl module, which is loaded already. Returns NULL, or the name of what is missing. */
static inline const char *openssl_load(const char *path)
{
    void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
    if (library == NULL) {
        return path;
    }
#define OPENSSL_FIND(result, name, parameters)                                                                                             \
    if (!openssl_find(library, &openssl.name, sizeof(openssl.name), #name)) {                                                              \
        return #name;                                                                                                                      \
    }
    OPENSSL_FUNCTIONS(OPENSSL_FIND)
#undef OPENSSL_FIND
    return NULL;
}

#endif
