/* What the TLS client and the TLS server have in common: TLS 1.3, one cipher, and how a failure is said.
 *
 * Every participant is measured with this cipher, the first choice of OpenSSL and of Python. The rest is OpenSSL's default.
 * Used by tls_stream.h and tls_session.h.
 */
#ifndef BENCHMARKS_TLS_CONTEXT_H
#define BENCHMARKS_TLS_CONTEXT_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#define TLS_CIPHER "TLS_AES_256_GCM_SHA384"

static void fail_tls(const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    fail("%s: %s", what, reason != NULL ? reason : strerror(errno));
}

static SSL_CTX *tls_context_new(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1
        || SSL_CTX_set_ciphersuites(context, TLS_CIPHER) != 1) {
        fail_tls("SSL_CTX");
    }
    return context;
}

#endif
