/* SPDX-License-Identifier: MIT */
#include "replay/forecast.h"

#define HASH_NONFATAL_OOM 1

#include "prompt/prompt.h"

#include <stdlib.h>
#include <uthash.h>

struct forecast_entry {
	struct digest key;
	int64_t tokens; /* of a prompt that ended here; -1: none did, or it is not known */
	size_t count;
	UT_hash_handle hh;
};

void forecast_init(struct forecast *f, const struct engine_facts *facts)
{
	*f = (struct forecast){0};
	engine_facts_rules(facts, &f->rules);
}

static void release(struct forecast_entry **table)
{
	struct forecast_entry *e = NULL, *next = NULL;
	HASH_ITER(hh, *table, e, next)
	{
		/* cppcheck-suppress uninitvar */
		HASH_DEL(*table, e);
		free(e);
	}
}

void forecast_release(struct forecast *f)
{
	release(&f->known);
	release(&f->parts);
}

void forecast_prompt_release(struct forecast_prompt *p)
{
	free(p->pieces);
	*p = (struct forecast_prompt){0};
}

static struct digest chain(const struct digest *before, const struct digest *piece)
{
	uint8_t both[2 * DIGEST_BYTES];
	memcpy(both, before->b, DIGEST_BYTES);
	memcpy(both + DIGEST_BYTES, piece->b, DIGEST_BYTES);
	return digest_of((struct str){(const char *)both, sizeof(both)});
}

static struct forecast_entry *find(struct forecast_entry *table, const struct digest *key)
{
	struct forecast_entry *e = NULL;
	HASH_FIND(hh, table, key, sizeof(*key), e);
	return e;
}

static struct forecast_entry *find_or_add(struct forecast_entry **table, const struct digest *key)
{
	struct forecast_entry *e = find(*table, key);
	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->key = *key;
	e->tokens = -1;
	HASH_ADD(hh, *table, key, sizeof(e->key), e);
	if (e->hh.tbl)
		return e;
	free(e);
	return NULL;
}

struct texts {
	struct str body;
	const struct prompt *prompt;
};

static int text_of(void *context, uint32_t part, struct buf *out)
{
	const struct texts *t = context;
	const struct prompt_part *p = &t->prompt->parts[part];
	return buf_append(out, t->body.p + p->offset, p->bytes);
}

/* render/ works on the parts of a trace: the same facts under other names. */
static int render(const struct forecast *f, struct str body, const struct prompt *prompt, struct rendered *out)
{
	struct trace_part *parts = calloc(prompt->nparts + 1, sizeof(*parts));
	struct trace_prompt_part *places = calloc(prompt->nparts + 1, sizeof(*places));
	struct texts texts = {body, prompt};
	int status = -1;

	for (size_t i = 0; parts && places && i < prompt->nparts; i++) {
		const struct prompt_part *p = &prompt->parts[i];
		parts[i] = (struct trace_part){.kind = p->kind,
					       .role = p->role,
					       .block = p->block,
					       .exact = true,
					       .bytes = p->bytes,
					       .normalised_bytes = p->normalised_bytes,
					       .normalised = p->normalised};
		places[i] = (struct trace_prompt_part){(uint32_t)i, p->message, p->index};
	}
	if (parts && places)
		status = render_prompt(&f->rules, parts, places, prompt->nparts, text_of, &texts, out);
	free(parts);
	free(places);
	return status;
}

static void look_up(const struct forecast *f, struct forecast_prompt *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct forecast_entry *e = find(f->known, &p->pieces[i].chain);
		if (!e)
			break;
		p->common_bytes = p->pieces[i].bytes;
		if (e->tokens >= 0) {
			p->anchor_tokens = e->tokens;
			p->anchor_bytes = p->pieces[i].bytes;
		}
	}
}

int forecast_ask(struct forecast *f, enum kvs_llm_api api, struct str body, struct forecast_prompt *out)
{
	struct prompt prompt;
	struct prompt_request request;
	struct rendered rendered = {0};
	const char *error;
	size_t offset;
	int status = 0;

	*out = (struct forecast_prompt){0};
	prompt_init(&prompt);
	if (prompt_parse(api, body, NULL, &prompt, &request, &error, &offset) < 0)
		goto out;
	status = render(f, body, &prompt, &rendered);
	if (status < 0)
		goto out;
	out->pieces = calloc(rendered.n + 1, sizeof(*out->pieces));
	if (!out->pieces) {
		status = -1;
		goto out;
	}
	struct digest before = {{0}};
	for (size_t i = 0; i < rendered.n; i++) {
		const struct render_piece *piece = rendered_piece(&rendered, i);
		before = chain(&before, &piece->digest);
		out->bytes += piece->bytes;
		out->pieces[out->n++] = (struct forecast_piece){piece->digest, before, out->bytes};
	}
	out->known = true;
	look_up(f, out);
	f->asked++;
	for (size_t i = 0; i < out->n && status == 0; i++) {
		struct forecast_entry *e = find_or_add(&f->parts, &out->pieces[i].alone);
		status = e ? 0 : -1;
		if (e)
			e->count++;
	}
out:
	rendered_release(&rendered);
	prompt_release(&prompt);
	return status;
}

int forecast_learn(struct forecast *f, const struct forecast_prompt *p, int64_t tokens)
{
	for (size_t i = 0; i < p->n; i++) {
		struct forecast_entry *e = find_or_add(&f->known, &p->pieces[i].chain);
		if (!e)
			return -1;
		if (i + 1 == p->n && tokens >= 0)
			e->tokens = tokens;
	}
	return 0;
}

/* Tokens of the first `bytes` bytes: exactly known up to the anchor, a share behind it. */
static int64_t tokens_at(const struct forecast_prompt *p, uint64_t bytes, int64_t prompt_tokens)
{
	if (!p->known || prompt_tokens < 0)
		return -1;
	if (bytes <= p->anchor_bytes || p->bytes <= p->anchor_bytes)
		return p->anchor_tokens < prompt_tokens ? p->anchor_tokens : prompt_tokens;
	double rest = (double)(prompt_tokens - p->anchor_tokens);
	double share = (double)(bytes - p->anchor_bytes) / (double)(p->bytes - p->anchor_bytes);
	return p->anchor_tokens + (int64_t)(rest > 0 ? rest * share : 0);
}

int64_t forecast_tokens(const struct forecast *f, const struct forecast_prompt *p, int64_t prompt_tokens)
{
	int64_t tokens = tokens_at(p, p->common_bytes, prompt_tokens);
	int64_t block = (int64_t)f->rules.block_tokens;
	/* The last token is computed in any case, or there would be nothing to sample from. */
	if (tokens >= prompt_tokens && tokens > 0)
		tokens = prompt_tokens - 1;
	return tokens < 0 ? -1 : tokens / block * block;
}

int64_t forecast_bound(const struct forecast *f, const struct forecast_prompt *p, int64_t prompt_tokens)
{
	uint64_t seen = 0, largest = 0;

	if (!p->known || prompt_tokens < 0)
		return -1;
	if (f->asked < 2 || p->bytes == 0)
		return 0;
	for (size_t i = 0; i < p->n; i++) {
		uint64_t bytes = p->pieces[i].bytes - (i ? p->pieces[i - 1].bytes : 0);
		const struct forecast_entry *e = find(f->parts, &p->pieces[i].alone);
		if (e && e->count > 1)
			seen += bytes;
		else if (bytes > largest)
			largest = bytes;
	}
	return (int64_t)((double)prompt_tokens * (double)(seen + largest) / (double)p->bytes);
}
