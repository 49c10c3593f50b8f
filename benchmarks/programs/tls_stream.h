/* The load client's side of a TLS connection. plain_stream.h has the same functions.
 *
 * Owns: the descriptor, the SSL object, and ciphertext that the kernel did not take yet.
 * The handshake is part of the first send, if stream_await_handshake() has not done it. All records of a message go out by one system call, as asyncio's own client does it, so
 * that no server gets a message in more pieces than another.
 */
#ifndef BENCHMARKS_TLS_STREAM_H
#define BENCHMARKS_TLS_STREAM_H

#include "tls_context.h"

enum {
    HANDSHAKE_LIMIT_MS = 5000,
    ALLOWED_REFUSALS = 20,
};

/* accepted: bytes of the message in the ciphertext that outgoing holds. flushed: bytes of this ciphertext that were sent. */
typedef struct {
    int fd;
    SSL *ssl;
    BIO *outgoing;
    size_t accepted;
    size_t flushed;
    bool is_resuming;
} stream_t;

static bool tls_has_to_resume;
/* The newest session, owned. */
static SSL_SESSION *tls_known_session;

static int tls_keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(tls_known_session);
    tls_known_session = session;
    return 1;
}

static void stream_resume_sessions(void)
{
    tls_has_to_resume = true;
}

static SSL_CTX *tls_client_context(void)
{
    static SSL_CTX *context;
    if (context == NULL) {
        context = tls_context_new(TLS_client_method());
        SSL_CTX_set_read_ahead(context, 1);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, tls_keep_session);
    }
    return context;
}

static void stream_open(stream_t *stream, int fd)
{
    stream->fd = fd;
    stream->accepted = stream->flushed = 0;
    stream->ssl = SSL_new(tls_client_context());
    stream->outgoing = BIO_new(BIO_s_mem());
    BIO *incoming = BIO_new_socket(fd, BIO_NOCLOSE);
    if (stream->ssl == NULL || stream->outgoing == NULL || incoming == NULL) {
        fail_tls("SSL_new");
    }
    SSL_set_bio(stream->ssl, incoming, stream->outgoing);
    SSL_set_connect_state(stream->ssl);
    stream->is_resuming = tls_has_to_resume && tls_known_session != NULL;
    if (stream->is_resuming && SSL_set_session(stream->ssl, tls_known_session) != 1) {
        fail_tls("SSL_set_session");
    }
}

/* Returns false, with EAGAIN, if the kernel did not take everything. */
static bool stream_flush(stream_t *stream)
{
    char *data;
    size_t size = (size_t)BIO_get_mem_data(stream->outgoing, &data);
    while (stream->flushed < size) {
        ssize_t count = send(stream->fd, data + stream->flushed, size - stream->flushed, 0);
        if (count < 0) {
            return false;
        }
        stream->flushed += (size_t)count;
    }
    if (size > 0) {
        BIO_reset(stream->outgoing);
    }
    stream->flushed = 0;
    return true;
}

/* uvloop with aiofastnet refuses a few tickets in some hundred thousand, and a server without tickets all of them. */
static void check_resumption(const stream_t *stream)
{
    static size_t resumed, refused;
    if (tls_has_to_resume && tls_known_session == NULL) {
        fail("the server gave no session ticket");
    }
    if (stream->is_resuming) {
        *(SSL_session_reused(stream->ssl) ? &resumed : &refused) += 1;
    }
    if (refused > ALLOWED_REFUSALS + resumed / 100) {
        fail("sessions are not resumed: %zu of %zu", refused, refused + resumed);
    }
}

/* Says goodbye and does not wait for the answer, like most clients. */
static void stream_close(stream_t *stream)
{
    check_resumption(stream);
    ERR_clear_error();
    SSL_shutdown(stream->ssl);
    stream_flush(stream);
    SSL_free(stream->ssl);
    close(stream->fd);
    stream->fd = -1;
}

/* What a sender that would block waits for: the server in a handshake, or room. */
static short stream_event_to_send(const stream_t *stream)
{
    return BIO_pending(stream->outgoing) > 0 || !SSL_in_init(stream->ssl) ? POLLOUT : POLLIN;
}

static ssize_t tls_failure(stream_t *stream, int result, const char *what)
{
    int error = SSL_get_error(stream->ssl, result);
    if (error == SSL_ERROR_ZERO_RETURN) {
        return 0;
    }
    if (error != SSL_ERROR_WANT_READ) {
        fail_tls(what);
    }
    errno = EAGAIN;
    return -1;
}

static void stream_await_handshake(stream_t *stream)
{
    bool is_done = false;
    while (!is_done) {
        ERR_clear_error();
        int result = SSL_do_handshake(stream->ssl);
        if (result != 1 && tls_failure(stream, result, "TLS") == 0) {
            fail("the server closed a connection");
        }
        is_done = stream_flush(stream) && result == 1;
        struct pollfd one = {.fd = stream->fd, .events = stream_event_to_send(stream)};
        if (!is_done && poll(&one, 1, HANDSHAKE_LIMIT_MS) <= 0) {
            fail("no handshake within %d ms", HANDSHAKE_LIMIT_MS);
        }
    }
}

static ssize_t stream_send(stream_t *stream, const char *data, size_t size)
{
    ssize_t result = 0;
    if (stream->accepted == 0) {
        ERR_clear_error();
        int count = SSL_write(stream->ssl, data, (int)size);
        if (count > 0) {
            stream->accepted = (size_t)count;
        } else {
            result = tls_failure(stream, count, "TLS");
        }
    }
    if (!stream_flush(stream)) {
        return -1;
    }
    if (result < 0) {
        errno = EAGAIN;
        return -1;
    }
    result = (ssize_t)stream->accepted;
    stream->accepted = 0;
    return result;
}

/* A handshake belongs to the first send, which flushes what it writes. */
static ssize_t stream_receive(stream_t *stream, char *data, size_t size)
{
    if (SSL_in_init(stream->ssl)) {
        errno = EAGAIN;
        return -1;
    }
    ERR_clear_error();
    int count = SSL_read(stream->ssl, data, (int)size);
    return count > 0 ? count : tls_failure(stream, count, "TLS");
}

#endif
