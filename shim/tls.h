/* SPDX-License-Identifier: MIT */
#ifndef SHIM_TLS_H
#define SHIM_TLS_H

/*
 * Clear text of TLS connections whose program uses a shared OpenSSL library: which followed connection an SSL object
 * belongs to, and what is recorded of it.
 *
 * By descriptor that cannot be told: many programs hand OpenSSL no descriptor but memory (asyncio, curl). But the hello
 * that went through a followed socket carries 32 random bytes that the SSL object still has (SSL_get_client_random):
 * where they are the same, what the object writes and reads travels over that very socket, encrypted. This is compared
 * before anything is recorded, each time, and takes the place of the socket's identity there.
 *
 *     OPAQUE ──► CONN_TLS    an LLM's request line in a write: from here on the clear text is recorded, its offsets
 *                            begin at 0, and of the socket's own bytes nothing is recorded any more
 */

#include "fdtab.h"
#include "record.h"

/* The functions of one library, found together. */
struct tls_library {
#define TLS(name, prototype, arguments, sent, p, count, failed) int(*name) prototype;
#include "tls.def"
	size_t (*SSL_get_client_random)(const void *ssl, unsigned char *out, size_t n);
	int (*SSL_get_error)(const void *ssl, int result);
};

/*
 * The library that the code at this address, which calls with this object, would reach without us; NULL: there is none.
 * It may be in *own. The first call from there asks the loader, which may lock and allocate: an SSL function may do so,
 * too, and no other place of this library does it.
 */
const struct tls_library *tls_library_of(void *caller, const void *ssl, struct tls_library *own);

/* A hello that passed through the connection, which is OPAQUE by now but not yet seen as such by others. */
void tls_hello(struct conn *c, const uint8_t *p, size_t n);
/* The two leave errno and OpenSSL's errors alone. n: bytes written or read; 0: none, or the end. */
void tls_sent(const struct tls_library *library, const void *ssl, const void *p, size_t n, uint64_t begin_ns);
void tls_received(const struct tls_library *library, const void *ssl, const void *p, size_t n, int result);
/* Has any connection said hello so far? */
bool tls_any(void);

#endif
