/* The yardstick's side of a TLS connection: OpenSSL on memory BIOs, and nothing else.
 *
 * Owns: the SSL object with its BIOs. Ciphertext goes in, an answer's ciphertext comes out; nothing here knows a socket.
 * Used by limit_server.c.
 */
#ifndef BENCHMARKS_TLS_SESSION_H
#define BENCHMARKS_TLS_SESSION_H

#include "tls_context.h"

typedef struct {
    SSL *ssl;
    BIO *incoming;
    BIO *outgoing;
} tls_session_t;

/* certificate_path: a PEM file with the key, too. */
static SSL_CTX *tls_server_context(const char *certificate_path)
{
    SSL_CTX *context = tls_context_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(context, certificate_path) != 1
        || SSL_CTX_use_PrivateKey_file(context, certificate_path, SSL_FILETYPE_PEM) != 1) {
        fail_tls(certificate_path);
    }
    return context;
}

static void tls_session_open(tls_session_t *session, SSL_CTX *context)
{
    session->ssl = SSL_new(context);
    session->incoming = BIO_new(BIO_s_mem());
    session->outgoing = BIO_new(BIO_s_mem());
    if (session->ssl == NULL || session->incoming == NULL || session->outgoing == NULL) {
        fail_tls("SSL_new");
    }
    SSL_set_bio(session->ssl, session->incoming, session->outgoing);
    SSL_set_accept_state(session->ssl);
}

static void tls_session_close(tls_session_t *session)
{
    SSL_free(session->ssl);
}

/* Takes ciphertext and puts what it holds into data. Returns its size, at most capacity; has_ended: no more will come. */
static size_t tls_session_receive(
    tls_session_t *session, const char *ciphertext, size_t count, char *data, size_t capacity, bool *has_ended)
{
    size_t size = 0;
    int part;
    BIO_write(session->incoming, ciphertext, (int)count);
    ERR_clear_error();
    while ((part = SSL_read(session->ssl, data + size, (int)(capacity - size))) > 0) {
        size += (size_t)part;
    }
    *has_ended = SSL_get_error(session->ssl, part) != SSL_ERROR_WANT_READ;
    if (*has_ended && SSL_get_shutdown(session->ssl) == SSL_RECEIVED_SHUTDOWN) {
        SSL_shutdown(session->ssl);
    }
    return size;
}

static bool tls_session_write(tls_session_t *session, const char *data, size_t size)
{
    ERR_clear_error();
    return size == 0 || SSL_write(session->ssl, data, (int)size) > 0;
}

/* What must be sent, valid until tls_session_clear(). */
static size_t tls_session_outgoing(tls_session_t *session, const char **ciphertext)
{
    char *start;
    size_t size = (size_t)BIO_get_mem_data(session->outgoing, &start);
    *ciphertext = start;
    return size;
}

static void tls_session_clear(tls_session_t *session)
{
    BIO_reset(session->outgoing);
}

#endif
