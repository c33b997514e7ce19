/* SPDX-License-Identifier: MIT */
#ifndef HAND_TRACE_H
#define HAND_TRACE_H

/*
 * Traces made by hand, without a file, for tests of what is computed from them. A prompt is words as in
 * "T:bash*4000 S:sys*43 U:task A:answer": kind or role, text, and after '*' its normalised bytes (10 if not said).
 * R:... is a tool's result, B:... the billing block.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#define HAND_EXCHANGES 128
#define HAND_PARTS 2048

struct hand_trace {
	struct trace t; /* its index, which only the reader knows, points back here */
	struct exchange exchanges[HAND_EXCHANGES];
	struct trace_part parts[HAND_PARTS];
	struct trace_prompt_part prompts[HAND_EXCHANGES][64];
	size_t nprompt[HAND_EXCHANGES];
};

static inline struct hand_trace *hand_new(void)
{
	struct hand_trace *h = calloc(1, sizeof(*h));
	assert_non_null(h);
	h->t.path = strdup("hand.jsonl");
	h->t.version = 1;
	h->t.monotonic_ns = 1000 * NS_PER_S;
	h->t.realtime_ns = UINT64_C(1795000000) * NS_PER_S;
	h->t.exchanges = h->exchanges;
	h->t.parts = h->parts;
	h->t.index = (struct trace_index *)(void *)h;
	h->t.has_footer = true;
	h->t.footer.complete = true;
	return h;
}

static inline void hand_free(struct hand_trace *h)
{
	for (size_t i = 0; i < h->t.nexchanges; i++)
		exchange_release(&h->exchanges[i]);
	free(h->t.path);
	free(h);
}

static inline uint32_t hand_part(struct hand_trace *h, struct str word)
{
	struct trace_part part = {.kind = PART_MESSAGE, .role = ROLE_USER, .block = BLOCK_TEXT, .exact = true};
	const char *star = memchr(word.p, '*', word.n);
	part.normalised = digest_of((struct str){word.p, star ? (size_t)(star - word.p) : word.n});
	part.normalised_bytes = part.bytes = star ? strtoull(star + 1, NULL, 10) : 10;
	switch (word.p[0]) {
	case 'T':
		part.kind = PART_TOOL;
		part.role = ROLE_NONE;
		part.block = BLOCK_TOOL;
		break;
	case 'B':
		part.block = BLOCK_BILLING;
		part.kind = PART_SYSTEM;
		part.role = ROLE_SYSTEM;
		break;
	case 'S':
		part.kind = PART_SYSTEM;
		part.role = ROLE_SYSTEM;
		break;
	case 'A':
		part.role = ROLE_ASSISTANT;
		break;
	case 'R':
		part.block = BLOCK_TOOL_RESULT;
		break;
	default:
		break;
	}
	/* As in a trace: a part is there once, however often it is sent. */
	for (size_t i = 0; i < h->t.nparts; i++)
		if (memcmp(&h->parts[i].normalised, &part.normalised, sizeof(part.normalised)) == 0)
			return (uint32_t)i;
	assert_true(h->t.nparts < HAND_PARTS);
	h->parts[h->t.nparts] = part;
	return (uint32_t)h->t.nparts++;
}

/*
 * A streamed exchange that began `at` seconds after the trace, waited `ttft` and decoded for `decode` seconds; answered
 * 200 and end_turn, nothing reported. The caller changes what is to be otherwise.
 */
static inline struct exchange *hand_add(struct hand_trace *h, const char *session, const char *agent, double at,
					double ttft, double decode, const char *words)
{
	size_t n = h->t.nexchanges++, k = 0;
	assert_true(n < HAND_EXCHANGES);
	struct exchange *x = &h->exchanges[n];
	exchange_init(x, 0, 0);
	x->id = n + 1;
	x->api = KVS_API_ANTHROPIC_MESSAGES;
	x->peer = strdup("127.0.0.1:8080");
	x->model = strdup("claude-test");
	x->session = session ? strdup(session) : NULL;
	x->agent = agent ? strdup(agent) : NULL;
	x->request.path = strdup("/v1/messages");
	x->response.status = 200;
	x->response.streamed = true;
	x->response.stop_reason = strdup("end_turn");
	x->times.request_start = h->t.monotonic_ns + (uint64_t)(at * 1e9);
	x->times.request_end = x->times.request_start + NS_PER_MS;
	x->times.first_content = x->times.request_end + (uint64_t)(ttft * 1e9);
	x->times.end = x->times.first_content + (uint64_t)(decode * 1e9);

	struct buf system;
	buf_init(&system, 1 << 16);
	for (; *words; words += strspn(words, " ")) {
		struct str word = {words, strcspn(words, " ")};
		uint32_t part = hand_part(h, word);
		h->prompts[n][k++].part = part;
		if (h->parts[part].kind == PART_SYSTEM && h->parts[part].block != BLOCK_BILLING)
			buf_append_str(&system, word);
		words += word.n;
	}
	h->nprompt[n] = k;
	x->prompt.has_system = system.n > 0;
	x->prompt.system_fingerprint = digest_of(buf_str(&system));
	buf_release(&system);
	return x;
}

static inline void hand_usage(struct exchange *x, int64_t input, int64_t cache_read, int64_t output)
{
	x->response.usage.input = input;
	x->response.usage.cache_read = cache_read;
	x->response.usage.output = output;
}

/* In the place of trace_prompt. */
static inline int hand_prompt(struct trace *t, size_t exchange, const struct trace_prompt_part **out, size_t *n,
			      char *error, size_t error_bytes)
{
	struct hand_trace *h = (struct hand_trace *)(void *)t->index;
	(void)error;
	(void)error_bytes;
	*out = h->prompts[exchange];
	*n = h->nprompt[exchange];
	return 0;
}

#endif
