/* SPDX-License-Identifier: MIT */
#include "prompt/prompt.h"

#include "prompt/build.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {
	[PART_TOOL] = "tool",
	[PART_SYSTEM] = "system",
	[PART_MESSAGE] = "message",
};

static const char *const role_names[] = {
	[ROLE_NONE] = "none",           [ROLE_SYSTEM] = "system", [ROLE_USER] = "user",
	[ROLE_ASSISTANT] = "assistant", [ROLE_TOOL] = "tool",     [ROLE_OTHER] = "other",
};

static const char *const block_names[] = {
	[BLOCK_TEXT] = "text",         [BLOCK_THINKING] = "thinking",
	[BLOCK_TOOL_USE] = "tool_use", [BLOCK_TOOL_RESULT] = "tool_result",
	[BLOCK_IMAGE] = "image",       [BLOCK_TOOL] = "tool",
	[BLOCK_BILLING] = "billing",   [BLOCK_OTHER] = "other",
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static int find_name(const char *const *names, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(name, str_from(names[i])))
			return (int)i;
	return -1;
}

const char *part_kind_name(enum part_kind kind)
{
	return kind_names[kind];
}

const char *part_role_name(enum part_role role)
{
	return role_names[role];
}

const char *block_type_name(enum block_type block)
{
	return block_names[block];
}

int part_kind_from_name(struct str name)
{
	return find_name(kind_names, COUNT(kind_names), name);
}

int part_role_from_name(struct str name)
{
	return find_name(role_names, COUNT(role_names), name);
}

int block_type_from_name(struct str name)
{
	return find_name(block_names, COUNT(block_names), name);
}

void prompt_init(struct prompt *p)
{
	*p = (struct prompt){0};
}

void prompt_release(struct prompt *p)
{
	free(p->parts);
	free(p->list);
	prompt_init(p);
}

void prompt_clear(struct prompt *p)
{
	*p = (struct prompt){
		.parts = p->parts, .capacity = p->capacity, .list = p->list, .list_capacity = p->list_capacity};
}

/* Walks the previous prompt beside the new one, a place per kind: in which order the kinds come does not matter. */
struct previous {
	const struct prompt *prompt;
	struct str body;
	size_t same;
	size_t next[PART_KINDS];
};

static void previous_init(struct previous *v, const struct prompt_previous *previous)
{
	*v = (struct previous){.prompt = NULL};
	if (!previous)
		return;
	const struct prompt *prompt = previous->prompt;
	*v = (struct previous){.prompt = prompt, .body = previous->body, .same = previous->same};
	for (size_t kind = 0; kind < PART_KINDS; kind++)
		while (v->next[kind] < prompt->nparts && prompt->parts[v->next[kind]].kind != kind)
			v->next[kind]++;
}

static bool same_part(const struct previous *v, size_t at, const struct prompt_part *part, struct str body)
{
	if (at >= v->prompt->nparts)
		return false;
	const struct prompt_part *old = &v->prompt->parts[at];
	return old->kind == part->kind && old->role == part->role && old->block == part->block &&
	       old->bytes == part->bytes && old->bytes <= v->body.n && old->offset <= v->body.n - old->bytes &&
	       ((old->offset == part->offset && old->offset + old->bytes <= v->same) ||
		memcmp(v->body.p + old->offset, body.p + part->offset, part->bytes) == 0);
}

static const struct prompt_part *previous_find(struct previous *v, const struct prompt_part *part, struct str body)
{
	if (!v->prompt)
		return NULL;
	size_t expected = v->next[part->kind];
	for (size_t i = 0; i <= PROMPT_LOOK_AHEAD + PROMPT_LOOK_BACK; i++) {
		size_t at = prompt_look(expected, i);
		if (same_part(v, at, part, body)) {
			v->next[part->kind] = at + 1;
			return &v->prompt->parts[at];
		}
	}
	v->next[part->kind] = expected + 1;
	return NULL;
}

/* Goes on behind parts that were taken over whole. */
static void previous_pass(struct previous *v, const struct prompt_part *last, size_t next)
{
	v->next[last->kind] = next;
}

/* Returns how many parts have their hashes; fewer than all after a bad escape. */
static size_t hash_parts(struct prompt_build *b, struct previous *v)
{
	struct prompt *p = b->out;
	struct str body = b->scan.text;
	const struct prompt_run *run = b->runs, *end = run ? run + b->nruns : NULL;
	size_t i;

	for (i = 0; i < p->nparts; i++) {
		struct prompt_part *part = &p->parts[i];
		while (run < end && i >= run->first + run->nparts)
			run++;
		if (run < end && i >= run->first) {
			previous_pass(v, part, run->previous_first + (i - run->first) + 1);
			p->kind_bytes[part->kind] += part->normalised_bytes;
			continue;
		}
		const struct prompt_part *old = previous_find(v, part, body);
		if (old) {
			part->raw = old->raw;
			part->normalised = old->normalised;
			part->normalised_bytes = old->normalised_bytes;
		} else {
			if (prompt_normalise(body, part) < 0)
				break;
			part->raw = digest_of((struct str){body.p + part->offset, part->bytes});
		}
		p->kind_bytes[part->kind] += part->normalised_bytes;
	}
	return i;
}

/* Of the parts of one kind, in their order. False if there are none. */
static bool fingerprint(const struct prompt *p, enum part_kind kind, struct digest *normalised, struct digest *raw)
{
	struct digest_stream *n = digest_stream_new(), *r = digest_stream_new();
	bool any = false;

	for (size_t i = 0; i < p->nparts; i++) {
		const struct prompt_part *part = &p->parts[i];
		if (part->kind != kind)
			continue;
		any = true;
		digest_stream_update(r, (struct str){(const char *)part->raw.b, DIGEST_BYTES});
		if (part->block != BLOCK_BILLING)
			digest_stream_update(n, (struct str){(const char *)part->normalised.b, DIGEST_BYTES});
	}
	*normalised = digest_stream_final(n);
	*raw = digest_stream_final(r);
	return any;
}

size_t prompt_same_parts(const struct prompt *a, const struct prompt *b, size_t same)
{
	size_t i = 0;
	for (; i < a->nparts && i < b->nparts; i++) {
		const struct prompt_part *x = &a->parts[i], *y = &b->parts[i];
		if (x->offset + x->bytes > same || x->offset != y->offset || x->bytes != y->bytes ||
		    x->kind != y->kind || x->role != y->role || x->block != y->block || x->message != y->message ||
		    x->index != y->index)
			break;
	}
	return i;
}

int prompt_parse(enum kvs_llm_api api, struct str body, const struct prompt_previous *previous, struct prompt *out,
		 struct prompt_request *request, const char **error, size_t *error_offset)
{
	struct prompt_build b = {
		.out = out, .request = request, .openai = api == KVS_API_OPENAI_CHAT, .previous = previous};
	struct previous walk;

	prompt_clear(out);
	*request = (struct prompt_request){.max_tokens = -1};
	json_scan_init(&b.scan, body);
	if (api != KVS_API_ANTHROPIC_MESSAGES && api != KVS_API_ANTHROPIC_COUNT_TOKENS && api != KVS_API_OPENAI_CHAT)
		json_fail(&b.scan, "an API without prompts", 0);
	else
		prompt_read(&b);

	previous_init(&walk, previous);
	size_t hashed = hash_parts(&b, &walk);
	free(b.runs);
	if (hashed < out->nparts) {
		json_fail(&b.scan, "a bad escape", out->parts[hashed].offset);
		out->nparts = hashed;
		out->nlist = 0;
		b.system_whole = b.tools_whole = false;
	}
	if (b.system_whole)
		out->has_system = fingerprint(out, PART_SYSTEM, &out->system_fingerprint, &out->system_fingerprint_raw);
	if (b.tools_whole)
		out->has_tools = fingerprint(out, PART_TOOL, &out->tools_fingerprint, &out->tools_fingerprint_raw);
	if (!b.scan.error)
		return 0;
	*error = b.scan.error;
	*error_offset = b.scan.error_offset;
	return -1;
}
