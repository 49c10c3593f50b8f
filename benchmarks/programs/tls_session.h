/* The yardstick's side of a TLS connection: OpenSSL on memory BIOs, and nothing else.
 *
 * Owns: the two BIOs that all connections share. Ciphertext goes in, an answer's ciphertext comes out; nothing here knows a socket.
 * Used by limit_server.c.
 */
#ifndef BENCHMARKS_TLS_SESSION_H
#define BENCHMARKS_TLS_SESSION_H

#include "tls_context.h"

/* INVARIANT: both are empty between two turns. An SSL object reads until it wants more and keeps an unfinished record itself, and what it
 * writes is taken at once. So the same memory serves all of them, and stays in the processor's cache. */
static BIO *tls_incoming;
static BIO *tls_outgoing;

/* certificate_path: a PEM file with the key, too. */
static SSL_CTX *tls_server_context(const char *certificate_path)
{
    SSL_CTX *context = tls_context_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(context, certificate_path) != 1
        || SSL_CTX_use_PrivateKey_file(context, certificate_path, SSL_FILETYPE_PEM) != 1) {
        fail_tls(certificate_path);
    }
    /* As in every context of Python's: an idle connection holds no buffers. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    tls_incoming = BIO_new(BIO_s_mem());
    tls_outgoing = BIO_new(BIO_s_mem());
    if (tls_incoming == NULL || tls_outgoing == NULL) {
        fail_tls("BIO_new");
    }
    return context;
}

static SSL *tls_session_new(SSL_CTX *context)
{
    SSL *ssl = SSL_new(context);
    if (ssl == NULL) {
        fail_tls("SSL_new");
    }
    BIO_up_ref(tls_incoming);
    BIO_up_ref(tls_outgoing);
    SSL_set_bio(ssl, tls_incoming, tls_outgoing);
    SSL_set_accept_state(ssl);
    return ssl;
}

/* Takes ciphertext and puts what it holds into data. Returns its size, at most capacity; has_ended: no more will come. */
static size_t tls_session_receive(SSL *ssl, const char *ciphertext, size_t count, char *data, size_t capacity, bool *has_ended)
{
    size_t size = 0;
    int part;
    BIO_write(tls_incoming, ciphertext, (int)count);
    ERR_clear_error();
    while ((part = SSL_read(ssl, data + size, (int)(capacity - size))) > 0) {
        size += (size_t)part;
    }
    *has_ended = SSL_get_error(ssl, part) != SSL_ERROR_WANT_READ;
    if (*has_ended) {
        /* What an error left there. */
        BIO_reset(tls_incoming);
    }
    if (*has_ended && SSL_get_shutdown(ssl) == SSL_RECEIVED_SHUTDOWN) {
        SSL_shutdown(ssl);
    }
    return size;
}

static bool tls_session_write(SSL *ssl, const char *data, size_t size)
{
    ERR_clear_error();
    return size == 0 || SSL_write(ssl, data, (int)size) > 0;
}

/* What must be sent, valid until tls_session_clear(). */
static size_t tls_session_outgoing(const char **ciphertext)
{
    char *start;
    size_t size = (size_t)BIO_get_mem_data(tls_outgoing, &start);
    *ciphertext = start;
    return size;
}

static void tls_session_clear(void)
{
    BIO_reset(tls_outgoing);
}

#endif
