/* The TLS half of io.h. */
#include "net/io_impl.h"

#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>

#include "net/tls_impl.h"

/* What a call that returned `rc` <= 0 means. Its thread's error queue was empty before it. */
static enum io_try meaning(struct io *io, int rc)
{
	switch (SSL_get_error(io->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return IO_AGAIN_READ;
	case SSL_ERROR_WANT_WRITE:
		return IO_AGAIN_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return IO_EOF;
	case SSL_ERROR_SYSCALL:
		return io_broken(io, "connection broken under TLS");
	default:
		return io_broken(io, tls_reason());
	}
}

enum io_try io_tls_read(struct io *io, void *p, size_t room, size_t *n)
{
	ERR_clear_error();
	int rc = SSL_read_ex(io->ssl, p, room, n);
	if (rc > 0)
		return IO_DONE;
	*n = 0;
	return meaning(io, rc);
}

enum io_try io_tls_write(struct io *io, struct str s, size_t *n)
{
	ERR_clear_error();
	int rc = SSL_write_ex(io->ssl, s.p, s.n, n);
	if (rc > 0)
		return IO_DONE;
	*n = 0;
	enum io_try got = meaning(io, rc);
	return got == IO_EOF ? io_broken(io, "the other side closed TLS") : got;
}

/* Plaintext that was read before the handshake may be an attacker's (RFC 3207 4.2). */
static bool begin(struct io *io, SSL *ssl)
{
	buf_free(&io->in);
	io->at = 0;
	io->skipping = false;
	io_hurry(io);
	if (!ssl || SSL_set_fd(ssl, io->fd) != 1) {
		SSL_free(ssl);
		return false;
	}
	io->ssl = ssl;
	io->shaking = true;
	return true;
}

static enum io_try shake(struct io *io)
{
	ERR_clear_error();
	int rc = SSL_do_handshake(io->ssl);
	if (rc == 1) {
		io->shaking = false;
		return IO_DONE;
	}
	enum io_try got = meaning(io, rc);
	return got == IO_EOF ? io_broken(io, "the other side left during the TLS handshake") : got;
}

enum io_try io_tls_accept(struct io *io, struct tls_server *t)
{
	if (io->err)
		return IO_ERR;
	if (io->fd < 0)
		return io_broken(io, "no TLS over strings");
	if (!io->ssl) {
		if (!begin(io, tls_server_ssl(t)))
			return io_broken(io, tls_reason());
		SSL_set_accept_state(io->ssl);
	}
	return shake(io);
}

/* The error of a failed handshake, in words that help: the certificate's, if it was that. */
static bool connect_failed(struct io *io, struct str name, struct err *e)
{
	long verdict = io->ssl ? SSL_get_verify_result(io->ssl) : X509_V_OK;
	if (verdict != X509_V_OK && SSL_get_verify_mode(io->ssl) != SSL_VERIFY_NONE)
		return err_set(e, ERR_TEMP, "TLS with %.*s: certificate: %s", STRF(name),
			       X509_verify_cert_error_string(verdict));
	return err_set(e, io_error(io)->kind, "TLS with %.*s: %s", STRF(name), io_error(io)->text);
}

bool io_tls_connect(struct io *io, struct tls_client *t, struct str name, struct err *e)
{
	if (!io_flush(io))
		return connect_failed(io, name, e);
	if (io->fd < 0 || io->ssl) {
		io_broken(io, "no TLS here");
		return connect_failed(io, name, e);
	}
	if (!begin(io, tls_client_ssl(t, name))) {
		io_broken(io, tls_reason());
		return connect_failed(io, name, e);
	}
	SSL_set_connect_state(io->ssl);
	for (;;) {
		enum io_try got = shake(io);
		if (got == IO_DONE)
			return true;
		if (got == IO_ERR || !io_wait(io, got == IO_AGAIN_READ ? POLLIN : POLLOUT, io->by_ms))
			return connect_failed(io, name, e);
	}
}

/* --- facts --- */

bool io_is_tls(const struct io *io)
{
	return io->ssl && !io->shaking;
}

struct str io_tls_text(const struct io *io, struct arena *a)
{
	if (!io_is_tls(io))
		return STR_NONE;
	return str_fmt(a, "%s %s", SSL_get_version(io->ssl), SSL_get_cipher_name(io->ssl));
}

struct str io_tls_sni(const struct io *io, struct arena *a)
{
	if (!io_is_tls(io))
		return STR_NONE;
	return str_dup(a, str_of(SSL_get_servername(io->ssl, TLSEXT_NAMETYPE_host_name)));
}

/* Without the extended master secret a TLS 1.2 session's keys may be shared with another (RFC 7627 1). */
static bool binds(const struct io *io)
{
	return io_is_tls(io) && (SSL_version(io->ssl) >= TLS1_3_VERSION || SSL_get_extms_support(io->ssl) == 1);
}

bool io_tls_exporter(struct io *io, uint8_t out[32])
{
	static const struct str label = STR("EXPORTER-Channel-Binding"); /* RFC 9266 2 */
	return binds(io) &&
	       SSL_export_keying_material(io->ssl, out, 32, label.p, label.n, (const uint8_t *)"", 0, 1) == 1;
}

bool io_tls_unique(struct io *io, uint8_t *out, size_t *n)
{
	/* RFC 5929 3.1, not defined for TLS 1.3: the first Finished, which a resuming server sends. */
	if (!binds(io) || SSL_version(io->ssl) != TLS1_2_VERSION)
		return false;
	bool ours = (SSL_is_server(io->ssl) != 0) == (SSL_session_reused(io->ssl) != 0);
	size_t len = ours ? SSL_get_finished(io->ssl, out, *n) : SSL_get_peer_finished(io->ssl, out, *n);
	if (len == 0 || len > *n)
		return false;
	*n = len;
	return true;
}

bool io_tls_peer_sha256(const struct io *io, uint8_t out[32])
{
	X509 *cert = io_is_tls(io) ? SSL_get1_peer_certificate(io->ssl) : NULL;
	unsigned n = 0;
	bool ok = cert && X509_digest(cert, EVP_sha256(), out, &n) == 1 && n == 32;
	X509_free(cert);
	return ok;
}
