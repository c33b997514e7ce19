/* SPDX-License-Identifier: MIT */
#include "why/server.h"

#include "base/clock.h"
#include "why/request_signs.h"

#include <string.h>

/* Anthropic's times to live, counted from the start of the request that wrote or read the entry. */
#define TTL_SHORT_NS (UINT64_C(300) * NS_PER_S)
#define TTL_LONG_NS (UINT64_C(3600) * NS_PER_S)
/* How many requests between two of a conversation are looked at, and before the first for such as still ran. */
#define BETWEEN_MAX 4096
#define BEFORE_MAX 64
#define CONVERSATIONS_MAX 64
/* A prompt of which this much was reused has been held. */
#define HELD_SHARE 0.9

static bool same_server(const struct exchange *a, const struct exchange *b)
{
	return a->peer && b->peer && strcmp(a->peer, b->peer) == 0;
}

struct between {
	bool failed;                          /* a request got no answer, or that of a server that is not up */
	uint32_t lineages[CONVERSATIONS_MAX]; /* others that were served */
	int64_t prompts[CONVERSATIONS_MAX];   /* the longest of each */
	size_t others;
	int64_t tokens; /* of these prompts */
};

static void note(struct between *b, const struct report_exchange *e)
{
	int64_t prompt = e->prompt == TOKENS_UNKNOWN ? 0 : e->prompt;
	size_t k = 0;
	while (k < b->others && b->lineages[k] != e->lineage)
		k++;
	if (k == CONVERSATIONS_MAX)
		return;
	if (k == b->others) {
		b->lineages[k] = e->lineage;
		b->prompts[k] = 0;
		b->others++;
	}
	if (prompt > b->prompts[k]) {
		b->tokens += prompt - b->prompts[k];
		b->prompts[k] = prompt;
	}
}

static bool served(const struct report_exchange *e)
{
	return !e->counts_only && e->x->response.status >= 200 && e->x->response.status < 400 && e->prompt != 0;
}

/* What happened on the server from the start of one request to the start of another. */
static void look_between(const struct report *r, uint32_t from, uint32_t to, struct between *out)
{
	const struct report_exchange *old = &r->exchanges[from], *new = &r->exchanges[to];

	*out = (struct between){.failed = false};
	for (uint32_t i = to - from > BETWEEN_MAX ? to - BETWEEN_MAX : from + 1; i < to; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		int status = e->x->response.status;
		if (!same_server(e->x, new->x) || e->counts_only)
			continue;
		if (status == 0 || (status >= 502 && status <= 504))
			out->failed = true;
		else if (e->lineage != new->lineage && served(e))
			note(out, e);
	}
	/* One that began before the parent and was still being answered counts, too. */
	for (uint32_t i = from; i > 0 && from - i < BEFORE_MAX; i--) {
		const struct report_exchange *e = &r->exchanges[i - 1];
		if (e->trace == old->trace && e->lineage != new->lineage &&same_server(e->x, new->x) && served(e) &&
		    e->x->times.end > old->x->times.request_end)
			note(out, e);
	}
}

void server_learn(const struct report *r, struct server_memory *out)
{
	*out = (struct server_memory){0, 0};
	for (uint32_t i = 0; i < r->nexchanges; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		if (e->parent == LINEAGE_NONE || e->cached == TOKENS_UNKNOWN || e->cached <= 0)
			continue;
		int64_t parent = r->exchanges[e->parent].prompt;
		if (parent == TOKENS_UNKNOWN || (double)e->cached < HELD_SHARE * (double)parent)
			continue;
		struct between b;
		look_between(r, e->parent, i, &b);
		if (b.others > out->conversations)
			out->conversations = b.others;
		if (b.others && b.tokens + parent > out->tokens)
			out->tokens = b.tokens + parent;
	}
}

/*
 * Could what was served in between have pushed the conversation out of a cache that has held so much before? Slots
 * count conversations, pools of blocks and host caches count tokens, of which a conversation has a few more with every
 * turn.
 */
static bool evicted(const struct between *b, const struct server_memory *memory, int64_t own_tokens)
{
	return b->others > 0 &&
	       (b->others > memory->conversations || b->tokens + own_tokens > memory->tokens + memory->tokens / 4);
}

/*
 * Is the beginning still there, which others served in between share, and the rest gone? No restart does that: room was
 * made for them. Pools of blocks drop from the end, and a slot that others used is cut back to what they have in
 * common.
 */
static bool only_end_lost(const struct between *b, const struct report_exchange *e)
{
	return b->others > 0 && e->cached > 0;
}

/*
 * All or nothing: within this conversation, whenever nobody was in between, either all of a prefix was reused or
 * nothing at all, and nothing twice at least.
 */
static bool all_or_nothing(const struct report *r, uint32_t exchange)
{
	unsigned nothing = 0;
	for (uint32_t i = 0; i < r->nexchanges; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		if (e->lineage != r->exchanges[exchange].lineage || e->parent == LINEAGE_NONE ||
		    e->cached == TOKENS_UNKNOWN)
			continue;
		const struct report_exchange *parent = &r->exchanges[e->parent];
		struct between b;
		look_between(r, e->parent, i, &b);
		if (b.others > 0 || b.failed || parent->prompt == TOKENS_UNKNOWN)
			continue;
		if (e->cached == 0)
			nothing++;
		else if ((double)e->cached < HELD_SHARE * (double)parent->prompt)
			return false;
	}
	return nothing >= 2;
}

static uint64_t began(const struct report *r, const struct report_exchange *e)
{
	const struct trace *t = &r->traces[e->trace];
	return t->realtime_ns + (e->x->times.request_start - t->monotonic_ns);
}

static const char *cause(const struct report *r, uint32_t exchange, const struct backend *backend,
			 const struct server_memory *memory)
{
	const struct report_exchange *e = &r->exchanges[exchange], *parent = &r->exchanges[e->parent];
	uint64_t now = began(r, e), then = began(r, parent);
	uint64_t pause = now > then ? now - then : 0;
	struct between between;
	struct request_signs signs;

	look_between(r, e->parent, exchange, &between);
	request_signs(r, e->parent, exchange, backend->engine == ENGINE_ANTHROPIC, &signs);
	if (backend->engine == ENGINE_ANTHROPIC) {
		if (pause > (signs.long_ttl ? TTL_LONG_NS : TTL_SHORT_NS))
			return "ttl_expired";
		if (signs.ttl_changed)
			return "cache_control_changed";
		if (signs.parameters_changed)
			return "parameters_changed";
		if (signs.marker_on_system_turn)
			return "breakpoint_on_system_turn";
	}
	if (between.failed && e->cached == 0)
		return "restart";
	if (signs.parameters_changed && (backend->chat_template == TEMPLATE_GPT_OSS || between.others == 0))
		return "parameters_changed";
	if (evicted(&between, memory, parent->prompt) || only_end_lost(&between, e))
		return "slot_evicted";
	if (e->cached == 0 && all_or_nothing(r, exchange))
		return "not_trimmable";
	return "unknown";
}

const struct breaker *server_cause(const struct report *report, uint32_t exchange, const struct backend *backend,
				   const struct server_memory *memory)
{
	return breaker_find(cause(report, exchange, backend, memory));
}
