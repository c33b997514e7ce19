/* SPDX-License-Identifier: MIT */
#include "diff/prefix.h"

#include "trace/prompt_diff.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#define TOOL_TEXT_MAX ((size_t)4 << 20)

static int part_text(void *context, uint32_t part, struct buf *out)
{
	char error[256];
	return trace_part_text(context, part, out, error, sizeof(error));
}

/* Anthropic's "name", or OpenAI's "function"."name"; NULL where the text was not kept or says none. */
static char *tool_name(struct trace *t, uint32_t part)
{
	struct buf text;
	char *name = NULL;

	buf_init(&text, TOOL_TEXT_MAX);
	if (part_text(t, part, &text) == 0) {
		cJSON *tool = cJSON_ParseWithLength(text.p, text.n);
		const cJSON *function = cJSON_GetObjectItemCaseSensitive(tool, "function");
		const cJSON *said = cJSON_GetObjectItemCaseSensitive(function ? function : tool, "name");
		if (cJSON_IsString(said) && said->valuestring)
			name = strdup(said->valuestring);
		cJSON_Delete(tool);
	}
	buf_release(&text);
	return name;
}

static char *place_name(struct trace *t, const struct exchange *x, const struct trace_prompt_part *at)
{
	struct buf path;
	buf_init(&path, 256);
	prompt_part_path(t, x, at, &path);
	return buf_steal(&path);
}

/* The main conversation with the most requests; without one the longest of any role. */
static uint32_t main_lineage(const struct report *r)
{
	uint32_t best = LINEAGE_NONE;
	for (uint32_t i = 0; i < r->lineages.n; i++) {
		const struct lineage *l = &r->lineages.lineages[i];
		const struct lineage *b = best == LINEAGE_NONE ? NULL : &r->lineages.lineages[best];
		bool main_beats = b && l->role == LINEAGE_MAIN && b->role != LINEAGE_MAIN;
		bool more = b && (l->role == LINEAGE_MAIN) == (b->role == LINEAGE_MAIN) && l->requests > b->requests;
		if (!b || main_beats || more)
			best = i;
	}
	return best;
}

/* The prompts of one conversation, each made from the one before. */
struct rendering {
	struct rendered prompt;
	const struct trace *trace; /* NULL: none yet */
	size_t exchange;
};

static int render_exchange(const struct report *r, const struct render_rules *rules, uint32_t exchange,
			   struct rendering *to, bool *readable)
{
	const struct report_exchange *e = &r->exchanges[exchange];
	struct trace *t = &r->traces[e->trace];
	const struct trace_prompt_part *parts;
	char error[256];
	size_t n, number = (size_t)(e->x - t->exchanges), kept = 0;

	*readable = trace_prompt(t, number, &parts, &n, error, sizeof(error)) == 0 && n > 0;
	if (!*readable)
		return 0;
	if (to->trace == t)
		kept = trace_prompt_kept(t, number, to->exchange);
	else
		to->prompt.nmarks = 0; /* numbers of parts are another trace's */
	to->trace = t;
	to->exchange = number;
	return render_continue(rules, t->parts, parts, n, kept < n ? kept : n, part_text, t, &to->prompt);
}

static int take_items(const struct report *r, struct prefix *p)
{
	const struct report_exchange *e = &r->exchanges[p->exchange];
	struct trace *t = &r->traces[e->trace];

	p->items = calloc(p->first.n + 1, sizeof(*p->items));
	if (!p->items)
		return -1;
	for (size_t i = 0; i < p->first.n; i++) {
		const struct render_piece *piece = rendered_piece(&p->first, i);
		if (piece->place == RENDER_MESSAGES)
			continue;
		p->bytes += piece->bytes;
		if (piece->classes & PIECE_MOVED)
			continue;
		struct prefix_item *item = &p->items[p->n];
		*item = (struct prefix_item){.kind = t->parts[piece->part].kind,
					     .at = {piece->part, piece->message, piece->index},
					     .digest = piece->digest,
					     .bytes = piece->bytes};
		if (item->kind == PART_TOOL)
			item->name = tool_name(t, piece->part);
		if (!item->name)
			item->name = place_name(t, e->x, &item->at);
		if (!item->name)
			return -1;
		p->n++;
		p->tools += item->kind == PART_TOOL;
	}
	return 0;
}

/* Bytes of the leading tools, system blocks and system turns merged into them, among the first n pieces. */
static uint64_t head_bytes(const struct rendered *prompt, size_t n)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < n && rendered_piece(prompt, i)->place != RENDER_MESSAGES; i++)
		bytes += rendered_piece(prompt, i)->bytes;
	return bytes;
}

static int64_t share(int64_t tokens, uint64_t bytes, uint64_t of)
{
	return tokens < 0 || of == 0 ? TOKENS_UNKNOWN : (int64_t)((double)tokens * (double)bytes / (double)of);
}

int prefix_find(const struct report *report, const struct render_rules *rules, struct prefix *out)
{
	struct rendering first = {.trace = NULL}, now = {.trace = NULL};
	uint32_t lineage = main_lineage(report);
	size_t common = 0;
	int result = -1;

	*out = (struct prefix){.exchange = LINEAGE_NONE, .tokens = TOKENS_UNKNOWN, .static_tokens = TOKENS_UNKNOWN};
	for (uint32_t i = 0; i < report->nexchanges; i++) {
		const struct report_exchange *e = &report->exchanges[i];
		bool readable;
		if (e->lineage != lineage || e->counts_only)
			continue;
		int rendered = render_exchange(report, rules, i, out->known ? &now : &first, &readable);
		out->first = first.prompt;
		if (rendered < 0)
			goto out;
		if (!readable)
			continue;
		out->requests++;
		if (out->known) {
			size_t same = rendered_common(&out->first, &now.prompt);
			common = same < common ? same : common;
			continue;
		}
		out->known = true;
		out->exchange = i;
		common = out->first.n;
		if (take_items(report, out) < 0)
			goto out;
	}
	if (out->known) {
		int64_t prompt = report->exchanges[out->exchange].prompt;
		out->static_bytes = head_bytes(&out->first, common);
		out->static_tokens = share(prompt, out->static_bytes, out->first.bytes);
		out->tokens = share(prompt, out->bytes, out->first.bytes);
	}
	result = 0;
out:
	rendered_release(&now.prompt);
	return result;
}

void prefix_release(struct prefix *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->items[i].name);
	free(p->items);
	rendered_release(&p->first);
	*p = (struct prefix){0};
}
