/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_CONVERSATION_H
#define TESTS_UNIT_CONVERSATION_H

/*
 * Made-up conversations for the tests of the trace: exchanges whose bodies have the order of keys and the moving cache
 * marker of a real client, with their prompts laid out by hand (so that these tests do not lean on the parser).
 */

#include "base/array.h"
#include "exchange.h"

#include <stdlib.h>
#include <string.h>

struct conversation {
	const char *session;
	unsigned seed;      /* makes texts differ between conversations */
	unsigned messages;  /* of the next request */
	unsigned text_size; /* of a message, about */
	bool marker;        /* a cache marker on the last message */
	unsigned first;     /* revision of the first message: another one changes it */
	unsigned system;    /* revision of the system prompt */
	unsigned skipped;   /* messages at the beginning that are not sent any more */
	unsigned limit;     /* added to max_tokens, of four digits */
};

static inline void conversation_part(struct exchange *x, size_t offset, enum part_kind kind, enum part_role role,
				     enum block_type block, uint32_t message, uint32_t index, struct str seen_by_model)
{
	struct prompt *p = &x->prompt;
	struct prompt_part *grown = array_grow(p->parts, &p->capacity, p->nparts + 1, sizeof(*grown));
	if (!grown)
		abort();
	p->parts = grown;
	struct str raw = {x->request.body.p + offset, x->request.body.n - offset};
	p->parts[p->nparts++] = (struct prompt_part){
		.kind = kind,
		.role = role,
		.block = block,
		.message = message,
		.index = index,
		.offset = offset,
		.bytes = raw.n,
		.normalised_bytes = seen_by_model.n,
		.raw = digest_of(raw),
		.normalised = digest_of(seen_by_model),
	};
	p->kind_bytes[kind] += seen_by_model.n;
}

/* Text that differs for every (seed, number), of about `size` bytes, with characters that need escaping. */
static inline void conversation_text(struct buf *to, unsigned seed, unsigned number, unsigned size)
{
	unsigned state = seed * 2654435761u + number * 40503u + 12345;
	buf_printf(to, "text %u of %u \\n\\\"", number, seed);
	while (size-- > 32) {
		state = state * 1664525u + 1013904223u;
		buf_putc(to, "abcdefghijklmnopqrstuvwxyz      "[state >> 27]);
	}
	buf_puts(to, "\xc3\xa9\xe2\x82\xac");
}

static inline void conversation_message(struct conversation *c, struct exchange *x, unsigned number)
{
	struct buf *b = &x->request.body, seen;
	uint32_t place = number - c->skipped;
	bool user = number % 2 == 0;
	unsigned revision = number == 0 ? c->first * 1000000 : 0;

	buf_init(&seen, 1 << 26);
	buf_printf(b, "%s{\"role\":\"%s\",\"content\":[", place ? "," : "", user ? "user" : "assistant");
	for (uint32_t block = 0; block < (user ? 1 : 2); block++) {
		if (block)
			buf_putc(b, ',');
		size_t offset = b->n;
		buf_puts(b, "{\"type\":\"text\",\"text\":\"");
		conversation_text(b, c->seed, number * 2 + block + revision, c->text_size);
		buf_putc(b, '"');
		buf_reset(&seen);
		buf_append(&seen, b->p + offset, b->n - offset);
		if (c->marker && number + 1 == c->messages && user)
			buf_puts(b, ",\"cache_control\":{\"type\":\"ephemeral\"}");
		buf_putc(b, '}');
		conversation_part(x, offset, PART_MESSAGE, user ? ROLE_USER : ROLE_ASSISTANT, BLOCK_TEXT, place, block,
				  buf_str(&seen));
	}
	buf_puts(b, "]}");
	buf_release(&seen);
}

/* The next request of the conversation, with a short response. The caller releases it. */
static inline void conversation_exchange(struct conversation *c, uint64_t id, struct exchange *x)
{
	static const struct arrival arrivals[] = {{5000000 + 60, 20}, {5000000 + 70, 300}};
	struct buf *b = &x->request.body;

	exchange_init(x, 1 << 26, 1 << 26);
	x->id = id;
	x->pid = 4711;
	x->connection = 3 + id;
	x->peer = strdup("127.0.0.1:8080");
	x->api = KVS_API_ANTHROPIC_MESSAGES;
	x->session = c->session ? strdup(c->session) : NULL;
	x->model = strdup("test-model");
	x->max_tokens = 1024;
	x->request.method = strdup("POST");
	x->request.path = strdup("/v1/messages");

	buf_puts(b, "{\"model\":\"test-model\",\"messages\":[");
	for (unsigned i = c->skipped; i < c->messages; i++)
		conversation_message(c, x, i);
	buf_puts(b, "],\"system\":[");
	for (uint32_t i = 0; i < 2; i++) {
		size_t offset = b->n;
		buf_printf(b, "%s{\"type\":\"text\",\"text\":\"system %u, revision %u of %u\"}", i ? "," : "", i,
			   c->system, c->seed);
		offset += i != 0;
		conversation_part(x, offset, PART_SYSTEM, ROLE_SYSTEM, BLOCK_TEXT, i, 0,
				  (struct str){b->p + offset, b->n - offset});
	}
	buf_puts(b, "],\"tools\":[");
	for (uint32_t i = 0; i < 3; i++) {
		size_t offset = b->n;
		buf_printf(b, "%s{\"name\":\"tool%u\",\"input_schema\":{}}", i ? "," : "", i);
		offset += i != 0;
		conversation_part(x, offset, PART_TOOL, ROLE_NONE, BLOCK_TOOL, i, 0,
				  (struct str){b->p + offset, b->n - offset});
	}
	buf_printf(b, "],\"max_tokens\":%u}", 1024 + c->limit);

	x->prompt.messages = c->messages - c->skipped;
	x->prompt.tools = 3;
	x->prompt.has_system = x->prompt.has_tools = true;
	x->prompt.system_fingerprint = digest_of(STR("system"));
	x->prompt.tools_fingerprint = digest_of(STR("tools"));
	x->request.body_bytes = b->n;
	x->request.body_sha256 = digest_of(buf_str(b));

	buf_puts(&x->response.body, "event: message_start\ndata: {\"secret\":\"answer\"}\n\n");
	x->response.body_bytes = x->response.body.n;
	x->response.body_sha256 = digest_of(buf_str(&x->response.body));
	x->response.status = 200;
	x->response.streamed = true;
	x->response.usage = (struct usage){.input = 0, .output = 12, EXCHANGE_ABSENT, EXCHANGE_ABSENT, EXCHANGE_ABSENT};
	x->response.arrivals = malloc(sizeof(arrivals));
	memcpy(x->response.arrivals, arrivals, sizeof(arrivals));
	x->response.narrivals = 2;
	x->times.request_start = 5000000;
	x->times.end = 5000090;
}

#endif
