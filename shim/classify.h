/* SPDX-License-Identifier: MIT */
#ifndef SHIM_CLASSIFY_H
#define SHIM_CLASSIFY_H

/* What the first bytes of a write say about a connection. Pure; bytes in, verdict out. */

#include "kvscope/llm_paths.h"
#include "kvscope/ring.h"

#include <stddef.h>
#include <stdint.h>

/* No request line needs more than this to be judged; a longer path counts as no LLM's. */
#define CLASSIFY_MAX 512

struct verdict {
	enum kvs_class class; /* CANDIDATE: cannot be said before more bytes are there */
	enum kvs_llm_api api; /* RECORDED: which */
	const uint8_t *name;  /* OPAQUE: the TLS server name, in the input; NULL if the hello has none here */
	size_t name_bytes;
	const char *protocol; /* WATCHED: KVS_PROTOCOL_…; NULL: plain HTTP/1 */
};

struct verdict classify(const uint8_t *p, size_t n);

#endif
