/* SPDX-License-Identifier: MIT */
#include "prompt/prompt.h"

/*
 * Ranges are ascending, disjoint and inside the body; a prompt that is parsed beside another one, or beside itself, is
 * the same as alone; a body that is cut has no parts that the whole one has not. The first byte chooses the API, the
 * second where the body is cut.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* same: how far the bodies are known to be the same. */
static int parse(enum kvs_llm_api api, struct str body, const struct prompt *previous, struct str previous_body,
		 size_t same, struct prompt *out)
{
	struct prompt_previous before = {previous, previous_body, same};
	struct prompt_request request;
	const char *error = NULL;
	size_t offset = 0, end = 0;
	int r = prompt_parse(api, body, previous ? &before : NULL, out, &request, &error, &offset);

	check((r == 0) == !error && offset <= body.n);
	for (size_t i = 0; i < out->nparts; i++) {
		const struct prompt_part *part = &out->parts[i];
		check(part->bytes > 0 && part->offset >= end && part->bytes <= body.n &&
		      part->offset <= body.n - part->bytes);
		end = part->offset + part->bytes;
	}
	return r;
}

static void check_same(const struct prompt *a, const struct prompt *b)
{
	check(a->nparts == b->nparts && a->has_system == b->has_system && a->has_tools == b->has_tools);
	for (size_t i = 0; i < a->nparts; i++) {
		/* Field by field: there is room between them that nobody writes. */
		const struct prompt_part *x = &a->parts[i], *y = &b->parts[i];
		check(x->kind == y->kind && x->role == y->role && x->block == y->block && x->message == y->message);
		check(x->index == y->index && x->offset == y->offset && x->bytes == y->bytes);
		check(x->normalised_bytes == y->normalised_bytes);
		check(memcmp(&x->raw, &y->raw, sizeof(x->raw)) == 0);
		check(memcmp(&x->normalised, &y->normalised, sizeof(x->normalised)) == 0);
	}
	check(memcmp(&a->system_fingerprint, &b->system_fingerprint, sizeof(a->system_fingerprint)) == 0);
	check(memcmp(&a->tools_fingerprint, &b->tools_fingerprint, sizeof(a->tools_fingerprint)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return 0;
	enum kvs_llm_api api = data[0] % 2 ? KVS_API_OPENAI_CHAT : KVS_API_ANTHROPIC_MESSAGES;
	struct str body = {(const char *)data + 2, n - 2};
	struct str cut = {body.p, body.n * data[1] / 256};
	struct prompt whole, part, again;

	prompt_init(&whole);
	prompt_init(&part);
	prompt_init(&again);
	int r = parse(api, body, NULL, STR_NONE, 0, &whole);
	for (int told = 0; told < 2; told++) {
		parse(api, body, &whole, body, told ? body.n : 0, &again);
		check_same(&whole, &again);
	}
	check(prompt_same_parts(&whole, &again, body.n) == whole.nparts);
	int cut_r = parse(api, cut, NULL, STR_NONE, 0, &part);
	check(r < 0 || cut_r < 0 || cut.n == body.n || strchr(" \t\r\n", body.p[cut.n]));
	/* What would become a single part of a tool's message may be several as long as its role is not known. */
	check(r < 0 || api == KVS_API_OPENAI_CHAT || part.nparts <= whole.nparts);
	for (int told = 0; told < 2; told++) {
		parse(api, body, &part, cut, told ? cut.n : 0, &again);
		check_same(&whole, &again);
	}
	prompt_release(&whole);
	prompt_release(&part);
	prompt_release(&again);
	return 0;
}
