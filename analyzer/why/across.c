/* SPDX-License-Identifier: MIT */
#include "why/across.h"

#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->kept = false)
#include <uthash.h>

/* Requests with one head. The first is kept beside the newest, which may still be under way when another begins. */
struct head {
	struct digest key;
	uint32_t first, newest;
	bool kept;
	UT_hash_handle hh;
};

struct across {
	struct head *heads;
};

struct across *across_new(void)
{
	return calloc(1, sizeof(struct across));
}

void across_free(struct across *a)
{
	struct head *h, *next;
	if (!a)
		return;
	HASH_ITER(hh, a->heads, h, next)
	{
		HASH_DEL(a->heads, h);
		free(h);
	}
	free(a);
}

static struct digest key_of(const struct exchange *x, const struct digest *of)
{
	struct digest parts[3] = {digest_of(str_from(x->model ? x->model : "")),
				  digest_of(str_from(x->peer ? x->peer : "")), *of};
	return digest_of((struct str){(const char *)parts, sizeof(parts)});
}

/* Keys of a prompt: its tools as a set, its last system block. Returns how many. */
static size_t keys_of(const struct exchange *x, const struct view *v, struct digest out[2])
{
	struct digest tools = {{0}};
	const struct render_run *run = &v->rendered.runs[RUN_TOOLS], *system = &v->rendered.runs[RUN_SYSTEM];
	size_t n = 0;

	for (size_t i = 0; i < run->n; i++)
		for (size_t b = 0; b < sizeof(tools.b); b++)
			tools.b[b] = (uint8_t)(tools.b[b] + run->pieces[i].digest.b[b]);
	if (run->n)
		out[n++] = key_of(x, &tools);
	if (system->n)
		out[n++] = key_of(x, &system->pieces[system->n - 1].digest);
	return n;
}

/* Of a conversation, whatever the model: server, and the prompt up to the first answer. False: there is none yet. */
static bool conversation_key(const struct exchange *x, const struct view *v, struct digest *out)
{
	struct {
		struct digest peer;
		uint64_t prefix[2];
	} of = {.peer = digest_of(str_from(x->peer ? x->peer : ""))};
	size_t i, end;

	rendered_find(&v->rendered, KIND_MESSAGES, &i, &end);
	while (i < end && piece_part(v, i)->role != ROLE_ASSISTANT)
		i++;
	if (i == end)
		return false;
	rendered_prefix(&v->rendered, i + 1, of.prefix);
	*out = digest_of((struct str){(const char *)&of, sizeof(of)});
	return true;
}

static int remember(struct across *a, const struct digest *key, uint32_t exchange)
{
	struct head *h;
	HASH_FIND(hh, a->heads, key, sizeof(*key), h);
	if (h) {
		h->newest = exchange;
		return 0;
	}
	h = calloc(1, sizeof(*h));
	if (!h)
		return -1;
	*h = (struct head){.key = *key, .first = exchange, .newest = exchange, .kept = true};
	HASH_ADD(hh, a->heads, key, sizeof(h->key), h);
	if (h->kept)
		return 0;
	free(h);
	return -1;
}

int across_add(struct across *a, const struct report *report, uint32_t exchange, const struct view *prompt)
{
	const struct exchange *x = report->exchanges[exchange].x;
	struct digest keys[2], conversation;
	size_t n = keys_of(x, prompt, keys);

	for (size_t i = 0; i < n; i++)
		if (remember(a, &keys[i], exchange) < 0)
			return -1;
	return conversation_key(x, prompt, &conversation) ? remember(a, &conversation, exchange) : 0;
}

static uint64_t real_time(const struct report *r, uint32_t exchange, uint64_t stamp)
{
	return trace_real_time(&r->traces[r->exchanges[exchange].trace], stamp);
}

/* Had the model read the prompt when the other request began? */
static bool prefilled_before(const struct report *r, uint32_t earlier, uint32_t later)
{
	const struct exchange_times *times = &r->exchanges[earlier].x->times;
	uint64_t at = times->message_start ? times->message_start : times->end;
	return at && real_time(r, earlier, at) <= real_time(r, later, r->exchanges[later].x->times.request_start);
}

size_t across_find(const struct across *a, const struct report *report, uint32_t exchange, const struct view *prompt,
		   uint32_t out[ACROSS_MAX])
{
	struct digest keys[2];
	size_t n = keys_of(report->exchanges[exchange].x, prompt, keys), found = 0;

	for (size_t i = 0; i < n; i++) {
		struct head *h;
		HASH_FIND(hh, a->heads, &keys[i], sizeof(keys[i]), h);
		for (int k = 0; h && k < 2; k++) {
			uint32_t candidate = k == 0 ? h->newest : h->first;
			bool known = false;
			for (size_t j = 0; j < found; j++)
				known = known || out[j] == candidate;
			if (!known && candidate != exchange && prefilled_before(report, candidate, exchange))
				out[found++] = candidate;
		}
	}
	return found;
}

uint32_t across_other_model(const struct across *a, const struct report *report, uint32_t exchange,
			    const struct view *prompt)
{
	const struct exchange *x = report->exchanges[exchange].x;
	struct digest key;
	struct head *h = NULL;

	if (conversation_key(x, prompt, &key))
		HASH_FIND(hh, a->heads, &key, sizeof(key), h);
	if (!h || h->newest == exchange || !prefilled_before(report, h->newest, exchange))
		return LINEAGE_NONE;
	const struct exchange *before = report->exchanges[h->newest].x;
	bool other = strcmp(before->model ? before->model : "", x->model ? x->model : "") != 0;
	return other && !before->session && !x->session ? h->newest : LINEAGE_NONE;
}
