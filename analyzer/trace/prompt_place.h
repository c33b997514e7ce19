/* SPDX-License-Identifier: MIT */
#ifndef TRACE_PROMPT_PLACE_H
#define TRACE_PROMPT_PLACE_H

/* Where two parts that should be equal part: the place in words, numbers and a few characters. */

#include "trace/reader.h"

struct prompt_place {
	bool known;
	uint64_t byte;             /* in both parts; with --content none the start of a 64-byte step */
	uint64_t tail;             /* bytes that both parts end with, behind the place; 0 where it is not known */
	int64_t body_byte;         /* in the new request's body; -1: unknown */
	char *path;                /* JSON path in the new body; NULL: unknown (--content none) */
	char *old_text, *new_text; /* excerpts; NULL: unknown */
};

/*
 * Compares a part of an earlier request with one of a later one; the traces may be the same. Returns 0, or -1 with one
 * line in error. The caller releases *out, which starts zeroed, in either case.
 */
int prompt_place_find(struct trace *old_trace, uint32_t old_part, struct trace *new_trace, size_t new_exchange,
		      const struct trace_prompt_part *new_part, struct prompt_place *out, char *error,
		      size_t error_bytes);
void prompt_place_release(struct prompt_place *p);

#endif
