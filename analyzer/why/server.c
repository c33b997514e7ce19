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
/* By how much counts differ that mean the same: a block, a generation prompt. */
#define SLACK_TOKENS 64
/* Reuse of less says nothing of a cache's size. */
#define PLATEAU_MIN 128
/* How far the place of a cache marker can be off, as a share of the prompt. */
#define MARK_SLACK 0.1
/* A prompt of which this much was reused has been held. */
#define HELD_SHARE 0.9

/* A token of prose has 4. */
#define CUT_OFF_TOKEN_BYTES 16

bool server_cut_off(int64_t tokens_before, int64_t tokens, uint64_t came)
{
	int64_t least = (int64_t)(came / CUT_OFF_TOKEN_BYTES);
	return tokens < tokens_before || (least > 0 && tokens - tokens_before < least);
}

static bool same_server(const struct exchange *a, const struct exchange *b)
{
	return a->peer && b->peer && strcmp(a->peer, b->peer) == 0;
}

struct between {
	bool failed; /* a request got no answer, one that broke off, or that of a server that is not up */
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

static bool failed(const struct report_exchange *e)
{
	const struct exchange_response *r = &e->x->response;
	if (exchange_client_left(e->x))
		return false;
	bool broke_off = r->status == 200 && r->error && !r->stop_reason;
	return r->status == 0 || (r->status >= 502 && r->status <= 504) || broke_off;
}

static bool served(const struct report_exchange *e)
{
	return !e->counts_only && e->x->response.status >= 200 && e->x->response.status < 400 && e->prompt != 0;
}

/* What happened on the server from the start of one request to the start of another. */
static void look_between(const struct report *r, uint32_t from, uint32_t to, struct between *out)
{
	const struct report_exchange *old = &r->exchanges[from], *new = &r->exchanges[to];

	*out = (struct between){.failed = failed(old)};
	for (uint32_t i = to - from > BETWEEN_MAX ? to - BETWEEN_MAX : from + 1; i < to; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		if (!same_server(e->x, new->x) || e->counts_only)
			continue;
		if (failed(e))
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

int server_learn(const struct report *r, struct server_memory *out)
{
	*out = (struct server_memory){.requests = request_memo_new(r)};
	if (!out->requests)
		return -1;
	for (uint32_t i = 0; i < r->nexchanges; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		if (e->cached != TOKENS_UNKNOWN && e->cached > out->longest)
			out->longest = e->cached;
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
	return 0;
}

void server_forget(struct server_memory *memory)
{
	request_memo_free(memory->requests);
	*memory = (struct server_memory){.requests = NULL};
}

/* As many others as never before: slots count conversations. */
static bool pushed_out(const struct between *b, const struct server_memory *memory)
{
	return b->others > memory->conversations;
}

/*
 * As many tokens as never before: pools of blocks and host caches count them, of which a conversation has a few more
 * with every turn.
 */
static bool overflowed(const struct between *b, const struct server_memory *memory, int64_t own_tokens)
{
	return b->others > 0 && b->tokens + own_tokens > memory->tokens + memory->tokens / 4;
}

/* A request to which only its own conversation had been served since its parent, and whose prompt continues that one.
 */
static bool alone(const struct report *r, uint32_t exchange, int64_t *parent_tokens)
{
	const struct report_exchange *e = &r->exchanges[exchange];
	struct between b;

	if (e->parent == LINEAGE_NONE || e->cached == TOKENS_UNKNOWN)
		return false;
	*parent_tokens = r->exchanges[e->parent].prompt;
	if (*parent_tokens == TOKENS_UNKNOWN)
		return false;
	look_between(r, e->parent, exchange, &b);
	return b.others == 0 && !b.failed;
}

static bool held(const struct report_exchange *e, int64_t parent_tokens)
{
	return (double)e->cached >= HELD_SHARE * (double)parent_tokens;
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
		int64_t parent;
		if (e->lineage != r->exchanges[exchange].lineage || !alone(r, i, &parent))
			continue;
		if (e->cached == 0)
			nothing++;
		else if (!held(e, parent))
			return false;
	}
	return nothing >= 2;
}

/*
 * Where reuse ends: nobody in between, and twice at least no more was reused than this, though more was there; nothing
 * on this server was ever reused beyond it.
 */
static bool plateau(const struct report *r, uint32_t exchange, const struct server_memory *memory)
{
	const struct report_exchange *now = &r->exchanges[exchange];
	unsigned times = 0;
	int64_t parent;

	if (now->cached < PLATEAU_MIN || now->cached + SLACK_TOKENS < memory->longest || !alone(r, exchange, &parent))
		return false;
	for (uint32_t i = 0; i < r->nexchanges; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		if (same_server(e->x, now->x) && e->cached + SLACK_TOKENS >= memory->longest && alone(r, i, &parent) &&
		    parent > memory->longest + SLACK_TOKENS)
			times++;
	}
	return times >= 2;
}

/*
 * The same of caches that keep a prompt whole or not at all: within this conversation, nobody in between, all that
 * continued a prompt up to a length found it, and all that continued a longer one did not; twice at least each.
 */
static bool too_long(const struct report *r, uint32_t exchange, int64_t *longest)
{
	int64_t most_held = 0, least_lost = INT64_MAX;
	unsigned nheld = 0, nlost = 0;

	for (uint32_t i = 0; i < r->nexchanges; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		int64_t parent;
		if (e->lineage != r->exchanges[exchange].lineage || !alone(r, i, &parent))
			continue;
		if (held(e, parent)) {
			nheld++;
			most_held = parent > most_held ? parent : most_held;
		} else if (e->repeated != TOKENS_UNKNOWN && (double)e->repeated >= HELD_SHARE * (double)parent) {
			nlost++;
			least_lost = parent < least_lost ? parent : least_lost;
		}
	}
	*longest = most_held;
	return nheld >= 2 && nlost >= 2 && most_held < least_lost;
}

/* What another conversation and this one share, by what the first request of either found. */
static int64_t shared_with(const struct report *r, uint32_t lineage)
{
	for (uint32_t i = 0; i < r->nexchanges; i++)
		if (r->exchanges[i].lineage == lineage && r->exchanges[i].cached != TOKENS_UNKNOWN)
			return r->exchanges[i].cached;
	return TOKENS_UNKNOWN;
}

/*
 * Others were served, and the beginning of the prompt was still there and the rest was not: a slot that was taken keeps
 * no more than what the two conversations share.
 */
static bool cut_short(const struct report *r, uint32_t exchange, const struct between *b,
		      const struct server_memory *memory, int64_t *holds)
{
	const struct report_exchange *e = &r->exchanges[exchange];
	int64_t shared = shared_with(r, e->lineage);

	if (b->others == 0 || e->cached < PLATEAU_MIN)
		return false;
	for (size_t i = 0; i < b->others; i++) {
		int64_t with = shared_with(r, b->lineages[i]);
		if (with == TOKENS_UNKNOWN || with > e->cached - PLATEAU_MIN)
			return false;
	}
	*holds = e->cached + b->tokens;
	return shared != TOKENS_UNKNOWN && shared <= e->cached - PLATEAU_MIN && memory->tokens <= *holds + *holds / 4;
}

/* Was all reused that the parent asked to be cached? Where that ends is estimated by bytes. */
static bool all_that_was_marked(const struct report_exchange *e, const struct report_exchange *parent, double behind)
{
	double asked = (double)parent->prompt * (1 - behind);
	return behind > 0 && e->cached > 0 && (double)e->cached > asked - MARK_SLACK * (double)parent->prompt;
}

static uint64_t began(const struct report *r, const struct report_exchange *e)
{
	const struct trace *t = &r->traces[e->trace];
	return t->realtime_ns + (e->x->times.request_start - t->monotonic_ns);
}

static const char *cause(const struct report *r, uint32_t exchange, const struct backend *backend,
			 const struct server_memory *memory, int64_t *cache_tokens)
{
	const struct report_exchange *e = &r->exchanges[exchange], *parent = &r->exchanges[e->parent];
	uint64_t now = began(r, e), then = began(r, parent);
	uint64_t pause = now > then ? now - then : 0;
	struct between between;
	struct request_signs signs;

	look_between(r, e->parent, exchange, &between);
	request_signs(r, memory->requests, e->parent, exchange, backend->engine == ENGINE_ANTHROPIC, &signs);
	if (backend->engine == ENGINE_ANTHROPIC) {
		if (pause > (signs.long_ttl ? TTL_LONG_NS : TTL_SHORT_NS))
			return "ttl_expired";
		if (signs.ttl_changed)
			return "cache_control_changed";
		if (signs.parameters_changed)
			return "parameters_changed";
		if (signs.marker_on_system_turn)
			return "breakpoint_on_system_turn";
		if (all_that_was_marked(e, parent, signs.behind_marker))
			return "behind_last_breakpoint";
	}
	if (between.failed && e->cached == 0)
		return "restart";
	if (signs.parameters_changed && (backend->chat_template == TEMPLATE_GPT_OSS || between.others == 0))
		return "parameters_changed";
	/* Nobody takes anybody's place there. */
	if (backend->engine == ENGINE_ANTHROPIC)
		return "unknown";
	if (cut_short(r, exchange, &between, memory, cache_tokens))
		return "cache_too_small";
	*cache_tokens = TOKENS_UNKNOWN;
	if (pushed_out(&between, memory))
		return "slot_evicted";
	if (overflowed(&between, memory, parent->prompt)) {
		*cache_tokens = memory->tokens;
		return "cache_too_small";
	}
	if (only_end_lost(&between, e))
		return "slot_evicted";
	if (plateau(r, exchange, memory)) {
		*cache_tokens = memory->longest;
		return "cache_too_small";
	}
	if (too_long(r, exchange, cache_tokens))
		return "cache_too_small";
	*cache_tokens = TOKENS_UNKNOWN;
	if (e->cached == 0 && all_or_nothing(r, exchange))
		return "not_trimmable";
	return "unknown";
}

const struct breaker *server_cause(const struct report *report, uint32_t exchange, const struct backend *backend,
				   const struct server_memory *memory, int64_t *cache_tokens)
{
	*cache_tokens = TOKENS_UNKNOWN;
	return breaker_find(cause(report, exchange, backend, memory, cache_tokens));
}
